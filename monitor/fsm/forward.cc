#include "monitor/fsm/forward.h"

#include <algorithm>

#include "monitor/fsm/history.h"
#include "monitor/fsm/quorum.h"

namespace pgaf::fsm {
namespace {

/// How long the best candidate may stream what it lacks before one that has everything is taken instead.
constexpr std::int64_t forward_limit_ms = 5000;
/// How long its fence may take when that is over: until then nobody is chosen for want of it.
constexpr std::int64_t fence_again_ms = 1000;

/// A fenced node that has what the candidate lacks, one that runs rather than one that has to be started for it.
std::optional<FastForward> forward_for(const World& world, const NodeRecord& candidate, const WalPosition& point) {
    for (const PgStatus status : {PgStatus::running, PgStatus::stopped}) {
        for (const auto& [name, n] : world.record.nodes) {
            if (name == candidate.name || world.told(n) || !world.in_reach(name) || !fenced(world, n)) continue;
            const Report& r = *world.report(name);
            if (r.status != status || !contains(world.record, r, point) ||
                complete_end(r).lsn <= complete_end(*world.report(candidate.name)).lsn)
                continue;
            return FastForward{candidate.name, candidate.incarnation,       name,
                               n.incarnation,  status == PgStatus::stopped, complete_end(r).lsn};
        }
    }
    return std::nullopt;
}

/// The record's forward has had its time, and so have those before it in this election.
bool had_its_time(const World& world, const FastForward& forward) {
    const auto same = [&](const FastForward& f) {
        return f.node == forward.node && f.incarnation == forward.incarnation && f.source == forward.source &&
               f.source_incarnation == forward.source_incarnation && f.start_source == forward.start_source;
    };
    const std::vector<FastForward>& before = world.memory.forwards_given_up;
    return (world.record.forward && same(*world.record.forward)) || std::any_of(before.begin(), before.end(), same);
}

}  // namespace

std::optional<FastForward> new_forward(const World& world, const NodeRecord& candidate, const WalPosition& point) {
    const auto forward = forward_for(world, candidate, point);
    return forward && !had_its_time(world, *forward) ? forward : std::nullopt;
}

bool forward_under_way(const World& world) {
    const std::optional<FastForward>& forward = world.record.forward;
    if (!forward) return false;
    const std::int64_t since = (world.now - world.memory.forward_since).v;
    const NodeRecord* n = world.node(forward->node);
    if (!n || n->incarnation != forward->incarnation || !world.in_reach(forward->node) ||
        !world.in_reach(forward->source))
        return false;
    if (since >= forward_limit_ms) return since < forward_limit_ms + fence_again_ms && !fenced(world, *n);
    return !fenced(world, *n) || complete_end(*world.report(forward->node)).lsn < forward->until;
}

bool forward_gave_up(const World& world) {
    const std::optional<FastForward>& forward = world.record.forward;
    if (!forward || (world.now - world.memory.forward_since).v < forward_limit_ms) return false;
    const Report* r = world.report(forward->node);
    return !r || complete_end(*r).lsn < forward->until;
}

}  // namespace pgaf::fsm
