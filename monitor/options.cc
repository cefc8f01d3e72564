#include "monitor/options.h"

#include "monitor/fsm/settings.h"

namespace pgaf::monitor {
namespace {

using config::Config;
using config::Option;
using config::Type;

Option number(std::string name, std::uint64_t fallback, std::int64_t low, std::int64_t high, std::string help) {
    return {.name = std::move(name),
            .type = Type::integer,
            .fallback = std::to_string(fallback),
            .help = std::move(help),
            .min = low,
            .max = high};
}

/// Fallbacks are the members' own defaults, so that there is one place for them.
std::vector<Option> setting_options() {
    const fsm::Settings usual;
    return {
        number("heartbeat_ms", usual.heartbeat_ms, 50, 10'000, "new clusters: how often keepers report"),
        number("node_timeout_ms", usual.node_timeout_ms, 300, 120'000,
               "new clusters: silence after which a node is suspected; at least 4 heartbeats"),
        {.name = "number_sync_standbys",
         .type = Type::integer,
         .help = "new clusters: standbys that must have a commit before it is acknowledged; not set: 1 with three "
                 "nodes or more, else 0",
         .min = 0,
         .max = 30},
        number("boot_wait_ms", usual.boot_wait_ms, 0, 600'000,
               "new clusters: how long a booting cluster waits for its last primary"),
        number("switchover_max_lag_bytes", usual.switchover_max_lag_bytes, 0, std::int64_t{1} << 40,
               "new clusters: largest lag of a switchover's candidate"),
        number("switchover_timeout_ms", usual.switchover_timeout_ms, 1000, 600'000,
               "new clusters: how long the old primary's stop may take"),
        number("failover_limit", usual.failover_limit, 1, 1000,
               "new clusters: automatic failovers allowed in ten minutes"),
        number("lease_ms", usual.lease_ms, 500, 600'000,
               "new clusters: how long a primary goes on without the monitor and enough standbys"),
        number("keeper_timeout_ms", usual.keeper_timeout_ms, 500, 3'600'000,
               "new clusters: how long a synchronous primary's server goes on without its keeper"),
        {.name = "asynchronous",
         .type = Type::boolean,
         .fallback = "false",
         .help = "new clusters: commits wait for no standby, and a failover may lose some"},
        number("maximum_lag_on_failover", usual.maximum_lag_on_failover, 0, std::int64_t{1} << 40,
               "new asynchronous clusters: bytes behind the primary up to which a standby may take over"),
    };
}

fsm::Settings settings_from(const Config& config) {
    const auto small = [&](const char* name) { return static_cast<std::uint32_t>(config.integer(name)); };
    fsm::Settings settings;
    settings.heartbeat_ms = small("heartbeat_ms");
    settings.node_timeout_ms = small("node_timeout_ms");
    if (config.has("number_sync_standbys")) settings.number_sync_standbys = small("number_sync_standbys");
    settings.boot_wait_ms = small("boot_wait_ms");
    settings.switchover_max_lag_bytes = static_cast<std::uint64_t>(config.integer("switchover_max_lag_bytes"));
    settings.switchover_timeout_ms = small("switchover_timeout_ms");
    settings.failover_limit = small("failover_limit");
    settings.lease_ms = small("lease_ms");
    settings.keeper_timeout_ms = small("keeper_timeout_ms");
    settings.asynchronous = config.boolean("asynchronous");
    settings.maximum_lag_on_failover = static_cast<std::uint64_t>(config.integer("maximum_lag_on_failover"));
    return settings;
}

/// Spelt as in this file: with '_'.
std::vector<std::string> check(const Config& config) {
    std::string why = fsm::clash(settings_from(config));
    for (std::size_t at = why.find('-'); at != std::string::npos; at = why.find('-', at + 1)) why[at] = '_';
    return why.empty() ? std::vector<std::string>{} : std::vector<std::string>{why};
}

}  // namespace

config::Program program() {
    config::Program it{.name = "pgaf-monitor",
                       .about = "decides for PostgreSQL clusters: who is primary, who follows whom",
                       .command = "run",
                       .env_prefix = "PGAF_MONITOR_",
                       .default_file = "/etc/pgaf/monitor.toml",
                       .check = check};
    it.options = {
        {.name = "listen",
         .fallback = "0.0.0.0:5431",
         .help = "host:port for keepers and pgafctl (gRPC)",
         .check = config::check_listen_address},
        {.name = "http_listen",
         .fallback = "0.0.0.0:8431",
         .help = "host:port for the status page, /metrics, /healthz and /api",
         .check = config::check_listen_address},
        {.name = "store",
         .fallback = "/var/lib/pgaf/monitor.db",
         .help = "file of the embedded store",
         .check = config::check_absolute_path},
        number("events_kept", default_events_kept, 100, 10'000'000, "events kept of each cluster"),
        number("max_clusters", 64, 1, 10'000, "clusters that this monitor takes on"),
        {.name = "log_level",
         .fallback = "info",
         .help = "what is logged",
         .words = {"debug", "info", "warning", "error", "off"}},
    };
    for (auto& option : setting_options()) it.options.push_back(std::move(option));
    return it;
}

Options options_from(const Config& config) {
    const auto small = [&](const char* name) { return static_cast<std::uint32_t>(config.integer(name)); };
    Options options;
    options.app.listen = config.text("listen");
    options.app.http_listen = config.text("http_listen");
    options.app.coordinator.max_clusters = small("max_clusters");
    options.app.coordinator.settings = settings_from(config);
    options.store = {config.text("store"), small("events_kept")};
    options.log_level = log_level_from_word(config.text("log_level")).value_or(LogLevel::info);
    return options;
}

}  // namespace pgaf::monitor
