#include "keeper/http/health.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "common/json.h"
#include "keeper/reconcile/report.h"

namespace pgaf::keeper {
namespace {

using Json = nlohmann::json;
using Query = std::map<std::string, std::string>;

constexpr unsigned ok = 200;
constexpr unsigned bad_request = 400;
constexpr unsigned not_found = 404;
constexpr unsigned unavailable = 503;

Role role(const LoopView& v) {
    return v.promise.goal ? v.promise.goal->role : Role::wait;
}

/// Primary of the newest epoch that this keeper knows, not fenced, not closed.
bool is_primary(const LoopView& v) {
    return role(v) == Role::primary && is_writable(v.run, v.facts) && !lease_over(v.promise, v.run);
}

bool is_replica(const LoopView& v) {
    const bool standby = role(v) == Role::standby || role(v) == Role::fence || role(v) == Role::fast_forward;
    return standby && v.facts.status == PgStatus::running && v.facts.in_recovery && v.facts.open_to_clients;
}

/// WAL that it has not replayed yet of what is known to exist; nothing: not known.
std::optional<std::uint64_t> lag(const LoopView& v) {
    const Lsn known = std::max(v.upstream_end, v.facts.end);
    if (known.empty() || v.facts.replayed.empty()) return std::nullopt;
    return known.v - std::min(known.v, v.facts.replayed.v);
}

/// What a query adds to a condition on a standby; an error text when the query is none.
struct Narrowed {
    bool holds = true;
    std::string wrong;
};
Narrowed narrow(const LoopView& v, const Query& query) {
    Narrowed result;
    for (const auto& [key, value] : query) {
        if (key == "lag") {
            const auto limit = parse_bytes(value);
            if (!limit) return {false, "lag: not a number of bytes, as in 1000, 16kB, 10MB or 1GB: " + value};
            const auto behind = lag(v);
            result.holds = result.holds && behind && *behind <= *limit;
        } else if (key == "replication_state") {
            result.holds = result.holds && value == (v.facts.receiver.streaming ? "streaming" : "");
        } else if (key.starts_with("tag_")) {
            // Nodes have no tags yet, so none has the one that is asked for.
            result.holds = false;
        }
    }
    return result;
}

std::string role_word(const LoopView& v) {
    if (v.facts.status == PgStatus::absent || v.facts.status == PgStatus::unknown) return "uninitialized";
    return v.facts.in_recovery ? "replica" : "primary";
}

Json wal(const Facts& f) {
    if (!f.in_recovery) return {{"location", f.end.v}};
    return {{"received_location", f.end.v}, {"replayed_location", f.replayed.v}};
}

Json status(const LoopView& v) {
    const std::uint32_t version = v.facts.pg_version;
    Json json{{"state", std::string(word(v.facts.status))},
              {"role", role_word(v)},
              {"server_version", version},
              {"timeline", v.facts.timeline.v},
              {"xlog", wal(v.facts)},
              {"replication_state", v.facts.receiver.streaming ? "streaming" : ""},
              {"pause", false},
              {"pending_restart", false},
              {"tags", Json::object()},
              {"database_system_identifier", v.facts.system_id.v},
              {"patroni", {{"version", PGAF_VERSION}, {"scope", v.promise.cluster.v}, {"name", v.promise.node.v}}}};
    Json replication = Json::array();
    for (const WalsenderView& s : v.facts.standbys)
        replication.push_back({{"incarnation", s.incarnation.v},
                               {"state", s.streaming ? "streaming" : "catchup"},
                               {"flushed_location", s.flushed.v},
                               {"replayed_location", s.replayed.v}});
    if (!v.facts.in_recovery) json["replication"] = replication;
    const Promise& p = v.promise;
    json["pgaf"] = {{"cluster", p.cluster.v},
                    {"node", p.node.v},
                    {"incarnation", p.incarnation.v},
                    {"epoch", p.promised.epoch.v},
                    {"reported", std::string(word(reported_state(p, v.facts)))},
                    {"assigned", std::string(word(p.goal ? p.goal->assigned : NodeState::init))},
                    {"upstream", v.facts.following.v},
                    {"writable", is_writable(v.run, v.facts)},
                    {"doing", v.doing},
                    {"problem", v.problem},
                    {"monitor_in_reach", v.run.monitor_in_reach},
                    {"monitor_refusal", v.refusal}};
    if (const auto behind = lag(v); v.facts.in_recovery && behind) json["lag"] = *behind;
    return json;
}

http::Response respond(const LoopView& v, bool holds) {
    return {holds ? ok : unavailable, "application/json", status(v).dump()};
}

http::Response respond_narrowed(const LoopView& v, bool holds, const Query& query) {
    const Narrowed narrowed = narrow(v, query);
    if (!narrowed.wrong.empty()) return {bad_request, "application/json", Json{{"error", narrowed.wrong}}.dump()};
    return respond(v, holds && narrowed.holds);
}

bool is_ready(const LoopView& v) {
    if (!v.refusal.empty()) return false;
    if (is_primary(v)) return true;
    const auto behind = lag(v);
    return is_replica(v) && v.facts.receiver.streaming && behind && *behind <= readiness_lag_bytes;
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed != std::errc{}) return std::nullopt;
    const std::string unit(end, text.data() + text.size());
    int shift = -1;
    if (unit.empty() || unit == "B") shift = 0;
    if (unit == "kB" || unit == "KB") shift = 10;
    if (unit == "MB") shift = 20;
    if (unit == "GB") shift = 30;
    if (unit == "TB") shift = 40;
    if (shift < 0 || (number << shift) >> shift != number) return std::nullopt;
    return number << shift;
}

http::Response answer(const LoopView& v, const http::Request& request) {
    const std::string& path = request.path;
    const auto is = [&path](std::initializer_list<const char*> names) {
        return std::any_of(names.begin(), names.end(), [&](const char* name) { return path == name; });
    };
    if (is({"/", "/primary", "/read-write", "/master", "/leader"})) return respond(v, is_primary(v));
    if (is({"/replica"})) return respond_narrowed(v, is_replica(v), request.query);
    if (is({"/read-only"})) {
        return is_primary(v) ? respond(v, true) : respond_narrowed(v, is_replica(v), request.query);
    }
    if (is({"/health"})) return respond(v, v.facts.status == PgStatus::running);
    if (is({"/liveness"})) return respond(v, v.since_progress <= liveness_limit);
    if (is({"/readiness"})) {
        return is_primary(v) ? respond(v, is_ready(v)) : respond_narrowed(v, is_ready(v), request.query);
    }
    if (is({"/patroni", "/status"})) return respond(v, true);
    if (is({"/metrics"})) return {ok, "text/plain; version=0.0.4", metrics_text(v)};
    return {not_found, "application/json", Json{{"error", "no such path: " + path}}.dump()};
}

std::string metrics_text(const LoopView& v) {
    const std::string labels = "{cluster=\"" + v.promise.cluster.v + "\",node=\"" + v.promise.node.v + "\"}";
    std::string text =
        "# HELP pgaf_build_info The version that runs.\n# TYPE pgaf_build_info gauge\n"
        "pgaf_build_info{program=\"pgaf-keeper\",version=\"" PGAF_VERSION "\"} 1\n";
    const auto add = [&](const char* name, const char* type, const char* help, const std::string& value) {
        text += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n" + name + labels +
                " " + value + "\n";
    };
    const auto flag = [](bool b) { return std::string(b ? "1" : "0"); };
    const Facts& f = v.facts;
    add("pgaf_keeper_up", "gauge", "The keeper runs.", "1");
    add("pgaf_keeper_postgres_up", "gauge", "PostgreSQL runs and takes connections.",
        flag(f.status == PgStatus::running));
    add("pgaf_keeper_is_primary", "gauge", "Read-write, of the newest epoch known, and open to clients.",
        flag(is_primary(v)));
    add("pgaf_keeper_in_recovery", "gauge", "PostgreSQL is a standby.", flag(f.in_recovery));
    add("pgaf_keeper_receiver_streaming", "gauge", "The WAL receiver streams.", flag(f.receiver.streaming));
    add("pgaf_keeper_monitor_in_reach", "gauge", "The monitor was heard within node_timeout.",
        flag(v.run.monitor_in_reach));
    add("pgaf_keeper_launcher_connected", "gauge", "The launcher is in reach.", flag(f.launcher_connected));
    add("pgaf_keeper_epoch", "gauge", "The epoch that this node has promised.",
        std::to_string(v.promise.promised.epoch.v));
    add("pgaf_keeper_timeline", "gauge", "PostgreSQL's timeline.", std::to_string(f.timeline.v));
    add("pgaf_keeper_wal_position_bytes", "gauge", "Flushed end of WAL.", std::to_string(f.end.v));
    add("pgaf_keeper_wal_replayed_bytes", "gauge", "End of the WAL that was replayed.", std::to_string(f.replayed.v));
    if (const auto behind = lag(v); behind && f.in_recovery)
        add("pgaf_keeper_replication_lag_bytes", "gauge", "WAL of the primary that was not replayed yet.",
            std::to_string(*behind));
    add("pgaf_keeper_postgres_exits_total", "counter", "Exits of the postmaster that this keeper has seen.",
        std::to_string(f.exits));
    add("pgaf_keeper_reports_total", "counter", "Reports sent to the monitor.", std::to_string(v.reports));
    add("pgaf_keeper_steps_total", "counter", "Steps carried out, failed ones too.", std::to_string(v.steps));
    add("pgaf_keeper_failed_steps_total", "counter", "Steps that failed.", std::to_string(v.failed_steps));
    return text;
}

}  // namespace pgaf::keeper
