#include "monitor/fsm/goals.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "monitor/fsm/carried.h"
#include "monitor/fsm/choice.h"
#include "monitor/fsm/forward.h"
#include "monitor/fsm/history.h"
#include "monitor/fsm/opening.h"
#include "monitor/fsm/quorum.h"
#include "monitor/fsm/settings.h"
#include "monitor/fsm/wanted_rule.h"

namespace pgaf::fsm {
namespace {

Goal common_part(const World& world, const NodeRecord& n) {
    Goal goal;
    goal.stamp = n.goal.stamp;
    goal.node = n.name;
    goal.incarnation = n.incarnation;
    for (const auto& [name, peer] : world.record.nodes)
        goal.peers.push_back({name, peer.incarnation, peer.host, peer.port, peer.candidate_priority,
                              peer.replication_quorum, peer.maintenance});
    goal.history = world.record.history;
    goal.system_id = world.record.system_id;
    goal.put_back = n.put_back;
    return goal;
}

/// R8: how long it may go on by itself. In a fence too: until the election is over, the monitor may go away as well.
void add_lease(const ClusterRecord& record, Goal& goal) {
    const auto all = [&](auto&& f) { return std::all_of(record.rules.begin(), record.rules.end(), f); };
    goal.irreplaceable = all([](const NamedRule& n) { return n.rule.nobody_may_follow(); });
    goal.asynchronous = !all([](const NamedRule& n) { return !n.rule.asynchronous() || n.rule.nobody_may_follow(); });
    goal.lease = lease_of(record.settings);
    goal.keeper_timeout = keeper_timeout_of(record.settings);
}

void as_primary(const World& world, Goal& goal) {
    const ClusterRecord& record = world.record;
    goal.role = Role::primary;
    goal.assigned = primary_word(record);
    goal.initialise = record.system_id.empty();
    goal.timeline = record.history.empty() ? Timeline{} : record.history.back().timeline;
    goal.rule = record.rules.back();
    goal.permit = record.permit;
    goal.checkpoint_request = record.checkpoint_request;
    add_lease(record, goal);
}

/// The rule asks for it although it is of no use: with number_sync_standbys >= 1 it never shrinks below k, so only a
/// rewind helps; nothing can be acknowledged meanwhile.
bool cannot_leave(const World& world, const NodeRecord& n) {
    return world.primary_runs() && !healthy_member(world, n) && wanted_rule(world).contains(n.incarnation);
}

void as_standby(const World& world, Goal& goal) {
    goal.role = Role::standby;
    goal.assigned = NodeState::secondary;
    goal.upstream = world.record.primary;
    const Report* p = world.primary_live();
    const Timeline newest = world.record.history.empty() ? Timeline{} : world.record.history.back().timeline;
    goal.rewind_allowed = p && !newest.empty() && p->checkpoint_timeline == newest;
    // It stays allowed: a checkpoint is not taken back when its report is out of sight.
    const Goal& before = world.record.nodes.at(goal.node).goal;
    if (before.role == Role::standby && before.upstream == goal.upstream && before.stamp.epoch == world.record.epoch)
        goal.rewind_allowed = goal.rewind_allowed || before.rewind_allowed;
    // A member leaves the rules in force before its folder is rewound (R3); while it streams it does not need to be.
    const NodeRecord& n = world.record.nodes.at(goal.node);
    goal.rewind_allowed = goal.rewind_allowed && (!world.in_any_rule(n) || cannot_leave(world, n));
}

void as(Goal& goal, Role role, NodeState word) {
    goal.role = role;
    goal.assigned = word;
}

bool has_fence_of_this_epoch(const World& world, const NodeRecord& n) {
    return (n.goal.role == Role::fence || n.goal.role == Role::fast_forward) &&
           n.goal.stamp.epoch == world.record.epoch;
}

/// It takes writes, and fewer standbys stream from it than its commits wait for, as it has said last.
bool commits_wait_in_vain(const World& world, const NodeRecord& n) {
    const Report* r = world.live(n.name);
    if (!r || r->status != PgStatus::running || r->in_recovery || world.record.rules.empty()) return false;
    const SyncRule& rule = world.newest_rule().rule;
    const auto streaming = std::count_if(r->standbys.begin(), r->standbys.end(), [&](const WalsenderView& w) {
        return w.streaming && rule.contains(w.incarnation);
    });
    return static_cast<std::uint64_t>(streaming) < rule.k;
}

/// A fast stop ends sessions one after the other: whoever waits for a standby gives up, and whoever has not been ended
/// yet sees a commit that no standby may ever get. With enough standbys it reaches them before the server is gone.
void as_stopping_primary(const World& world, const NodeRecord& n, Goal& goal) {
    as(goal, Role::stop, NodeState::draining);
    const bool late = (world.now - world.memory.phase_since).v >
                      static_cast<std::int64_t>(world.record.settings.switchover_timeout_ms);
    const bool stops = n.goal.role == Role::stop && n.goal.stamp.epoch == world.record.epoch;
    const bool immediate = late || (stops ? n.goal.stop_mode == StopMode::immediate : commits_wait_in_vain(world, n));
    goal.stop_mode = immediate ? StopMode::immediate : StopMode::fast;
}

/// Runs read-write without being the one that may: its WAL has to come to an end before it can be compared with
/// others'.
bool is_stray_primary(const World& world, const NodeRecord& n) {
    const Report* r = world.report(n.name);
    return r && r->status == PgStatus::running && !r->in_recovery && !world.told(n);
}

/// The node that streams what it lacks; and the one that it streams from, when that is down (R5).
bool takes_part_in_forward(const World& world, const NodeRecord& n, Goal& goal) {
    const std::optional<FastForward>& forward = world.record.forward;
    if (!forward || !world.in_reach(forward->node) || !world.in_reach(forward->source)) return false;
    if (forward_gave_up(world)) return false;
    if (forward->node == n.name && forward->incarnation == n.incarnation) {
        as(goal, Role::fast_forward, NodeState::fast_forward);
        goal.upstream = forward->source;
        goal.stream_until = forward->until;
        return true;
    }
    if (!forward->start_source || forward->source != n.name || forward->source_incarnation != n.incarnation)
        return false;
    as(goal, Role::standby, NodeState::report_lsn);
    goal.upstream = forward->node;
    return true;
}

bool in_election(const World& world, const NodeRecord& n, Goal& goal) {
    if (world.told(n) && (world.record.planned || world.record.exclude_primary)) {
        as_stopping_primary(world, n, goal);
        return true;
    }
    if (is_stray_primary(world, n)) {
        as(goal, Role::stop, NodeState::demoted);
        goal.stop_mode = StopMode::immediate;
        return true;
    }
    if (waits_for_exit(world) && !has_fence_of_this_epoch(world, n)) return false;
    if (takes_part_in_forward(world, n, goal)) return true;
    if (starts_too_long(world, n)) {
        as(goal, Role::stop, NodeState::report_lsn);
        goal.stop_mode = StopMode::immediate;
        return true;
    }
    as(goal, Role::fence, NodeState::report_lsn);
    if (world.told(n)) add_lease(world.record, goal);
    return true;
}

/// It runs with part of a record behind its last complete one, and passes that on. Whoever follows it now confirms that
/// part, and its walsender still says so when the new timeline has begun to write over it: a commit there would count
/// as confirmed. One that connects after the promotion has confirmed nothing yet.
bool passes_torn_record_on(const Report& chosen) {
    return chosen.status == PgStatus::running && chosen.in_recovery &&
           flushed_end(chosen).lsn > complete_end(chosen).lsn;
}

/// While the fork of the timeline that is being begun is not known, only those follow whose fence shows that they have
/// nothing that the chosen node lacks, and who get nothing from it that it is about to write over (R6). The others keep
/// a fence, so that their end of WAL is known and final.
bool must_wait_for_fork(const World& world, const NodeRecord& n) {
    if (world.record.phase != Phase::promoting || world.record.history.empty() || world.record.history.back().fork)
        return false;
    const Report* r = world.report(n.name);
    const Report* chosen = world.report(world.record.primary);
    if (n.goal.role == Role::standby && n.goal.stamp.epoch == world.record.epoch && n.goal.incarnation == n.incarnation)
        return false;
    // One that was told to stop and has stopped is as good as fenced.
    const bool final_end = fenced(world, n) || (r && n.goal.role == Role::stop && r->status == PgStatus::stopped &&
                                                r->promised == n.goal.stamp);
    return !chosen || !final_end || passes_torn_record_on(*chosen) || !follows_without_hole(world, *r, *chosen);
}

/// The goal that the node should have now; nothing: leave it as it is.
std::optional<Goal> goal_for(const World& world, const NodeRecord& n) {
    Goal goal = common_part(world, n);
    const bool told = world.told(n);
    // As long as it is in a rule it takes part in elections and streams: first out of the rule, then dropped (R3). An
    // election counts on every node that there is.
    const bool calm = world.record.phase == Phase::steady || world.record.phase == Phase::draining;
    if (n.drop_wanted && !told && calm && !world.in_any_rule(n)) {
        as(goal, Role::dropped, NodeState::dropped);
        return goal;
    }
    // Above all that it has ever promised, and in its state file: without it a keeper that comes back while the monitor
    // is away would act on the goal that its disk was put back with (I3, I4).
    if (!n.put_back.empty()) {
        as(goal, Role::stop, NodeState::demoted);
        goal.stop_mode = StopMode::immediate;
        return goal;
    }
    if (n.maintenance) {
        as(goal, Role::maintenance, NodeState::maintenance);
        return goal;
    }
    if (world.record.primary.empty()) {
        as(goal, Role::wait, NodeState::init);
        return goal;
    }
    if (world.record.phase == Phase::electing) return in_election(world, n, goal) ? std::optional(goal) : std::nullopt;
    if (told) {
        as_primary(world, goal);
        return goal;
    }
    if (must_wait_for_fork(world, n)) {
        if (is_stray_primary(world, n)) {
            as(goal, Role::stop, NodeState::demoted);
            goal.stop_mode = StopMode::immediate;
        } else {
            as(goal, Role::fence, NodeState::report_lsn);
        }
        return goal;
    }
    // The first primary is still being made, or the last one comes back empty: nothing to clone from.
    if (world.record.system_id.empty() || n.name == world.record.primary) {
        as(goal, Role::wait, NodeState::init);
        return goal;
    }
    as_standby(world, goal);
    return goal;
}

}  // namespace

namespace {

/// In this session, as the incarnation that the goal is for. Its word may count for nothing (R4): it is told to stop.
bool has_reported(const NodeRecord& n, const NodeView& v) {
    return v.connected && v.report && v.report->boot == v.boot && v.report->incarnation == n.incarnation;
}

/// How many times switchover-timeout the old primary may take to stop before the standbys are fenced without its exit.
constexpr std::int64_t stops_at_most = 2;

}  // namespace

bool starts_too_long(const World& world, const NodeRecord& n) {
    const Report* r = world.live(n.name);
    const std::int64_t limit = comes_up_within * static_cast<std::int64_t>(world.record.settings.node_timeout_ms);
    return world.record.phase == Phase::electing && r && !world.told(n) && r->status == PgStatus::starting &&
           (world.now - world.memory.phase_since).v >= limit;
}

bool waits_for_exit(const World& world) {
    const std::int64_t limit = stops_at_most * static_cast<std::int64_t>(world.record.settings.switchover_timeout_ms);
    return world.record.planned && !world.primary_exited() && world.in_reach(world.record.primary) &&
           (world.now - world.memory.phase_since).v < limit;
}

NodeState primary_word(const ClusterRecord& record) {
    if (record.nodes.size() == 1) return NodeState::single;
    return record.rules.back().rule.nobody_may_follow() ? NodeState::wait_primary : NodeState::primary;
}

namespace {

/// A goal that is being made has no digest, no settings, and is after no other one yet (R11). The digest goes with
/// whatever is new next, but the primary's state file says which rules are in force; the settings are cleared where
/// they have changed.
bool asks_the_same(const ClusterRecord& record, const Goal& goal, Goal& before) {
    if (goal.role == Role::primary && before.digest.rules != record.rules) return false;
    RecordDigest digest = std::exchange(before.digest, {});
    std::vector<SettingValue> settings = std::exchange(before.settings, {});
    Stamp after = std::exchange(before.after, {});
    const bool same = goal == before && !settings.empty();
    before.digest = std::move(digest);
    before.settings = std::move(settings);
    before.after = std::move(after);
    return same;
}

/// Of a node that is not bound yet: what the record was settled by (R11). A cluster that is being made has nothing to
/// lose, and what a node that was put back says is no word to go by.
Stamp promised_before(const World& world, const NodeRecord& n) {
    const std::vector<NodeName>& unbound = world.memory.unbound;
    const bool awaited = std::find(unbound.begin(), unbound.end(), n.name) != unbound.end();
    return awaited && n.put_back.empty() && !world.record.system_id.empty() ? n.said.promised : Stamp{};
}

}  // namespace

void update_goals(World& world) {
    for (auto& [name, n] : world.record.nodes) {
        NodeView& v = world.memory.views[name];
        std::optional<Goal> goal = goal_for(world, n);
        const bool current = goal && goal->role == n.goal.role && n.goal.incarnation == n.incarnation;
        if (goal && (!asks_the_same(world.record, *goal, n.goal) ||
                     (current && n.goal.stamp.epoch != world.record.epoch) || n.goal.stamp.term != world.record.term)) {
            goal->stamp = {world.record.epoch, world.record.term, Version{n.goal.stamp.version.v + 1},
                           world.record.monitor};
            if (world.told(n)) world.record.lease_told = std::max(world.record.lease_told, goal->lease);
            goal->settings = carried(world.record.settings);
            goal->digest = digest_of(world.record);
            goal->after = promised_before(world, n);
            // In doubt what it has promised is still asked for, when it has to be heard once more (R11).
            if (!world.record.doubt.empty() && v.report && v.report->promised == n.goal.stamp) v.promise = n.goal;
            n.goal = std::move(*goal);
            if (name == world.record.primary)
                for (auto& [other, view] : world.memory.views) view.high_is_news = false;
        } else if (!goal && n.goal.stamp.term != world.record.term) {
            continue;  // An older process's word, to be left as it is: nothing to say in this one's name.
        }
        if (!has_reported(n, v) || n.goal.stamp.version.empty() || (v.sent && *v.sent == n.goal.stamp)) continue;
        v.sent = n.goal.stamp;
        v.told = true;
        world.out.goals.push_back(n.goal);
    }
}

}  // namespace pgaf::fsm
