// The ideal keeper: obeys R2, carries out goals at once and without mistakes, and reports facts.
#include <algorithm>
#include <utility>

#include "tests/unit/fsm/lab.h"

namespace pgaf::lab {
namespace {

/// News for the monitor; positions of a running server wait for the heartbeat.
Report without_positions(Report r) {
    r.seq = 0;
    r.heard = {};
    if (!r.fenced && r.status == PgStatus::running) r.end = r.replayed = r.complete = {};
    r.receiver.last_message_age = {};
    for (WalsenderView& w : r.standbys) w.flushed = w.replayed = {};
    return r;
}

bool takes_timeline(const Node& n, const Goal& goal) {
    return goal.timeline > n.folder.timeline && !goal.history.empty() &&
           goal.history.back().timeline == goal.timeline && stand(n.folder, goal.history) != Standing::diverged;
}

/// Why it takes no such goal; empty when it does.
std::string refused(const Node& n, const Goal& goal) {
    const Stamp& promised = n.state.promised;
    if (goal.incarnation != n.state.incarnation) return "for incarnation " + goal.incarnation.v;
    if (!may_follow(promised, goal.stamp)) return "has promised more";
    if (!goal.after.version.empty() && promised.monitor != goal.stamp.monitor && promised != goal.after)
        return "has promised something else to another monitor since";
    return {};
}

}  // namespace

void Lab::receive_goals(Node& n) {
    if (!n.keeper || !reaches_monitor(n) || n.disk_hangs) return;
    if (!n.inbox.empty()) n.given = n.inbox.back().stamp;
    std::deque<Goal> now_written = std::exchange(n.writing, {});
    (n.disk_slow ? n.writing : now_written)
        .insert(n.disk_slow ? n.writing.end() : now_written.end(), n.inbox.begin(), n.inbox.end());
    n.inbox.clear();
    for (; !now_written.empty(); now_written.pop_front()) {
        const Goal& goal = now_written.front();
        if (const std::string why = refused(n, goal); !why.empty()) {
            tell("   " + n.name.v + " refuses: " + why);
            n.said.reset();
            continue;
        }
        n.state.promised = goal.stamp;
        n.state.goal = goal;
        n.state.before.reset();
        if (goal.role == Role::primary) n.state.rule_promised = std::max(n.state.rule_promised, goal.rule.id);
        n.goal_received = true;
    }
}

bool Lab::act(Node& n) {
    if (!n.keeper || !n.responsive() || !n.state.goal || n.blind || n.disk_hangs) return false;
    if (std::exchange(n.unseen, std::nullopt)) return true;
    const std::string before = std::exchange(n.problem, {});
    const bool changed = carry_out(n);
    return changed || n.problem != before;
}

/// The goal can't be reached, and this is why.
bool Lab::set_problem(Node& n, const std::string& text) {
    n.problem = text;
    return false;
}

bool Lab::carry_out(Node& n) {
    const Goal goal = *n.state.goal;
    if (n.running && n.replaying && goal.role != Role::stop) return false;
    if (n.folder.present && !goal.system_id.empty() && goal.system_id != n.folder.system)
        return set_problem(n, "the data folder belongs to PostgreSQL system " + n.folder.system.v);
    // A server that answers nothing can only be stopped; a standby is, so that fencing does not depend on it.
    if (n.running && n.stuck && goal.role != Role::stop && goal.role != Role::maintenance &&
        goal.role != Role::dropped) {
        if (goal.role != Role::fence || !n.in_recovery) return set_problem(n, "PostgreSQL lives but answers no query");
        return exit_server(n), true;
    }
    switch (goal.role) {
        case Role::wait:
            return false;
        case Role::primary:
            return act_primary(n, goal);
        case Role::standby:
            return act_standby(n, goal);
        case Role::fence:
            return act_fence(n, goal);
        case Role::fast_forward:
            return act_fast_forward(n, goal);
        case Role::stop:
        case Role::maintenance:
        case Role::dropped:
            return act_stop(n, goal);
    }
    return false;
}

/// Gets a server that does not run read-write yet to do so. False: it does not.
bool Lab::begin_primary(Node& n, const Goal& goal) {
    if (!n.folder.present) {
        if (!goal.initialise || !goal.system_id.empty() || !n.goal_received)
            return set_problem(n, "told to be primary, but there is no data folder: another node has to be promoted");
        initialise(n);
    }
    const bool own_timeline = goal.timeline.empty() || goal.timeline == n.folder.timeline;
    if (!n.running && !n.goal_received) return false;
    if (!n.running && own_timeline) {
        if (goal.permit != StartPermit{n.boot, n.exits} || n.leaving) return false;
        start_primary(n);
        return true;
    }
    if (!takes_timeline(n, goal))
        return set_problem(n, "told to be primary on a timeline that does not continue its WAL");
    if (n.histories.contains(goal.timeline))
        return set_problem(n, "it has a history file of its timeline already: it needs another id");
    if (n.broken) return set_problem(n, "it can't be promoted: no room for a history file");
    if (!n.running) start_standby(n, {});
    promote(n, goal);
    return true;
}

bool Lab::act_primary(Node& n, const Goal& goal) {
    bool changed = false;
    if (n.read_write() && !goal.timeline.empty() && goal.timeline != n.folder.timeline) {
        stop_server(n, StopMode::immediate);
        changed = true;
    }
    if (!n.read_write()) {
        if (!begin_primary(n, goal)) return changed;
        changed = true;
    }
    changed |= serve(n, goal);
    watch_reign(n);
    return changed;
}

bool Lab::serve(Node& n, const Goal& goal) {
    bool changed = false;
    std::vector<NodeName> slots;
    for (const Peer& peer : goal.peers)
        if (peer.node != n.name && !n.slotless) slots.push_back(peer.node);
    if (slots != n.slots) changed = true;
    n.slots = slots;
    if (goal.checkpoint_request > n.checkpoint_done) {
        n.checkpoint_done = goal.checkpoint_request;
        n.folder.checkpoint_timeline = n.folder.timeline;
        changed = true;
    }
    if (goal.rule.id != n.applied && (!n.applying || n.applying->id != goal.rule.id)) {
        n.applying = goal.rule;
        n.apply_target = n.folder.complete();
        n.live.push_back(goal.rule);
        changed = true;
    }
    pump();
    return prove_rule(n) || changed;
}

/// R3: the rule counts once k of S have flushed what the server had when it took it; R9: then clients are let in.
bool Lab::prove_rule(Node& n) {
    if (!n.applying || confirmed(n, n.applying->rule, n.apply_target) < n.applying->rule.k) return false;
    n.applied = n.applying->id;
    n.live = {*n.applying};
    n.applying.reset();
    n.writable = true;
    pump();
    return true;
}

bool Lab::act_standby(Node& n, const Goal& goal) {
    if (!n.goal_received) return false;
    bool changed = false;
    if (n.read_write()) {
        const bool left = !goal.history.empty() && n.folder.timeline != goal.history.back().timeline;
        stop_server(n, left ? StopMode::immediate : StopMode::fast);
        changed = true;
    }
    if (n.running) {
        const Standing standing = stand(n.folder, goal.history);
        const bool streams = n.link && n.link->upstream == goal.upstream;
        if (streams || (standing != Standing::diverged && standing != Standing::torn_tail))
            return run_standby(n, goal) || changed;
        stop_server(n, StopMode::fast);
        changed = true;
    }
    return start_stopped_standby(n, goal) || changed;
}

bool Lab::run_standby(Node& n, const Goal& goal) {
    bool changed = false;
    if (n.upstream != goal.upstream && stand(n.folder, goal.history) != Standing::unknown) {
        n.upstream = goal.upstream;
        n.fence_held = false;
        changed = true;
    }
    std::vector<NodeName> slots;
    for (const Peer& peer : goal.peers)
        if (peer.node != n.name && !n.slotless) slots.push_back(peer.node);
    changed |= slots != n.slots;
    n.slots = slots;
    pump();
    return changed;
}

bool Lab::start_stopped_standby(Node& n, const Goal& goal) {
    if (n.leaving || goal.upstream == n.name || !nodes.contains(goal.upstream)) return false;
    const Node& source = nodes.at(goal.upstream);
    const bool can_copy = reach(n, source) && source.read_write() && source.folder.system == goal.system_id;
    if (!n.folder.present) {
        if (!can_copy) return false;
        rebuild(n, source, "clones");
        return act_standby(n, goal), true;
    }
    switch (stand(n.folder, goal.history)) {
        case Standing::unknown:
            return false;
        case Standing::torn_tail:
            n.folder.torn_bytes = 0;
            break;
        case Standing::prefix:
            break;
        case Standing::diverged:
            if (!can_copy || !goal.rewind_allowed) return false;
            if (source.folder.checkpoint_timeline != source.folder.timeline)
                violation(n.name.v + " was allowed to rewind before the checkpoint");
            rebuild(n, source, "rewinds");
            return true;
    }
    start_standby(n, goal.upstream);
    run_standby(n, goal);
    return true;
}

bool Lab::act_fence(Node& n, const Goal&) {
    // A primary goes on, and so does a change of its rule that it has promised.
    if (n.read_write()) return prove_rule(n);
    if (!n.running || n.fence_held) return false;
    n.upstream = {};
    n.link.reset();
    n.fence_held = true;
    return true;
}

bool Lab::act_fast_forward(Node& n, const Goal& goal) {
    if (!n.folder.present || !n.goal_received || !nodes.contains(goal.upstream)) return false;
    if (n.running && !n.in_recovery) stop_server(n, StopMode::fast);
    if (n.folder.flushed() >= goal.stream_until) return act_fence(n, goal);
    const bool changed = !n.running || n.upstream != goal.upstream;
    n.fence_held = false;
    if (!n.running) start_standby(n, goal.upstream);
    n.upstream = goal.upstream;
    pump();
    if (n.folder.flushed() >= goal.stream_until) return act_fence(n, goal);
    return changed;
}

bool Lab::act_stop(Node& n, const Goal& goal) {
    if (!n.running) return false;
    stop_server(n, n.stuck ? StopMode::immediate : goal.role == Role::stop ? goal.stop_mode : StopMode::fast);
    return true;
}

Report Lab::report_of(Node& n) {
    Report r;
    r.cluster = ClusterName{"test"};
    r.node = n.name;
    r.incarnation = n.state.incarnation;
    r.boot = n.boot;
    r.promised = n.state.promised;
    if (const auto& goal = n.state.goal ? n.state.goal : n.state.before) {
        r.heard = goal->digest.mark;
        if (n.heard.life == r.heard.life && n.heard.commits > r.heard.commits) r.heard = n.heard;
    }
    r.status = n.running          ? n.stuck ? PgStatus::stuck : PgStatus::running
               : n.folder.present ? PgStatus::stopped
                                  : PgStatus::absent;
    if (n.unseen && (n.running || *n.unseen == PgStatus::unknown)) r.status = *n.unseen;
    if (n.running && n.replaying) r.status = PgStatus::starting;
    if (n.blind) r.status = PgStatus::unknown;
    r.in_recovery = n.running ? n.in_recovery : n.folder.standby_signal;
    r.writable = n.read_write() && n.writable && !n.stuck && !n.unseen;
    r.exits = n.exits;
    r.clean_shutdown = n.folder.present && n.folder.clean;
    r.leaving = n.leaving;
    r.system_id = n.folder.system;
    r.pg_version = 150018;
    if (r.status == PgStatus::unknown) {
        r.system_id = {};
        r.in_recovery = r.clean_shutdown = false;
    } else if (n.folder.present) {
        r.timeline = n.folder.timeline;
        r.forks = n.folder.forks;
        r.end = n.folder.flushed();
        r.replayed = r.complete = n.folder.complete();
        // A running primary knows what it has flushed, and no more.
        if (n.read_write()) r.replayed = r.end, r.complete = {};
        if (n.disk_fails) r.disk = "the disk takes no writes: writing a file: Input/output error";
        if (n.disk_hangs) r.disk = "the disk takes no writes: a write does not come to an end";
        if (n.disk_hangs && n.running) r.timeline = {}, r.forks = {}, r.end = r.replayed = r.complete = {};
        if (n.unreadable && !n.running) r.end = r.replayed = r.complete = {};
        r.checkpoint_timeline = n.folder.checkpoint_timeline;
    }
    if (n.state.goal && n.folder.present) {
        const Goal& goal = *n.state.goal;
        const bool seen = !n.unseen && !(n.running && n.stuck);
        const bool asked =
            goal.role == Role::fence || (goal.role == Role::fast_forward && n.folder.flushed() >= goal.stream_until);
        r.fenced = seen && asked && (!n.running || (n.in_recovery && n.fence_held));
    }
    r.rule_applied = n.applied;
    r.rule_promised = n.state.rule_promised;
    r.checkpoint_done = n.checkpoint_done;
    if (n.link) r.receiver = {true, n.link->upstream, now - n.link->contact};
    for (const auto& [name, s] : nodes)
        if (n.running && s.link && s.link->upstream == n.name)
            r.standbys.push_back({s.state.incarnation, true, s.link->flushed, s.link->flushed, Millis{0}});
    if (n.past_fork && n.running) r.receiver = {true, n.upstream, Millis{0}};
    for (const auto& [name, s] : nodes)
        if (n.running && s.running && s.past_fork && !s.link && s.upstream == n.name)
            r.standbys.push_back({s.state.incarnation, true, s.folder.flushed(), s.folder.flushed(), Millis{0}});
    r.slots = n.slots;
    r.problem = n.problem;
    return r;
}

void Lab::report(Node& n) {
    if (!n.session || !n.keeper || !n.responsive()) return;
    Report r = report_of(n);
    n.said = r;
    r.seq = ++n.seq;
    if (!std::exchange(n.told, true) || n.state.promised != n.given)
        r.goal = n.state.goal ? n.state.goal : n.state.before;
    n.outbox.push_back(r);
    if (!slow_reports) deliver(n);
}

bool Lab::obey(Node& n) {
    if (!n.keeper || !n.responsive()) return false;
    const bool had_goals = !n.inbox.empty() && reaches_monitor(n) && !n.disk_hangs;
    receive_goals(n);
    const bool changed = act(n);
    if (!n.session || !reaches_monitor(n)) return changed;
    if (n.said && without_positions(*n.said) == without_positions(report_of(n))) return changed || had_goals;
    report(n);
    return true;
}

}  // namespace pgaf::lab
