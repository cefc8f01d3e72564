#include "tests/sim/faults.h"

#include <algorithm>
#include <utility>

#include "tests/sim/checks.h"
#include "tests/sim/lease.h"
#include "tests/sim/loop.h"
#include "tests/sim/network_ops.h"
#include "tests/sim/replication.h"
#include "tests/sim/server.h"

namespace pgaf::sim {
void power_on(World& w, NodeIx node) {
    if (w.now < w.machines[node]->off_until) return w.at(w.machines[node]->off_until, {Ev::power_on, node});
    Machine& m = w.machines[node].edit();
    m.power = true;
    if (!m.launcher.alive) w.after(5 * ms, 300 * ms, {Ev::launcher_starts, node});
    if (!w.keepers[node]->alive) w.after(5 * ms, 300 * ms, {Ev::keeper_starts, node});
}

void power_off(World& w, NodeIx node) {
    if (!w.machines[node]->power) return;
    w.say(node, [] { return std::string("loses power"); });
    freeze(w, node, false);
    freeze_launcher(w, node, false);
    lose_server(w, node, w.chance(0.5));
    Keeper& k = w.keepers[node].edit();
    if (k.alive && k.writing && w.machines[node]->writes == Writes::done && w.chance(0.5))
        w.machines[node].edit().disk.state = *k.writing;
    if (k.session.id != 0) forget_end(w, k.session.id, false);
    k.alive = k.frozen = false;
    k.session = {};
    Machine& m = w.machines[node].edit();
    m.launcher.alive = m.launcher.leaving = m.launcher.ending = false;
    m.held.clear();
    m.in_write.clear();
    m.keeper_in_write = false;
    m.power = false;
}

void freeze(World& w, NodeIx node, bool frozen) {
    Machine& m = w.machines[node].edit();
    if (m.frozen == frozen || !m.power) return;
    w.say(node, [&] { return std::string(frozen ? "freezes" : "goes on"); });
    m.frozen = frozen;
    m.frozen_since = w.now;
    if (!frozen) {
        m.went_on = w.now;
        // It looks at the clock before anything else (R8).
        check_deadline(w, node, true);
        return release_held(w, node);
    }
    if (!m.server) return;
    for (const Walsender& s : m.server->senders)
        if (s.peer != nobody) watch_links(w, s.peer);
    if (m.server->receiver) watch_links(w, m.server->receiver->upstream);
}

void freeze_keeper(World& w, NodeIx node, bool frozen) {
    if (!w.keepers[node]->alive || w.keepers[node]->frozen == frozen) return;
    w.say(node, [&] { return std::string(frozen ? "the keeper is stopped (SIGSTOP)" : "the keeper goes on"); });
    w.keepers[node].edit().frozen = frozen;
    Machine& m = w.machines[node].edit();
    (frozen ? m.keeper_stopped : m.went_on) = w.now;
    if (!frozen && !w.machines[node]->frozen) release_held(w, node);
}

void freeze_server(World& w, NodeIx node, bool frozen) {
    if (!w.server(node) || w.server(node)->stuck == frozen) return;
    w.say(node, [&] { return std::string(frozen ? "PostgreSQL is stopped (SIGSTOP)" : "PostgreSQL goes on"); });
    Server& s = w.edit_server(node);
    s.stuck = frozen;
    s.stuck_since = w.now;
    if (!frozen) w.machines[node].edit().went_on = w.now;
    if (!frozen && !w.machines[node]->frozen) return release_held(w, node);
    for (const Walsender& sender : s.senders)
        if (sender.peer != nobody) watch_links(w, sender.peer);
}

void freeze_postmaster(World& w, NodeIx node, bool frozen) {
    if (!w.server(node) || w.server(node)->gives_no_session == frozen) return;
    if (frozen && !w.server(node)->postmaster) return;
    w.say(node, [&] { return std::string(frozen ? "the postmaster is stopped (SIGSTOP)" : "the postmaster goes on"); });
    Server& s = w.edit_server(node);
    s.gives_no_session = frozen;
    s.no_session_since = w.now;
    if (frozen) return;
    w.machines[node].edit().went_on = w.now;
    if (!w.machines[node]->frozen) release_held(w, node);
    if (std::exchange(w.edit_server(node).stop_due, false)) stop_fast(w, node);
}

void delay_reloads(World& w, NodeIx node, bool delayed) {
    if (!w.server(node) || w.server(node)->reloads_late == delayed) return;
    w.say(node, [&] { return std::string("its walsenders ") + (delayed ? "reload late" : "get round to reloads"); });
    Server& s = w.edit_server(node);
    s.reloads_late = delayed;
    if (delayed) return;
    for (const Walsender& sender : s.senders)
        if (sender.reload_due) w.after(100, 20 * ms, {Ev::sender_reloads, node, sender.link});
}

void freeze_sender(World& w, NodeIx node, NodeIx peer, bool frozen) {
    if (!w.server(node)) return;
    for (Walsender& s : w.edit_server(node).senders) {
        if (s.peer != peer || s.frozen == frozen) continue;
        w.say(node,
              [&] { return "the walsender of " + name_of(peer).v + (frozen ? " is stopped (SIGSTOP)" : " goes on"); });
        s.frozen = frozen;
        if (frozen) {
            w.after(wal_timeout, wal_timeout + sec, {Ev::receiver_lost, peer, s.link, 0});
        } else {
            w.after(100, ms, {Ev::sender_reloads, node, s.link});
            w.after(ms, 10 * ms, {Ev::sender_lost, node, s.link, 1});
        }
    }
    if (!frozen) kick_senders(w, node);
}

void kill_all(World& w, NodeIx node) {
    w.say(node, [] { return std::string("launcher, keeper and postmaster are killed"); });
    freeze_launcher(w, node, false);
    Machine& m = w.machines[node].edit();
    m.launcher.alive = m.launcher.leaving = m.launcher.ending = false;
    kill_postmaster(w, node);
    kill_keeper(w, node);
    power_on(w, node);
}

// ---- disks ----------------------------------------------------------------------------------------------------------

void empty_disk(World& w, NodeIx node, bool state_too) {
    power_off(w, node);
    w.say(node,
          [&] { return std::string("its data folder is emptied") + (state_too ? ", its state folder too" : ""); });
    Disk& d = w.machines[node].edit().disk;
    Disk fresh;
    fresh.rebuilding = !state_too && d.rebuilding;
    if (!state_too) fresh.state = d.state;
    d = fresh;
    w.machines[node].edit().put_back = false;
    power_on(w, node);
}

void lose_state_file(World& w, NodeIx node) {
    kill_keeper(w, node);
    w.say(node, [] { return std::string("its state file is lost"); });
    w.machines[node].edit().disk.state.reset();
    power_on(w, node);
}

void damage_state_file(World& w, NodeIx node) {
    kill_keeper(w, node);
    w.say(node, [] { return std::string("its state file is torn"); });
    w.machines[node].edit().disk.state_damaged = true;
    power_on(w, node);
}

void put_back(World& w, NodeIx node, const Disk& disk) {
    power_off(w, node);
    w.say(node, [] { return std::string("its disk is put back to a snapshot"); });
    w.machines[node].edit().disk = disk;
    w.machines[node].edit().put_back = true;
    w.machines[node].edit().off_until = w.now + w.between(sec, 3 * sec);
    forget_destroyed(w);
    power_on(w, node);
}

void bring_back(World& w, NodeIx node, const Disk& disk) {
    power_off(w, node);
    w.say(node, [] { return std::string("is added again with an old data folder"); });
    Machine& m = w.machines[node].edit();
    m.disk = disk;
    m.disk.state.reset();
    m.disk.state_damaged = false;
    m.put_back = false;
    m.off_until = w.now + w.between(10 * ms, 2 * sec);
    forget_destroyed(w);
    power_on(w, node);
}

void put_back_state(World& w, NodeIx node, const std::optional<keeper::Promise>& state) {
    if (w.machines[node]->disk.state == state) return;
    kill_keeper(w, node);
    w.say(node, [] { return std::string("its state file is put back to an older one"); });
    w.machines[node].edit().disk.state = state;
    w.machines[node].edit().put_back = true;
    power_on(w, node);
}

bool has_data_elsewhere(const World& w, NodeIx node) {
    for (NodeIx other = 0; other < w.nodes(); ++other) {
        const Machine& m = *w.machines[other];
        if (other != node && !m.put_back && m.disk.has_data && !m.disk.rebuilding) return true;
    }
    return false;
}

void reset_node(World& w, NodeIx node) {
    w.say(node, [] { return std::string("an operator resets the node"); });
    if (has_data_elsewhere(w, node) || !w.machines[node]->disk.has_data) return empty_disk(w, node, true);
    w.machines[node].edit().disk.state_damaged = false;
    lose_state_file(w, node);
}

// ---- connections ----------------------------------------------------------------------------------------------------

void add_impostor(World& w, NodeIx primary, NodeIx as) {
    const auto& server = w.server(primary);
    if (!server || server->phase != Server::Phase::primary || !w.machines[as]->disk.has_data) return;
    // Nobody takes the connection.
    if (server->stuck || server->gives_no_session) return;
    w.say(primary, [&] { return "a tool connects under the name of " + name_of(as).v; });
    Walsender s;
    s.link = ++w.network.edit().last_link;
    s.name = w.machines[as]->disk.id;
    s.impostor = true;
    s.has_slot = false;
    s.since = w.now;
    s.names = w.server(primary)->loaded.names;
    w.edit_server(primary).senders.push_back(s);
    kick_senders(w, primary);
}

void echo_goal(World& w, NodeIx node) {
    const Keeper& k = *w.keepers[node];
    if (!k.alive || k.session.id == 0 || !w.keeper_runs(node)) return;
    for (const auto& [boot, goal] : w.network->echoes) {
        if (boot != k.boot || goal.node != k.promise.node || !w.chance(0.5)) continue;
        const Goal late = goal;
        w.say(node, [&] {
            return "a goal comes once more: " + std::string(word(late.role)) + ", epoch " +
                   std::to_string(late.stamp.epoch.v) + " version " + std::to_string(late.stamp.version.v);
        });
        return on_goal(w, node, late);
    }
}

}  // namespace pgaf::sim
