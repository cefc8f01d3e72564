#include "tests/sim/network_ops.h"

#include <algorithm>
#include <utility>

#include "tests/sim/disk.h"
#include "tests/sim/replication.h"
#include "tests/sim/rival.h"
#include "tests/sim/session_faults.h"

namespace pgaf::sim {
namespace {

/// Sessions whose both ends are closed are of no more use.
void sweep(World& w) {
    Network& n = w.network.edit();
    std::erase_if(n.sessions, [](const Session& s) { return !s.keeper_end && !s.monitor_end; });
}

void plan_up(World& w, Session& s) {
    const Network& n = *w.network;
    const Micros slow = n.slow[s.node * n.machines + w.monitor_place()];
    const Micros when = std::max(s.last_up, w.now + w.between(200 * slow, 2 * ms * slow));
    s.last_up = when;
    w.at(when, {Ev::up, s.node, s.id});
}

void plan_down(World& w, Session& s) {
    const Network& n = *w.network;
    const Micros slow = n.slow[w.monitor_place() * n.machines + s.node];
    const Micros when = std::max(s.last_down, w.now + w.between(200 * slow, 2 * ms * slow));
    s.last_down = when;
    w.at(when, {Ev::down, s.node, s.id});
}

}  // namespace

std::uint32_t begin_session(World& w, NodeIx node, std::uint32_t boot) {
    Network& n = w.network.edit();
    Session s;
    s.id = ++n.last_session;
    s.node = node;
    s.boot = boot;
    s.monitor = monitor_to_find(w);
    s.up_held = std::exchange(n.faults[node].hold_next, false);
    n.sessions.push_back(std::move(s));
    return n.last_session;
}

void send_up(World& w, std::uint32_t session, UpMessage message) {
    Session* s = w.network.edit().find(session);
    if (!s || !s->keeper_end) return;
    s->up.push_back(std::move(message));
    plan_up(w, *s);
}

void send_down(World& w, std::uint32_t session, DownMessage message) {
    Session* s = w.network.edit().find(session);
    if (!s || !s->monitor_end) return;
    s->down.push_back(std::move(message));
    plan_down(w, *s);
}

std::optional<UpMessage> take_up(World& w, std::uint32_t session) {
    Session* s = w.network.edit().find(session);
    if (!s || !s->monitor_end || s->up.empty()) return std::nullopt;
    if (s->up_held || !w.network->passes(s->node, w.monitor_place())) {
        s->up_stalled = true;
        return std::nullopt;
    }
    UpMessage message = std::move(s->up.front());
    s->up.pop_front();
    if (breaks_at(w, session, message)) return std::nullopt;
    return message;
}

std::optional<DownMessage> take_down(World& w, std::uint32_t session) {
    Session* s = w.network.edit().find(session);
    if (!s || !s->keeper_end || s->down.empty()) return std::nullopt;
    if (!w.network->passes(w.monitor_place(), s->node)) {
        s->down_stalled = true;
        return std::nullopt;
    }
    DownMessage message = std::move(s->down.front());
    s->down.pop_front();
    if (breaks_at(w, session, message)) return std::nullopt;
    return message;
}

void end_session_of_keeper(World& w, std::uint32_t session) {
    // A connection that never came about: nothing of it arrives later.
    const Session* s = w.network->find(session);
    if (s && !s->up.empty() && std::holds_alternative<Hello>(s->up.front()) &&
        !w.network->passes(s->node, w.monitor_place()))
        w.network.edit().find(session)->monitor_end = false;
    send_up(w, session, Ended{});
    forget_end(w, session, false);
}

void end_session_of_monitor(World& w, std::uint32_t session) {
    send_down(w, session, Ended{});
    forget_end(w, session, true);
}

void forget_end(World& w, std::uint32_t session, bool monitor_end) {
    Session* s = w.network.edit().find(session);
    if (!s) return;
    if (monitor_end) {
        s->monitor_end = false;
        s->up.clear();
    } else {
        s->keeper_end = false;
        s->down.clear();
    }
    sweep(w);
}

void send_up_again(World& w, Session& session) {
    session.up_stalled = false;
    session.last_up = 0;
    for (std::size_t i = 0; i < session.up.size(); ++i) plan_up(w, session);
}

// ---- cuts -----------------------------------------------------------------------------------------------------------

void cut(World& w, std::size_t from, std::size_t to) {
    if (from == to || !w.network->passes(from, to)) return;
    Network& n = w.network.edit();
    n.cut[from * n.machines + to] = std::max<Micros>(w.now, 1);
    for (const std::size_t end : {from, to})
        if (end < w.nodes()) watch_links(w, static_cast<NodeIx>(end));
}

void heal(World& w, std::size_t from, std::size_t to) {
    if (w.network->passes(from, to)) return;
    Network& n = w.network.edit();
    n.cut[from * n.machines + to] = 0;
    // What was sent meanwhile is sent again, and comes all at once.
    for (Session& s : n.sessions) {
        if (s.up_stalled && !s.up_held && s.node == from && to == w.monitor_place()) send_up_again(w, s);
        if (s.down_stalled && s.node == to && from == w.monitor_place()) {
            s.down_stalled = false;
            s.last_down = 0;
            for (std::size_t i = 0; i < s.down.size(); ++i) plan_down(w, s);
        }
    }
}

void heal_all(World& w) {
    const std::size_t machines = w.network->machines;
    for (std::size_t from = 0; from < machines; ++from) {
        for (std::size_t to = 0; to < machines; ++to) {
            heal(w, from, to);
            set_slow(w, from, to, 1);
        }
    }
}

void set_slow(World& w, std::size_t from, std::size_t to, std::uint32_t factor) {
    Network& n = w.network.edit();
    n.slow[from * n.machines + to] = factor;
}

bool silent_for(const World& w, std::size_t listener, std::size_t speaker, Micros limit) {
    Micros since = w.network->cut_since(speaker, listener);
    if (speaker < w.nodes()) {
        const Machine& m = *w.machines[speaker];
        if (m.frozen && (since == 0 || m.frozen_since < since)) since = m.frozen_since;
        if (const Micros hangs = receiver_hangs_since(m); hangs != 0 && (since == 0 || hangs < since)) since = hangs;
        if (!m.power) return true;
        if (m.server && m.server->stuck && (since == 0 || m.server->stuck_since < since)) since = m.server->stuck_since;
    }
    return since != 0 && w.now - since >= limit;
}

void watch_links(World& w, NodeIx node) {
    const auto& s = w.server(node);
    if (!s) return;
    for (const Walsender& sender : s->senders)
        w.after(wal_timeout + ms, wal_timeout + 300 * ms, {Ev::sender_lost, node, sender.link, 1});
    if (s->receiver) w.after(wal_timeout + ms, wal_timeout + 300 * ms, {Ev::receiver_lost, node, s->receiver->link, 1});
}

PortState look_at_port(const World& w, NodeIx node, NodeIx target) {
    if (target >= w.nodes() || !w.network->both_ways(node, target) || !w.machine_runs(target)) return PortState::silent;
    const auto& s = w.server(target);
    if (!s || !s->postmaster) return PortState::refused;
    return s->stuck ? PortState::silent : PortState::answers;
}

}  // namespace pgaf::sim
