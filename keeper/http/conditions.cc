#include "keeper/http/conditions.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "keeper/reconcile/report.h"

namespace pgaf::keeper {

Role goal_role(const LoopView& v) {
    return v.promise.goal ? v.promise.goal->role : Role::wait;
}

bool is_primary(const LoopView& v) {
    return goal_role(v) == Role::primary && is_writable(v.run, v.facts) && !lease_over(v.promise, v.run);
}

bool is_standby(const LoopView& v) {
    const Role role = goal_role(v);
    const bool standby = role == Role::standby || role == Role::fence || role == Role::fast_forward;
    return standby && v.facts.status == PgStatus::running && v.facts.in_recovery && v.facts.open_to_clients;
}

bool is_replica(const LoopView& v, const Tags& tags) {
    const auto left_out = tags.find("noloadbalance");
    return is_standby(v) && (left_out == tags.end() || left_out->second != "true");
}

std::optional<bool> in_sync_rule(const LoopView& v) {
    const ClusterMember* self = find_member(v.cluster, v.promise.node);
    if (!self || self->incarnation != v.promise.incarnation) return std::nullopt;
    return self->in_sync_rule;
}

std::optional<std::uint64_t> lag(const LoopView& v) {
    // One that is cut off knows its own end only, and would be level with itself however old its data are.
    const bool told = v.run.monitor_in_reach && !v.upstream_end.empty();
    if (!told && !v.facts.receiver.streaming) return std::nullopt;
    const Lsn known = std::max(told ? v.upstream_end : Lsn{}, v.facts.end);
    if (known.empty() || v.facts.replayed.empty()) return std::nullopt;
    return known.v - std::min(known.v, v.facts.replayed.v);
}

bool has_tags(const Tags& tags, const Query& query) {
    constexpr std::string_view tag_prefix = "tag_";
    return std::all_of(query.begin(), query.end(), [&](const auto& asked) {
        if (!asked.first.starts_with(tag_prefix)) return true;
        const auto tag = tags.find(asked.first.substr(tag_prefix.size()));
        return tag != tags.end() && tag->second == asked.second;
    });
}

bool is_ready(const LoopView& v, const Query& query) {
    // Whatever the monitor says to it: as long as it may serve, nobody else does (R8).
    if (is_primary(v)) return true;
    if (!v.refusal.empty()) return false;
    if (!is_standby(v) || !v.facts.receiver.streaming) return false;
    const auto behind = lag(v);
    return behind && (query.contains("lag") || *behind <= readiness_lag_bytes);
}

Narrowed narrow(const LoopView& v, const Tags& tags, const Query& query) {
    Narrowed result{has_tags(tags, query), {}};
    for (const auto& [key, value] : query) {
        if (key == "lag") {
            const auto limit = parse_bytes(value);
            if (!limit) return {false, "lag: not a number of bytes, as in 1000, 16kB, 10MB or 1GB: " + value};
            const auto behind = lag(v);
            result.holds = result.holds && behind && *behind <= *limit;
        } else if (key == "replication_state") {
            result.holds = result.holds && value == (v.facts.receiver.streaming ? "streaming" : "");
        }
    }
    return result;
}

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

}  // namespace pgaf::keeper
