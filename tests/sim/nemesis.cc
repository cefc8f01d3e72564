#include "tests/sim/nemesis.h"

#include <algorithm>

#include "tests/sim/checkpointer.h"
#include "tests/sim/disk.h"
#include "tests/sim/launcher.h"
#include "tests/sim/loop.h"
#include "tests/sim/monitor_ops.h"
#include "tests/sim/nemesis_operator.h"
#include "tests/sim/nemesis_session.h"
#include "tests/sim/nemesis_store.h"
#include "tests/sim/network_ops.h"
#include "tests/sim/server.h"
#include "tests/sim/session_faults.h"

namespace pgaf::sim {
namespace {

struct Weight {
    Harm harm;
    unsigned weight;
};
constexpr Weight weights[] = {{Harm::postmaster, 10},
                              {Harm::backend, 4},
                              {Harm::keeper, 6},
                              {Harm::launcher, 4},
                              {Harm::all_processes, 5},
                              {Harm::power, 10},
                              {Harm::freeze, 8},
                              {Harm::freeze_keeper, 4},
                              {Harm::freeze_server, 3},
                              {Harm::freeze_sender, 4},
                              {Harm::leave, 3},
                              {Harm::isolate, 8},
                              {Harm::cut_monitor, 8},
                              {Harm::cut_pair, 8},
                              {Harm::one_way, 6},
                              {Harm::slow, 4},
                              {Harm::reset_session, 3},
                              {Harm::cut_clients, 1},
                              {Harm::echo, 5},
                              {Harm::monitor, 5},
                              {Harm::monitor_dies, 6},
                              {Harm::freeze_monitor, 3},
                              {Harm::empty_disk, 3},
                              {Harm::snapshot, 2},
                              {Harm::lose_state, 2},
                              {Harm::old_state, 1},
                              {Harm::damage_state, 1},
                              {Harm::bad_state_disk, 2},
                              {Harm::slow_disk, 3},
                              {Harm::hold_replay, 4},
                              {Harm::impostor, 1},
                              {Harm::switchover, 8},
                              {Harm::failover, 4},
                              {Harm::maintenance, 3},
                              {Harm::drop, 2},
                              {Harm::sync_standbys, 4},
                              {Harm::priority, 2},
                              {Harm::quorum, 2},
                              {Harm::lease, 1},
                              {Harm::asynchronous, 1},
                              {Harm::lose_store, 2},
                              {Harm::old_store, 3},
                              {Harm::second_monitor, 4},
                              {Harm::hung_disk, 4},
                              {Harm::failing_disk, 3},
                              {Harm::freeze_postmaster, 3},
                              {Harm::timing, 2},
                              {Harm::late_session, 4},
                              {Harm::break_at, 4},
                              {Harm::late_rule, 4},
                              {Harm::freeze_launcher, 3},
                              {Harm::add_again, 2}};

Harm pick_harm(Rng& rng, const std::vector<Harm>& only) {
    if (!only.empty()) return only[rng.below(only.size())];
    unsigned sum = 0;
    for (const Weight& w : weights) sum += w.weight;
    auto left = static_cast<unsigned>(rng.below(sum));
    for (const Weight& w : weights) {
        if (left < w.weight) return w.harm;
        left -= w.weight;
    }
    return Harm::postmaster;
}

NodeIx primary_of(const World& w) {
    const auto& record = w.monitor->store.record;
    return record && !record->primary.empty() ? node_of(record->primary) : nobody;
}

/// Whom it concerns now.
void settle(const World& w, Act& act) {
    const NodeIx primary = primary_of(w);
    const auto any = static_cast<NodeIx>(act.pick % w.nodes());
    act.node = any;
    if (act.victim == Victim::primary && primary != nobody) act.node = primary;
    if (act.victim == Victim::standby && any == primary) act.node = static_cast<NodeIx>((any + 1) % w.nodes());
    act.peer = static_cast<NodeIx>((act.node + 1 + act.other % std::max<std::size_t>(w.nodes() - 1, 1)) % w.nodes());
}

void isolate(World& w, NodeIx node, bool away) {
    for (std::size_t other = 0; other < w.network->machines; ++other) {
        if (away)
            cut(w, node, other), cut(w, other, node);
        else
            heal(w, node, other), heal(w, other, node);
    }
}

void both(World& w, std::size_t a, std::size_t b, bool away) {
    if (away)
        cut(w, a, b), cut(w, b, a);
    else
        heal(w, a, b), heal(w, b, a);
}

/// One way, between any two machines but the clients'.
std::pair<std::size_t, std::size_t> direction(const World& w, const Act& act) {
    const std::size_t other = act.other % 3 == 0 ? w.monitor_place() : act.peer;
    return act.pick % 2 == 0 ? std::pair<std::size_t, std::size_t>(act.node, other)
                             : std::pair<std::size_t, std::size_t>(other, act.node);
}

void let_impostor_in(World& w, const Act& act) {
    const NodeIx primary = primary_of(w);
    if (primary != nobody) add_impostor(w, primary, act.node == primary ? act.peer : act.node);
}

/// With no monitor in reach nobody finds out that a disk was put back, and its owner was told to reset the node (R9).
bool monitor_sees(const World& w, NodeIx node) {
    const Monitor& m = *w.monitor;
    return m.alive && !m.frozen && m.dies_at_decision == 0 && w.now - m.started >= 5 * sec &&
           w.network->both_ways(node, w.monitor_place());
}

}  // namespace

bool destroys(Harm harm) {
    return harm == Harm::empty_disk || harm == Harm::snapshot || harm == Harm::lose_state ||
           harm == Harm::damage_state || harm == Harm::old_state || harm == Harm::drop || harm == Harm::add_again ||
           is_of_store(harm);
}

bool is_of_store(Harm harm) {
    return harm == Harm::lose_store || harm == Harm::old_store || harm == Harm::second_monitor;
}

std::string text(const Act& act) {
    return std::to_string(act.number) + ":" + std::string(word(act.harm)) +
           (act.node == nobody ? "" : " " + name_of(act.node).v);
}

Act Nemesis::act(Micros from) {
    Act a;
    a.number = ++acts_;
    a.harm = pick_harm(rng_, only_);
    const auto who = rng_.below(10);
    a.victim = who < 5 ? Victim::primary : who < 8 ? Victim::standby : Victim::any;
    a.pick = static_cast<std::uint32_t>(rng_.below(nodes_));
    a.other = static_cast<std::uint32_t>(rng_.below(1U << 20U));
    a.start = from;
    // Mostly about as long as the timeouts, sometimes so short that it overlaps with what it causes.
    const auto kind = rng_.below(4);
    a.length = kind == 0   ? rng_.between(ms, 300 * ms)
               : kind == 1 ? rng_.between(300 * ms, 3 * sec)
                           : rng_.between(2 * sec, 12 * sec);
    return a;
}

Episode Nemesis::next(Micros mean_rest) {
    Episode e;
    e.rest = static_cast<Micros>(static_cast<double>(mean_rest) * static_cast<double>(rng_.below(2000)) / 1000.0);
    if (only_.empty() && rng_.below(25) == 0) {
        Act a = act(0);
        a.harm = rng_.below(2) == 0 ? Harm::monitor : Harm::freeze_monitor;
        a.length = rng_.between(5 * sec, 60 * sec);
        e.acts.push_back(a);
        e.monitor_alone = true;
        return e;
    }
    const std::size_t count = 1 + rng_.below(5);
    Micros when = 0;
    bool destroyed = false;
    for (std::size_t i = 0; i < count; ++i) {
        Act a = act(when);
        // Two disks lost at a time are more than any cluster survives.
        if (destroys(a.harm) && std::exchange(destroyed, true)) a.harm = Harm::postmaster;
        e.acts.push_back(a);
        const auto gap = rng_.below(3);
        when += gap == 0 ? rng_.between(0, 50 * ms) : gap == 1 ? rng_.between(0, sec) : rng_.between(0, 6 * sec);
    }
    return e;
}

namespace {

bool is_of_disk(Harm harm) {
    return harm >= Harm::empty_disk && harm <= Harm::failing_disk;
}

void begin_act_of_disk(World& w, Act& act) {
    const NodeIx n = act.node;
    const bool state_too = act.other % 2 == 0;
    switch (act.harm) {
        case Harm::empty_disk:
            // Not the only copy of the data: nothing could bring it back.
            if (has_data_elsewhere(w, n)) empty_disk(w, n, state_too);
            return;
        case Harm::old_state:
        case Harm::snapshot:
            act.before = w.machines[n]->disk;
            return;
        case Harm::lose_state:
            return lose_state_file(w, n);
        case Harm::damage_state:
            return damage_state_file(w, n);
        case Harm::bad_state_disk:
            w.machines[n].edit().bad_state_disk = true;
            return;
        case Harm::slow_disk:
            w.machines[n].edit().slow_disk = true;
            return;
        default:
            return set_writes(w, n, act.harm == Harm::hung_disk ? Writes::hang : Writes::fail, state_too);
    }
}

void end_act_of_disk(World& w, const Act& act) {
    const NodeIx n = act.node;
    const bool may_put_back = act.before && monitor_sees(w, n) && has_data_elsewhere(w, n);
    if (act.harm == Harm::snapshot && may_put_back) put_back(w, n, *act.before);
    if (act.harm == Harm::old_state && may_put_back) put_back_state(w, n, act.before->state);
    if (act.harm == Harm::bad_state_disk) w.machines[n].edit().bad_state_disk = false;
    if (act.harm == Harm::slow_disk) w.machines[n].edit().slow_disk = false;
    if (act.harm == Harm::hung_disk || act.harm == Harm::failing_disk) set_writes(w, n, Writes::done, false);
}

/// The checkpointer stands still, or walsenders reload late, or both; often a rule changes meanwhile.
void delay_rule(World& w, const Act& act, bool still) {
    if (act.other % 3 != 0) freeze_checkpointer(w, act.node, still);
    if (act.other % 3 != 1) delay_reloads(w, act.node, still);
    if (still && act.other / 3 % 2 == 0) change_rule(w, act.other / 6);
}

/// False: it is no harm of this kind.
bool stand_still(World& w, const Act& act, bool still) {
    const NodeIx n = act.node;
    switch (act.harm) {
        case Harm::freeze:
            return freeze(w, n, still), true;
        case Harm::freeze_keeper:
            return freeze_keeper(w, n, still), true;
        case Harm::freeze_server:
            return freeze_server(w, n, still), true;
        case Harm::freeze_sender:
            return freeze_sender(w, n, act.peer, still), true;
        case Harm::freeze_postmaster:
            return freeze_postmaster(w, n, still), true;
        case Harm::freeze_launcher:
            return freeze_launcher(w, n, still), true;
        case Harm::late_rule:
            return delay_rule(w, act, still), true;
        case Harm::hold_replay:
            return hold_replay(w, n, still), true;
        case Harm::freeze_monitor:
            return freeze_monitor(w, still), true;
        default:
            return false;
    }
}

}  // namespace

void begin_act(World& w, Act& act) {
    settle(w, act);
    ++w.count.faults;
    if (stand_still(w, act, true)) return;
    const NodeIx n = act.node;
    switch (act.harm) {
        case Harm::postmaster:
            return kill_postmaster(w, n);
        case Harm::backend:
            return crash_backend(w, n);
        case Harm::keeper:
            return kill_keeper(w, n);
        case Harm::launcher:
            return kill_launcher(w, n);
        case Harm::all_processes:
            return kill_all(w, n);
        case Harm::power:
            return power_off(w, n);
        case Harm::leave:
            return end_launcher(w, n);
        case Harm::isolate:
            return isolate(w, n, true);
        case Harm::cut_monitor:
            return both(w, n, w.monitor_place(), true);
        case Harm::cut_pair:
            return both(w, n, act.peer, true);
        case Harm::one_way:
            return cut(w, direction(w, act).first, direction(w, act).second);
        case Harm::slow:
            return set_slow(w, direction(w, act).first, direction(w, act).second, 20 + act.other % 200);
        case Harm::cut_clients:
            return both(w, n, w.client_place(), true);
        case Harm::monitor:
            return kill_monitor(w, act.other % 2 == 0);
        case Harm::monitor_dies:
            if (w.monitor->alive) w.monitor.edit().dies_at_decision = 1 + static_cast<int>(act.other % 3);
            return;
        case Harm::impostor:
            return let_impostor_in(w, act);
        default:
            if (is_of_store(act.harm)) return begin_act_of_store(w, act);
            if (is_of_session(act.harm)) return begin_act_of_session(w, act);
            if (act.harm == Harm::add_again) act.before = w.machines[n]->disk;
            return is_of_disk(act.harm) ? begin_act_of_disk(w, act) : operate(w, act);
    }
}

void end_act(World& w, Act& act) {
    if (is_of_store(act.harm)) return end_act_of_store(w, act);
    if (is_of_session(act.harm)) return end_act_of_session(w, act);
    if (is_of_disk(act.harm)) return end_act_of_disk(w, act);
    if (stand_still(w, act, false)) return;
    const NodeIx n = act.node;
    switch (act.harm) {
        case Harm::keeper:
        case Harm::launcher:
        case Harm::power:
        case Harm::leave:
            return power_on(w, n);
        case Harm::isolate:
            return isolate(w, n, false);
        case Harm::cut_monitor:
            return both(w, n, w.monitor_place(), false);
        case Harm::cut_pair:
            return both(w, n, act.peer, false);
        case Harm::one_way:
            return heal(w, direction(w, act).first, direction(w, act).second);
        case Harm::slow:
            return set_slow(w, direction(w, act).first, direction(w, act).second, 1);
        case Harm::cut_clients:
            return both(w, n, w.client_place(), false);
        case Harm::monitor:
        case Harm::monitor_dies:
            return w.after(ms, 500 * ms, {Ev::monitor_starts});
        default:
            return stop_operating(w, act);
    }
}

void repair(World& w) {
    heal_all(w);
    repair_monitors(w);
    freeze_monitor(w, false);
    if (w.monitor->alive)
        w.monitor.edit().dies_at_decision = 0;
    else
        w.after(ms, 500 * ms, {Ev::monitor_starts});
    for (NodeIx n = 0; n < w.nodes(); ++n) {
        end_session_faults(w, n, false);
        freeze(w, n, false);
        freeze_keeper(w, n, false);
        freeze_server(w, n, false);
        freeze_postmaster(w, n, false);
        freeze_launcher(w, n, false);
        freeze_checkpointer(w, n, false);
        delay_reloads(w, n, false);
        set_writes(w, n, Writes::done, false);
        for (NodeIx peer = 0; peer < w.nodes(); ++peer) freeze_sender(w, n, peer, false);
        hold_replay(w, n, false);
        Machine& m = w.machines[n].edit();
        m.slow_disk = m.bad_state_disk = false;
        power_on(w, n);
    }
}

}  // namespace pgaf::sim
