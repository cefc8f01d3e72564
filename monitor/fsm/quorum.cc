#include "monitor/fsm/quorum.h"

#include <algorithm>

#include "common/mutation.h"
#include "monitor/fsm/amnesia.h"
#include "monitor/fsm/history.h"
#include "monitor/fsm/lease.h"

namespace pgaf::fsm {

bool fenced(const World& world, const NodeRecord& node) {
    const Report* r = world.report(node.name);
    if (!r || !r->fenced || r->promised.epoch != world.record.epoch || r->promised != node.goal.stamp) return false;
    if (node.goal.incarnation != node.incarnation) return false;
    // A server that runs read-write goes on writing, whatever it says.
    if (r->status == PgStatus::running && !r->in_recovery) return false;
    return node.goal.role == Role::fence || node.goal.role == Role::fast_forward;
}

bool forwarding(const World& world, const NodeRecord& node) {
    const std::optional<FastForward>& forward = world.record.forward;
    if (!forward || !world.in_reach(node.name) || fenced(world, node)) return false;
    // What it has promised says which epochs it may follow: only goals of this one or a later one.
    if (world.report(node.name)->promised.epoch != world.record.epoch) return false;
    if (forward->node == node.name) return forward->incarnation == node.incarnation;
    return forward->start_source && forward->source == node.name && forward->source_incarnation == node.incarnation;
}

std::size_t fences_needed(const SyncRule& rule) {
    const std::size_t k = rule.k;
    if (k == 0) return rule.members.size();
    if (broken(Mutation::r4)) return 1;
    return rule.members.size() >= k ? rule.members.size() - k + 1 : 0;
}

namespace {

std::size_t count_members(const World& world, const SyncRule& rule, bool (*counts)(const World&, const NodeRecord&)) {
    return static_cast<std::size_t>(std::count_if(
        world.record.nodes.begin(), world.record.nodes.end(),
        [&](const auto& entry) { return rule.contains(entry.second.incarnation) && counts(world, entry.second); }));
}

bool enough(const World& world, bool (*counts)(const World&, const NodeRecord&)) {
    if (world.record.rules.empty()) return false;
    return std::all_of(world.record.rules.begin(), world.record.rules.end(), [&](const NamedRule& named) {
        // R7: only where the user accepts that a failover may lose commits, and never past (0, {}).
        if (named.rule.asynchronous() && (!world.record.settings.asynchronous || named.rule.nobody_may_follow()))
            return false;
        return count_members(world, named.rule, counts) >= fences_needed(named.rule);
    });
}

/// A member whose last point on the history can't be told (somebody promoted it by hand, say) shows nothing by its
/// fence.
bool holds_fence(const World& world, const NodeRecord& node) {
    if (!fenced(world, node) && !forwarding(world, node)) return false;
    return !last_on_history(world.record, *world.report(node.name)).lsn.empty();
}

bool reachable(const World& world, const NodeRecord& node) {
    return node.name != world.record.primary && world.in_reach(node.name);
}

}  // namespace

Completeness completeness(const World& world) {
    Completeness c;
    const Report* primary = world.primary_live();
    // An end that could not be read, or has not been yet, says nothing about what may be missing elsewhere.
    // Nor does one of a disk that may have been put back, until it would have shown, or one that can be compared with
    // nothing.
    c.by_exit = world.primary_exited() && !complete_end(*primary).lsn.empty() && loss_would_show(world) &&
                (world.record.history.empty() || on_history(world.record, *primary));
    c.by_fences = enough_fenced(world) && (!asynchronous_in_force(world) || c.by_exit || lease_certainly_over(world));
    // One that was told to stop has promised too, but is not to go on: its exit is what counts. One that was chosen and
    // has not been promoted yet runs in recovery; it may still be.
    const bool may_go_on = !world.record.planned && !world.record.exclude_primary;
    c.by_promise = may_go_on && world.primary_promised() && primary->status == PgStatus::running;
    return c;
}

bool enough_fenced(const World& world) {
    return enough(world, holds_fence);
}

bool reachable_nodes_can_complete(const World& world) {
    return enough(world, reachable);
}

bool old_primary_may_go_on(const World& world) {
    const NodeRecord* p = world.primary();
    const Report* r = world.primary_live();
    if (!p || !r || p->maintenance || r->leaving) return false;
    return world.record.history.empty() || on_history(world.record, *r);
}

std::string missing(const World& world) {
    const NodeRecord* p = world.primary();
    const bool primary_is_there = p && p->incarnation == world.record.primary_incarnation;
    const NodeView* view = world.view(world.record.primary);
    const bool forgot = primary_is_there && view && !view->distrust.empty();
    const Report* r = world.primary_live();
    const bool strayed = r && r->status == PgStatus::stopped && !r->timeline.empty() && !world.record.history.empty() &&
                         !on_history(world.record, *r);
    const std::string primary = (strayed  ? "what the cluster's line lacks of " + text(complete_end(*r)) + " on "
                                 : forgot ? "the lost WAL of "
                                 : primary_is_there ? ""
                                                    : "the lost data folder of ") +
                                world.record.primary.v;
    const bool declared = world.record.settings.asynchronous;
    if (std::any_of(world.record.rules.begin(), world.record.rules.end(), [&](const NamedRule& named) {
            return named.rule.asynchronous() && (!declared || named.rule.nobody_may_follow());
        }))
        return "needs " + primary +
               ", the last primary: commits may have been acknowledged without a standby, so only it is sure to have "
               "them all";
    std::string text;
    for (const NamedRule& named : world.record.rules) {
        const SyncRule& rule = named.rule;
        std::vector<NodeName> waited;
        std::size_t have = 0;
        for (const IncarnationId& member : rule.members) {
            const NodeName name = world.name_of(member);
            const NodeRecord* n = world.node(name);
            if (n && (world.record.phase == Phase::electing ? holds_fence(world, *n) : reachable(world, *n)))
                ++have;
            else
                waited.push_back(name);
        }
        if (have >= fences_needed(rule)) continue;
        const std::size_t more = fences_needed(rule) - have;
        text += (text.empty() ? "needs " : ", ") +
                (more == waited.size() ? join(waited) : std::to_string(more) + " of " + join(waited));
    }
    if (text.empty()) return text;
    if (!world.primary_exited()) return text + "; or " + primary + ", the last primary";
    const bool unread = complete_end(*world.primary_live()).lsn.empty();
    return text + "; or " + primary + ", the last primary, which has " +
           (unread ? "exited and can't tell the end of its WAL"
                   : "come back a moment ago: first its standbys may say whether it has lost WAL");
}

}  // namespace pgaf::fsm
