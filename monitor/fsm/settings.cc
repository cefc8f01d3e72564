#include "monitor/fsm/settings.h"

#include <algorithm>
#include <charconv>

namespace pgaf::fsm {
namespace {

struct NumberSetting {
    const char* name;
    std::uint64_t low;
    std::uint64_t high;
    const char* meaning;
    std::uint64_t (*get)(const Settings&);
    void (*set)(Settings&, std::uint64_t);
};

template <auto Member>
constexpr NumberSetting number(const char* name, std::uint64_t low, std::uint64_t high, const char* meaning) {
    return {
        name,
        low,
        high,
        meaning,
        [](const Settings& s) -> std::uint64_t { return s.*Member; },
        [](Settings& s, std::uint64_t v) { s.*Member = static_cast<std::remove_reference_t<decltype(s.*Member)>>(v); }};
}

constexpr NumberSetting number_settings[] = {
    number<&Settings::heartbeat_ms>("heartbeat-ms", 50, 10'000, "how often keepers report, in milliseconds"),
    number<&Settings::node_timeout_ms>("node-timeout-ms", 300, 120'000,
                                       "silence after which a node is suspected; at least 4 heartbeats"),
    number<&Settings::boot_wait_ms>("boot-wait-ms", 0, 600'000,
                                    "how long a booting cluster waits for its last primary"),
    number<&Settings::switchover_max_lag_bytes>("switchover-max-lag-bytes", 0, 1ULL << 40,
                                                "largest lag of a switchover's candidate"),
    number<&Settings::switchover_timeout_ms>("switchover-timeout-ms", 1000, 600'000,
                                             "how long the old primary's stop may take before it is ended"),
    number<&Settings::failover_limit>("failover-limit", 1, 1000, "automatic failovers allowed in ten minutes"),
    number<&Settings::lease_ms>("lease-ms", 500, 600'000,
                                "how long a primary goes on without the monitor and enough standbys"),
    number<&Settings::keeper_timeout_ms>("keeper-timeout-ms", 500, 3'600'000,
                                         "how long a synchronous primary's server goes on without its keeper"),
    number<&Settings::maximum_lag_on_failover>(
        "maximum-lag-on-failover", 0, 1ULL << 40,
        "asynchronous clusters: bytes behind the primary's last known position up to which a standby may take over"),
};

constexpr const char* asynchronous_name = "asynchronous";

std::optional<bool> yes_or_no(const std::string& text) {
    if (text == "true" || text == "yes" || text == "on") return true;
    if (text == "false" || text == "no" || text == "off") return false;
    return std::nullopt;
}

std::int64_t least_lease_ms(const Settings& s) {
    return static_cast<std::int64_t>(s.node_timeout_ms) + 2 * static_cast<std::int64_t>(s.heartbeat_ms);
}

std::string is(const char* name, std::uint64_t value) {
    return std::string(name) + " = " + std::to_string(value);
}

}  // namespace

std::optional<std::uint64_t> whole_number(const std::string& text) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value);
    if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return value;
}

std::string clash(const Settings& s) {
    if (s.node_timeout_ms < 4 * s.heartbeat_ms)
        return "node-timeout-ms must be at least 4 heartbeats, or a late one is taken for a loss: " +
               is("heartbeat-ms", s.heartbeat_ms) + ", " + is("node-timeout-ms", s.node_timeout_ms);
    if (static_cast<std::int64_t>(s.lease_ms) < least_lease_ms(s))
        return "lease-ms must be at least node-timeout-ms and two heartbeats, or a primary closes itself before it "
               "knows that the monitor is away: " +
               is("lease-ms", s.lease_ms) + ", " + is("node-timeout-ms", s.node_timeout_ms) + ", " +
               is("heartbeat-ms", s.heartbeat_ms);
    if (s.keeper_timeout_ms < s.lease_ms)
        return "keeper-timeout-ms must be at least lease-ms, or a keeper that is started again comes too late: " +
               is("keeper-timeout-ms", s.keeper_timeout_ms) + ", " + is("lease-ms", s.lease_ms);
    if (s.asynchronous && s.number_sync_standbys.value_or(0) > 0)
        return "asynchronous = true and number-sync-standbys = " + std::to_string(*s.number_sync_standbys) +
               " contradict each other: either commits wait for standbys, or a failover may lose some";
    return {};
}

Millis lease_of(const Settings& s) {
    return Millis{std::max(static_cast<std::int64_t>(s.lease_ms), least_lease_ms(s))};
}

Millis keeper_timeout_of(const Settings& s) {
    return std::max(Millis{static_cast<std::int64_t>(s.keeper_timeout_ms)}, lease_of(s));
}

std::string change_setting(Settings& settings, const std::string& name, const std::string& value) {
    Settings changed = settings;
    if (name == asynchronous_name) {
        const std::optional<bool> flag = yes_or_no(value);
        if (!flag) return name + ": '" + value + "' is not allowed; allowed: true, false, yes, no, on, off";
        changed.asynchronous = *flag;
    } else {
        const auto* const found = std::find_if(std::begin(number_settings), std::end(number_settings),
                                               [&](const NumberSetting& s) { return name == s.name; });
        const std::optional<std::uint64_t> number = whole_number(value);
        if (!number) return name + ": '" + value + "' is not a whole number";
        if (found == std::end(number_settings)) {
            std::string names = std::string("number-sync-standbys, ") + asynchronous_name;
            for (const NumberSetting& s : number_settings) names += std::string(", ") + s.name;
            return "no setting is called '" + name + "'; there are " + names;
        }
        if (*number < found->low || *number > found->high)
            return name + " must be between " + std::to_string(found->low) + " and " + std::to_string(found->high);
        found->set(changed, *number);
    }
    if (std::string why = clash(changed); !why.empty()) return why;
    settings = changed;
    return {};
}

std::vector<SettingInfo> list_settings(const ClusterRecord& record) {
    const Settings& s = record.settings;
    std::vector<SettingInfo> all{
        {"number-sync-standbys", s.number_sync_standbys ? std::to_string(*s.number_sync_standbys) : "auto",
         "standbys that must have a commit before it is acknowledged; auto: 1 with three nodes or more, else 0"},
        {asynchronous_name, s.asynchronous ? "true" : "false",
         "commits wait for no standby, and a failover may lose some, up to maximum-lag-on-failover"}};
    for (const NumberSetting& n : number_settings) all.push_back({n.name, std::to_string(n.get(s)), n.meaning});
    return all;
}

}  // namespace pgaf::fsm
