#include "tests/sim/world.h"

#include <algorithm>

#include "common/mutation.h"
#include "tests/sim/checkpointer.h"
#include "tests/sim/checks.h"
#include "tests/sim/clients.h"
#include "tests/sim/disk.h"
#include "tests/sim/faults.h"
#include "tests/sim/launcher.h"
#include "tests/sim/lease.h"
#include "tests/sim/loop.h"
#include "tests/sim/monitor_ops.h"
#include "tests/sim/replication.h"
#include "tests/sim/rival.h"
#include "tests/sim/server.h"
#include "tests/sim/session_faults.h"
#include "tests/sim/steps.h"

namespace pgaf {
Mutation active_mutation = Mutation::none;
}

namespace pgaf::sim {
namespace {

/// Whose process an event is one of.
enum class Owner { keeper, server, launcher, monitor, nobody };

Owner owner_of(Ev kind) {
    if (kind <= Ev::state_again || kind == Ev::down) return Owner::keeper;
    if (kind == Ev::up || kind == Ev::tick) return Owner::monitor;
    if (kind == Ev::reaped || (kind >= Ev::launcher_starts && kind <= Ev::deadline_over && kind != Ev::power_on))
        return Owner::launcher;
    if (kind >= Ev::started && kind <= Ev::receiver_lost) return Owner::server;
    return Owner::nobody;
}

/// What the postmaster does by itself: it passes signals on, and starts other processes.
bool by_postmaster(const Event& event) {
    return event.kind == Ev::started || event.kind == Ev::reloaded || event.kind == Ev::receiver_connects ||
           event.kind == Ev::promoted || event.kind == Ev::shut_down || event.kind == Ev::lingered;
}

/// A stopped process does what it has to do when it goes on.
bool held_back(World& w, const Event& event) {
    const Owner owner = owner_of(event.kind);
    if (owner == Owner::nobody) return false;
    if (owner == Owner::monitor) {
        if (!w.monitor->frozen) return false;
        w.monitor.edit().held.push_back(event);
        return true;
    }
    const Machine& m = *w.machines[event.node];
    const bool launcher_stopped = owner == Owner::launcher && m.launcher.frozen && event.kind != Ev::keeper_starts;
    // What its server leaves ends by itself; it is told of when somebody has looked (R13).
    if (launcher_stopped && event.kind == Ev::reaped) w.after(0, 3 * sec, {Ev::lingered, event.node, event.tag});
    const bool keeper_stopped = owner == Owner::keeper && w.keepers[event.node]->frozen;
    const bool server_stopped = m.server && ((owner == Owner::server && m.server->stuck) ||
                                             (m.server->gives_no_session && by_postmaster(event)) ||
                                             (m.server->checkpointer_stopped && by_checkpointer(event)));
    if (!m.frozen && !keeper_stopped && !launcher_stopped && !server_stopped) return false;
    w.machines[event.node].edit().held.push_back(event);
    return true;
}

/// What happens to a keeper; false: it is something else.
bool keeper_event(World& w, const Event& e) {
    switch (e.kind) {
        case Ev::look:
            on_look(w, e.node, e.tag);
            break;
        case Ev::looked:
            on_looked(w, e.node, e.tag);
            break;
        case Ev::pulse:
            on_pulse(w, e.node, e.tag);
            break;
        case Ev::stored:
            on_stored(w, e.node, e.tag);
            break;
        case Ev::step:
            on_step(w, e.node, e.tag);
            break;
        case Ev::connect:
            on_connect(w, e.node, e.tag);
            break;
        case Ev::silence:
            on_silence(w, e.node, e.tag);
            break;
        case Ev::probed:
            on_probed(w, e.node, e.tag);
            break;
        case Ev::state_again:
            on_state_again(w, e.node, e.tag);
            break;
        case Ev::deadline_held:
            on_deadline_held(w, e.node, e.tag, e.arg);
            break;
        default:
            return false;
    }
    return true;
}

}  // namespace

World::World(std::shared_ptr<const Options> with) : options(std::move(with)), rng(options->seed) {
    machines.resize(options->nodes);
    keepers.resize(options->nodes);
    deadlines.resize(options->nodes);
    Network& n = network.edit();
    n.machines = options->nodes + 2;
    n.cut.assign(n.machines * n.machines, 0);
    n.slow.assign(n.machines * n.machines, 1);
    n.faults.resize(options->nodes);
}

void World::after(Micros low, Micros high, const Event& event) {
    Micros wait = between(low, high);
    // Processes that the operating system does not get round to.
    if (high < 50 * ms && chance(0.01)) wait += between(high, 40 * high);
    agenda.at(now + wait, event);
}

void World::violated(const std::string& what) {
    if (ghost->violation) return;
    ghost.edit().violation = Violation{what, now};
    say(nobody, [&] { return "VIOLATION  " + what; });
}

void World::step() {
    const Agenda::Entry next = agenda.pop();
    same_time = next.when > now ? 0 : same_time + 1;
    now = std::max(now, next.when);
    happen(next.event);
    if (same_time > 100'000) violated("the simulator does not come to rest: " + std::string(word(next.event.kind)));
}

void World::happen(const Event& e) {
    if (concerns_rival(*this, e)) {
        const AsRival scope(*this);
        return carry_out(e);
    }
    carry_out(e);
}

void World::carry_out(const Event& e) {
    ++count.events;
    if (held_back(*this, e) || stopped_by_disk(*this, e) || keeper_event(*this, e)) return;
    switch (e.kind) {
        case Ev::up:
            on_up(*this, e.node, e.tag);
            return break_if_due(*this, e.tag);
        case Ev::down:
            on_down(*this, e.node, e.tag);
            return break_if_due(*this, e.tag);
        case Ev::session_breaks:
            return on_session_breaks(*this, e.node, e.arg != 0);
        case Ev::started:
            return on_started(*this, e.node, e.tag);
        case Ev::reloaded:
            return on_reloaded(*this, e.node, e.tag);
        case Ev::startup_reloads:
            return on_startup_reloads(*this, e.node, e.tag);
        case Ev::checkpointer_reloads:
            return on_checkpointer_reloads(*this, e.node, e.tag);
        case Ev::receiver_connects:
            return on_receiver_connects(*this, e.node, e.tag);
        case Ev::flushed:
            return on_flushed(*this, e.node, e.tag);
        case Ev::promoted:
            return on_promoted(*this, e.node, e.tag);
        case Ev::checkpointed:
            if (server(e.node) && server(e.node)->run == e.tag) make_checkpoint(*this, e.node);
            return;
        case Ev::shut_down:
            return on_shut_down(*this, e.node, e.tag);
        case Ev::walsenders_ended:
            return on_walsenders_ended(*this, e.node, e.tag);
        case Ev::reaped:
            return on_reaped(*this, e.node, e.tag);
        case Ev::lingered:
            return on_lingered(*this, e.node, e.tag);
        case Ev::sender_reloads:
            return on_sender_reloads(*this, e.node, e.tag);
        case Ev::wal:
            return on_wal(*this, e.node, e.tag);
        case Ev::reply:
            return on_reply(*this, e.node, e.tag, e.arg);
        case Ev::sender_lost:
            return on_sender_lost(*this, e.node, e.tag, e.arg != 0);
        case Ev::receiver_lost:
            return on_receiver_lost(*this, e.node, e.tag, e.arg != 0);
        case Ev::launcher_starts:
            return e.tag == 0 ? start_launcher(*this, e.node) : launcher_told(*this, e.node);
        case Ev::keeper_starts:
            if (!keepers[e.node]->alive && machines[e.node]->power) start_keeper(*this, e.node);
            return;
        case Ev::power_on:
            return sim::power_on(*this, e.node);
        case Ev::launcher_asked:
            return on_launcher_asked(*this, e.node, e.tag, e.arg);
        case Ev::handover_over:
            return on_handover_over(*this, e.node, e.tag);
        case Ev::deadline_told:
            return on_deadline_told(*this, e.node, e.tag, e.arg);
        case Ev::deadline_over:
            return on_deadline_over(*this, e.node, e.tag);
        case Ev::tick:
            return on_tick(*this, e.tag);
        case Ev::monitor_starts:
            return start_monitor(*this);
        case Ev::client:
            return on_client(*this);
        default:
            return;
    }
}

}  // namespace pgaf::sim
