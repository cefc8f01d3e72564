#include "monitor/fsm/lease.h"

#include <algorithm>

#include "common/mutation.h"
#include "monitor/fsm/history.h"

namespace pgaf::fsm {
namespace {

/// Two clocks may run at rates that differ by this much, in percent. Quartz differs by less than a hundredth of it.
constexpr std::int64_t clock_percent = 5;
/// From the moment when the deadline has passed until PostgreSQL and all that it left are gone: the launcher kills what
/// does not end by itself.
constexpr std::int64_t stop_ms = 1000;

}  // namespace

bool asynchronous_in_force(const World& world) {
    return std::any_of(world.record.rules.begin(), world.record.rules.end(), [](const NamedRule& named) {
        return named.rule.asynchronous() && !named.rule.nobody_may_follow();
    });
}

Millis lease_wait(const World& world) {
    return Millis{world.record.lease_told.v * (100 + clock_percent) / 100 + stop_ms};
}

std::optional<Millis> lease_over_at(const World& world) {
    const std::optional<Millis>& fenced = world.memory.members_fenced_since;
    if (!fenced) return std::nullopt;
    // A monitor that was started meanwhile does not know when the one before it last answered.
    const Millis answered = world.memory.primary_answered.value_or(world.memory.started);
    return std::max(*fenced, answered) + lease_wait(world);
}

bool lease_certainly_over(const World& world) {
    const std::optional<Millis> at = lease_over_at(world);
    return at && (world.now >= *at || broken(Mutation::r7));
}

WalPosition last_known(const World& world) {
    WalPosition known = world.memory.primary_end;
    if (known.timeline.empty()) return known;
    for (const auto& [name, n] : world.record.nodes) {
        const Report* r = world.report(name);
        if (!r || !on_history(world.record, *r)) continue;
        if (const WalPosition end = flushed_end(*r); !end.lsn.empty() && before(world.record, known, end)) known = end;
    }
    return known;
}

std::optional<std::uint64_t> bytes_lacking(const World& world, const Report& report) {
    const WalPosition known = last_known(world);
    if (known.timeline.empty() || !on_history(world.record, report)) return std::nullopt;
    if (contains(world.record, report, known)) return 0;
    const WalPosition end = complete_end(report);
    if (end.lsn.empty() || end.timeline != known.timeline) return std::nullopt;
    return known.lsn.v - std::min(known.lsn.v, end.lsn.v);
}

bool within_allowed_loss(const World& world, const Report& report) {
    if (!asynchronous_in_force(world)) return true;
    const std::optional<std::uint64_t> lacking = bytes_lacking(world, report);
    return lacking && *lacking <= world.record.settings.maximum_lag_on_failover;
}

std::string possible_loss(const World& world, const Report& report) {
    const std::string primary = world.record.primary.v;
    const std::string more = "those that " + primary + " made after it was last heard";
    const WalPosition known = last_known(world);
    const std::optional<std::uint64_t> lacking = bytes_lacking(world, report);
    if (!lacking) return "how much of " + primary + "'s WAL is missing is not known; what is, is lost, and " + more;
    if (*lacking == 0)
        return report.node.v + " has all of " + primary + "'s WAL that is known of, up to " + text(known) +
               "; lost may be " + more;
    return "commits of " + primary + " between " + text(complete_end(report)) + " and " + known.lsn.text() + " (" +
           std::to_string(*lacking) + " bytes) may be lost, and " + more;
}

}  // namespace pgaf::fsm
