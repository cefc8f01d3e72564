#include "tests/sim/disk.h"

#include <algorithm>
#include <utility>

#include "tests/sim/faults.h"
#include "tests/sim/replication.h"
#include "tests/sim/server.h"

namespace pgaf::sim {
namespace {

bool of_this_run(const Machine& m, const Event& e) {
    return m.server && m.server->run == e.tag;
}

/// The server writes WAL, a timeline's history, a checkpoint or a pid file by then.
bool server_writes(const Machine& m, const Event& e) {
    if (e.kind == Ev::wal) return m.server && m.server->receiver && m.server->receiver->link == e.tag;
    return of_this_run(m, e) && (e.kind == Ev::started || e.kind == Ev::flushed || e.kind == Ev::promoted ||
                                 e.kind == Ev::checkpointed || e.kind == Ev::shut_down);
}

/// fsync failed: PostgreSQL does not try again, since a second one may lie (data_sync_retry = off).
void panic(World& w, NodeIx node) {
    if (!w.server(node)->postmaster) return;
    Machine& m = w.machines[node].edit();
    w.say(node, [] { return std::string("PANIC: a write fails, and the postmaster ends"); });
    m.launcher.crashed = m.server->phase != Server::Phase::recovering && m.server->phase != Server::Phase::stopping;
    lose_postmaster(w, node);
    w.after(5 * ms, 60 * ms, {Ev::reaped, node, w.server(node)->run});
}

/// These end by programs of their own, which the keeper can wait for.
bool by_a_program(const keeper::Step& step) {
    return std::holds_alternative<keeper::Initialise>(step) || std::holds_alternative<keeper::Clone>(step) ||
           std::holds_alternative<keeper::Rewind>(step);
}

bool writes_nothing(const keeper::Step& step) {
    return std::holds_alternative<keeper::Stop>(step) || std::holds_alternative<keeper::Checkpoint>(step) ||
           std::holds_alternative<keeper::ResumeReplay>(step);
}

}  // namespace

void set_writes(World& w, NodeIx node, Writes writes, bool state_too) {
    if (w.machines[node]->writes == writes) return;
    w.say(node, [&] {
        return std::string(writes == Writes::done   ? "its disk takes writes again"
                           : writes == Writes::hang ? "writes to its disk hang"
                                                    : "writes to its disk fail") +
               (writes != Writes::done && state_too ? ", the state file's too" : "");
    });
    Machine& m = w.machines[node].edit();
    m.writes = writes;
    m.writes_since = w.now;
    m.state_beside_data = state_too;
    if (std::exchange(m.keeper_in_write, false)) freeze_keeper(w, node, false);
    std::vector<Event> waiting;
    std::swap(waiting, w.machines[node].edit().in_write);
    for (const Event& event : waiting) w.at(w.now, event);
}

bool stopped_by_disk(World& w, const Event& e) {
    if (e.node >= w.nodes() || w.machines[e.node]->writes == Writes::done) return false;
    const Machine& m = *w.machines[e.node];
    const bool ends = (e.kind == Ev::reaped || e.kind == Ev::lingered) && of_this_run(m, e);
    const bool promises = e.kind == Ev::stored && m.state_beside_data;
    if (m.writes == Writes::fail) {
        if (!server_writes(m, e)) return false;
        panic(w, e.node);
        return true;
    }
    if (!server_writes(m, e) && !ends && !promises) return false;
    // A process in the middle of a write can't even be killed; all others of its server are.
    if (ends) end_children(w, e.node);
    if (e.kind == Ev::wal) watch_links(w, m.server->receiver->upstream);
    w.machines[e.node].edit().in_write.push_back(e);
    return true;
}

StepWrite write_of_step(World& w, const Event& event, const keeper::Step& step) {
    const Machine& m = *w.machines[event.node];
    if (m.writes == Writes::done || writes_nothing(step)) return StepWrite::done;
    if (m.writes == Writes::fail) return StepWrite::fails;
    w.machines[event.node].edit().in_write.push_back(event);
    // Its settings it writes by itself, and does nothing else meanwhile (open finding 65).
    if (!by_a_program(step)) {
        w.machines[event.node].edit().keeper_in_write = true;
        freeze_keeper(w, event.node, true);
    }
    return StepWrite::hangs;
}

std::string disk_trouble(const World& w, NodeIx node) {
    const Machine& m = *w.machines[node];
    if (m.writes == Writes::done || !m.disk.has_data || m.disk.rebuilding) return {};
    if (m.writes == Writes::fail) return "writing to the data folder has failed: No space left on device";
    if (w.now - m.writes_since < probe_limit) return {};
    return "a write to the data folder has not ended for " + std::to_string((w.now - m.writes_since) / sec) + " s";
}

Micros receiver_hangs_since(const Machine& m) {
    const bool hangs = m.writes == Writes::hang && m.server && m.server->receiver && m.server->receiver->coming;
    return hangs ? m.writes_since : 0;
}

}  // namespace pgaf::sim
