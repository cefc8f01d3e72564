#include "keeper/reconcile/report.h"

#include <algorithm>
#include <utility>

namespace pgaf::keeper {
namespace {

/// The rule that nobody can satisfy (R6), as it stands in synchronous_standby_names.
constexpr const char* closed_name = "pgaf closed";

/// A standby streams from where a reconnection is expected to be seen within a heartbeat; these change all the time.
Report without_positions(Report r) {
    r.seq = 0;
    r.heard = {};
    if (!r.fenced && r.status == PgStatus::running) r.end = r.replayed = r.complete = {};
    r.receiver.last_message_age = {};
    for (WalsenderView& sender : r.standbys) sender.flushed = sender.replayed = {}, sender.replay_lag = {};
    // "cloning from node1, 41 %": the percentage can wait.
    r.doing.resize(std::min(r.doing.size(), r.doing.find_first_of(":,")));
    return r;
}

/// The furthest that was heard of the record: with the promised goal, which is durable, or since.
StoreMark furthest(const Promise& promise, const StoreMark& since) {
    const std::optional<Goal>& goal = promise.goal ? promise.goal : promise.before;
    if (!goal) return {};
    const StoreMark& durable = goal->digest.mark;
    return since.life == durable.life && since.commits > durable.commits ? since : durable;
}

/// What is left of facts when there is no data folder, or none that counts.
Facts without_folder(const Facts& facts) {
    Facts none;
    none.status = PgStatus::absent;
    none.exits = facts.exits;
    none.leaving = facts.leaving;
    none.launcher_connected = facts.launcher_connected;
    none.pg_version = facts.pg_version;
    none.trouble = facts.trouble;
    return none;
}

}  // namespace

bool offers_torn_tail(const Run& run, const Facts& facts) {
    if (facts.status != PgStatus::running || !facts.in_recovery || !facts.following.empty()) return false;
    if (!facts.end_exact || !run.fence_held || run.exits != facts.exits) return false;
    const std::uint64_t segment = std::max<std::uint64_t>(facts.wal_segment_bytes, 1);
    return facts.end.v / segment > facts.complete.v / segment;
}

bool is_fenced(const Promise& promise, const Run& run, const Facts& facts) {
    if (!promise.goal || facts.folder_incarnation != promise.incarnation || facts.rebuilding) return false;
    const Goal& goal = *promise.goal;
    if (goal.role != Role::fence && goal.role != Role::fast_forward) return false;
    if (!facts.end_exact || facts.end.empty()) return false;
    if (goal.role == Role::fast_forward && facts.end < goal.stream_until) return false;
    if (facts.status == PgStatus::stopped) return true;
    if (offers_torn_tail(run, facts)) return false;
    return facts.status == PgStatus::running && facts.in_recovery && facts.following.empty() &&
           !facts.receiver.streaming && run.fence_held && run.exits == facts.exits;
}

Facts meanwhile(Facts facts, const Step& step) {
    const bool starts = std::holds_alternative<StartPrimary>(step) || std::holds_alternative<StartStandby>(step);
    const bool replaces = std::holds_alternative<Rewind>(step) || std::holds_alternative<Clone>(step) ||
                          std::holds_alternative<Initialise>(step);
    if (replaces) {
        // initdb's own server is none that anybody should count on either.
        facts.trouble.clear();
        return without_folder(facts);
    }
    // A look in the very moment of a promotion may fail; that it can't be promoted is for the step to say.
    if (std::holds_alternative<Promote>(step)) facts.trouble.clear();
    if (starts && (facts.status == PgStatus::stopped || facts.status == PgStatus::absent)) {
        facts.status = PgStatus::starting;
        facts.end_exact = false;
        // What it will be, not what its folder said before.
        facts.in_recovery = std::holds_alternative<StartStandby>(step);
    }
    return facts;
}

bool lacks_stream(const Promise& promise, const Facts& facts) {
    if (!promise.goal || promise.goal->role != Role::standby || promise.goal->upstream.empty()) return false;
    if (facts.status != PgStatus::running || !facts.in_recovery) return false;
    return !facts.receiver.streaming || facts.receiver.upstream != promise.goal->upstream;
}

bool is_writable(const Run& run, const Facts& facts) {
    if (facts.status != PgStatus::running || facts.in_recovery || !facts.open_to_clients) return false;
    return !run.rule_applied.empty() || facts.standby_names.find(closed_name) == std::string::npos;
}

Report make_report(const Promise& promise, const Run& run, const Facts& seen, std::string doing, std::string problem) {
    // Another cluster's WAL is nobody's: it must not be taken for what this node has acknowledged.
    const Facts facts = foreign_folder(promise, seen).empty() ? seen : without_folder(seen);
    Report r;
    r.cluster = promise.cluster;
    r.node = promise.node;
    r.incarnation = promise.incarnation;
    r.boot = run.boot;
    r.promised = promise.promised;
    r.heard = furthest(promise, run.heard);
    r.status = facts.rebuilding && facts.status == PgStatus::stopped ? PgStatus::absent : facts.status;
    // R4: that the primary of an earlier epoch has exited counts together with where its WAL ends, so not before.
    const bool serves = promise.goal && promise.goal->role == Role::primary;
    if (facts.end_pending && r.status == PgStatus::stopped && !serves) r.status = PgStatus::stopping;
    r.in_recovery = facts.in_recovery;
    r.writable = is_writable(run, facts);
    r.exits = facts.exits;
    r.clean_shutdown = facts.clean_shutdown;
    r.leaving = facts.leaving;
    r.system_id = facts.system_id;
    r.pg_version = facts.pg_version;
    r.timeline = facts.timeline;
    r.forks = facts.forks;
    r.fenced = is_fenced(promise, run, facts);
    r.end = facts.end;
    r.replayed = facts.replayed;
    r.complete = facts.complete;
    r.rule_applied = run.exits == facts.exits ? run.rule_applied : RuleId{};
    r.rule_promised = promise.rule_promised;
    r.checkpoint_timeline = facts.checkpoint_timeline;
    r.checkpoint_done = run.checkpoint_done;
    r.receiver = facts.receiver;
    r.standbys = facts.standbys;
    if (promise.goal) {
        for (const Peer& peer : promise.goal->peers)
            if (std::find(facts.slots.begin(), facts.slots.end(), slot_name(peer.node)) != facts.slots.end())
                r.slots.push_back(peer.node);
    }
    if (facts.folder_incarnation == promise.incarnation) r.rebuilt = facts.rebuilt;
    r.self_fenced = run.self_fenced;
    r.replay_resumed = run.replay_resumed;
    r.disk = facts.disk;
    r.doing = std::move(doing);
    r.problem = std::move(problem);
    return r;
}

bool is_news(const Report& sent, const Report& now) {
    return without_positions(sent) != without_positions(now);
}

NodeState reported_state(const Promise& promise, const Facts& facts) {
    const Role role = promise.goal ? promise.goal->role : Role::wait;
    const NodeState assigned = promise.goal ? promise.goal->assigned : NodeState::init;
    const bool down = facts.status == PgStatus::stopped;
    if (facts.status == PgStatus::unknown || facts.status == PgStatus::absent || facts.rebuilding)
        return NodeState::init;
    if (down && role == Role::maintenance) return NodeState::maintenance;
    if (down && role == Role::dropped) return NodeState::dropped;
    if (down && role == Role::fence) return NodeState::report_lsn;
    if (down) return NodeState::demoted;
    if (!facts.in_recovery) {
        if (role == Role::stop || role == Role::maintenance || role == Role::dropped) return NodeState::draining;
        return role == Role::primary ? assigned : role == Role::fence ? NodeState::primary : NodeState::demoted;
    }
    if (role == Role::primary) return NodeState::prepare_promotion;
    if (role == Role::fence) return NodeState::report_lsn;
    if (role == Role::fast_forward) return NodeState::fast_forward;
    return facts.status == PgStatus::running && facts.receiver.streaming ? NodeState::secondary : NodeState::catchingup;
}

}  // namespace pgaf::keeper
