// Servers and machines: starting, stopping, promoting, rebuilding, breaking.
#include <algorithm>

#include "tests/unit/fsm/lab.h"

namespace pgaf::lab {

Node& Lab::add(const NodeName& name, std::uint32_t priority, bool quorum, const SystemId& system) {
    Node& n = nodes[name];
    n.name = name;
    n.port = static_cast<std::uint16_t>(6000 + nodes.size());
    n.priority = priority;
    n.quorum = quorum;
    if (!system.empty()) {
        n.folder.present = true;
        n.folder.system = system;
        n.folder.timeline = Timeline{1};
        n.folder.clean = true;
        n.folder.checkpoint_timeline = Timeline{1};
        n.folder.append(++last_record_, 100);
    }
    new_incarnation(n);
    boot(n);
    return n;
}

void Lab::new_incarnation(Node& n) {
    // The epoch that was promised stays, over incarnations too, as long as the state file does (R2).
    const std::optional<Goal> before = n.state.goal ? n.state.goal : n.state.before;
    n.state = StateFile{IncarnationId{n.name.v + std::to_string(++n.incarnations)},
                        Stamp{n.state.promised.epoch, {}, {}, {}},
                        {},
                        {},
                        before};
    n.goal_received = false;
}

void Lab::new_run(Node& n) {
    n.boot = BootId{n.name.v + "/" + std::to_string(++n.boots)};
    n.seq = 0;
    n.exits = n.running ? 0 : 1;
    n.keeper = true;
    n.goal_received = false;
    n.said.reset();
    n.turned_away.clear();
    n.next_heartbeat = now + Millis{settings_.heartbeat_ms};
    if (slow_starts) n.unseen = PgStatus::unknown;
}

void Lab::boot(Node& n) {
    n.power = true;
    n.frozen = false;
    n.leaving = n.blind = false;
    if (!n.keeper) new_run(n);
}

void Lab::down(Node& n) {
    n.running = false;
    n.writable = n.stuck = n.replaying = false;
    n.unseen.reset();
    n.link.reset();
    n.live.clear();
    n.applied = {};
    n.applying.reset();
    n.fence_held = false;
    n.problem.clear();
}

void Lab::kill(Node& n) {
    if (n.running) exit_server(n);
    kill_keeper(n);
    n.leaving = false;
}

void Lab::unplug(Node& n) {
    n.power = false;
    if (n.running) n.folder.clean = false;
    down(n);
    n.keeper = false;
    n.session = false;
    n.inbox.clear();
    n.outbox.clear();
    n.leaving = false;
}

void Lab::kill_keeper(Node& n) {
    n.keeper = false;
    close_session(n);
}

void Lab::start_keeper(Node& n) {
    if (n.power && !n.keeper) new_run(n);
}

void Lab::exit_server(Node& n) {
    if (!n.running) return;
    n.folder.clean = false;
    down(n);
    ++n.exits;
    pump();
}

void Lab::tear(Node& primary, const std::map<NodeName, std::uint64_t>& bytes) {
    const std::uint64_t record = ++last_record_;
    for (const auto& [name, flushed] : bytes) {
        Node& s = nodes.at(name);
        const bool streams =
            s.link && s.link->upstream == primary.name && reach(s, primary) && !s.lagging && !s.folder.hole;
        if (!streams || s.folder.complete() != primary.folder.complete()) continue;
        s.folder.torn_bytes = flushed;
        s.folder.torn_id = record;
        s.link->flushed = s.folder.flushed();
        // A walsender sends nothing that its own server has not flushed.
        primary.folder.torn_bytes = std::max(primary.folder.torn_bytes, flushed);
    }
    primary.folder.torn_id = record;
    exit_server(primary);
}

void Lab::stop_server(Node& n, StopMode mode) {
    if (!n.running) return;
    if (mode == StopMode::fast && n.read_write()) {
        // PostgreSQL sends all WAL to its connected standbys before it exits.
        n.writable = false;
        n.folder.append(++last_record_, 100);
        pump();
    }
    n.folder.clean = mode == StopMode::fast;
    down(n);
    ++n.exits;
    pump();
}

void Lab::start_primary(Node& n) {
    // Crash recovery leaves what it has flushed of a record where it is, and goes on behind it.
    if (n.folder.torn_bytes > 0) n.folder.append(n.folder.torn_id, n.folder.torn_bytes);
    if (!n.folder.clean) n.folder.append(++last_record_, 100);  // the checkpoint at the end of recovery
    n.folder.standby_signal = false;
    n.folder.clean = false;
    n.running = true;
    if (slow_starts) n.unseen = PgStatus::starting;
    n.in_recovery = false;
    n.upstream = {};
    n.link.reset();
    n.folder.checkpoint_timeline = n.folder.timeline;
}

void Lab::start_standby(Node& n, const NodeName& upstream) {
    n.folder.standby_signal = true;
    n.folder.clean = false;
    n.running = true;
    if (slow_starts) n.unseen = PgStatus::starting;
    n.in_recovery = true;
    n.upstream = upstream;
    pump();
}

void Lab::promote(Node& n, const Goal& goal) {
    if (!watch.begun.insert(goal.timeline).second)
        violation("I10: timeline " + std::to_string(goal.timeline.v) + " begins twice");
    n.upstream = {};
    n.link.reset();
    n.in_recovery = false;
    // PostgreSQL names the newest timeline that it has a file of as the parent.
    for (const Timeline t : n.histories)
        if (t > n.folder.timeline && t < goal.timeline) n.folder.fork_to(t);
    n.folder.fork_to(goal.timeline);
    n.folder.append(++last_record_, 50);  // the end-of-recovery record
    n.folder.standby_signal = false;
    n.live = {goal.rule};
    n.applied = goal.rule.id;
    n.writable = true;
    pump();
}

void Lab::promote_by_hand(Node& n) {
    n.upstream = {};
    n.link.reset();
    n.in_recovery = false;
    n.folder.fork_to(Timeline{n.folder.timeline.v + 1});
    n.folder.append(++last_record_, 50);
    n.folder.standby_signal = false;
    n.writable = true;
    watch.begun.insert(n.folder.timeline);
}

void Lab::rebuild(Node& n, const Node& source, const std::string& how) {
    // An incarnation that never had a folder keeps its id for the one that is made now.
    const bool first = !n.folder.present;
    n.folder = source.folder;
    n.folder.torn_bytes = 0;
    n.folder.hole = false;
    n.folder.standby_signal = true;
    n.folder.clean = true;
    n.slots.clear();
    if (!first) {
        new_incarnation(n);
        // The keeper introduces the new folder in a new session before it does anything else.
        n.session = false;
        n.inbox.clear();
        n.outbox.clear();
    }
    tell("   " + n.name.v + " " + how + " from " + source.name.v +
         (first ? "" : ": incarnation " + n.state.incarnation.v));
}

void Lab::initialise(Node& n) {
    n.folder = {};
    n.folder.present = true;
    n.folder.system = SystemId{"7" + std::to_string(100 + n.incarnations)};
    n.folder.timeline = Timeline{1};
    n.folder.checkpoint_timeline = Timeline{1};
    n.folder.append(++last_record_, 100);
    n.folder.clean = true;
    watch.begun.insert(Timeline{1});
}

void Lab::wipe(Node& n) {
    n.folder = {};
    n.slots.clear();
    n.lagging = false;
    lose_state(n);
}

void Lab::flush_part(Node& n, std::uint64_t bytes) {
    n.folder.torn_bytes = bytes;
    n.folder.torn_id = ++last_record_;
}

void Lab::lose_state(Node& n) {
    n.state = {};
    new_incarnation(n);
}

}  // namespace pgaf::lab
