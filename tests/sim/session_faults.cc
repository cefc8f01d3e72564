#include "tests/sim/session_faults.h"

#include "tests/sim/faults.h"
#include "tests/sim/loop.h"
#include "tests/sim/network_ops.h"

namespace pgaf::sim {
namespace {

std::optional<Talk> talk_of(const UpMessage& message) {
    if (std::holds_alternative<Hello>(message)) return Talk::hello;
    if (std::holds_alternative<Report>(message)) return Talk::report;
    return std::nullopt;
}
std::optional<Talk> talk_of(const DownMessage& message) {
    if (std::holds_alternative<AckMessage>(message)) return Talk::ack;
    if (std::holds_alternative<Goal>(message)) return Talk::goal;
    return std::nullopt;
}

/// Both ends hear of it. What is on its way is lost.
void break_now(World& w, Session& s) {
    s.up.clear();
    s.down.clear();
    const std::uint32_t id = s.id;
    w.say(s.node, [] { return std::string("its session with the monitor breaks at this message"); });
    send_down(w, id, Ended{});
    send_up(w, id, Ended{});
}

/// The message at which it breaks has come.
bool is_reached(World& w, std::uint32_t session, std::optional<Talk> talk) {
    Session* s = w.network->find(session) ? w.network.edit().find(session) : nullptr;
    if (!s || !talk) return false;
    std::optional<BreakAt>& at = w.network.edit().faults[s->node].break_at;
    if (!at || at->message != *talk) return false;
    if (at->skip > 0) return --at->skip, false;
    const bool taken = at->taken;
    at.reset();
    if (taken)
        s->breaks = true;
    else
        break_now(w, *s);
    return !taken;
}

}  // namespace

void reset_session(World& w, NodeIx node) {
    const std::uint32_t id = w.keepers[node]->session.id;
    if (id == 0 || !w.network->find(id)) return;
    w.say(node, [] { return std::string("its session with the monitor is reset"); });
    send_down(w, id, Ended{});
    send_up(w, id, Ended{});
}

void break_session_at(World& w, NodeIx node, const BreakAt& at) {
    w.network.edit().faults[node].break_at = at;
}

bool breaks_at(World& w, std::uint32_t session, const UpMessage& message) {
    return is_reached(w, session, talk_of(message));
}
bool breaks_at(World& w, std::uint32_t session, const DownMessage& message) {
    return is_reached(w, session, talk_of(message));
}

void break_if_due(World& w, std::uint32_t session) {
    if (const Session* s = w.network->find(session); !s || !s->breaks) return;
    Session& s = *w.network.edit().find(session);
    s.breaks = false;
    break_now(w, s);
}

void hold_session(World& w, NodeIx node, bool next) {
    const std::uint32_t id = w.keepers[node]->session.id;
    w.say(node, [&] {
        return std::string("what its keeper says in ") + (next ? "its next" : "this") + " session is held up";
    });
    if (next) {
        w.network.edit().faults[node].hold_next = true;
        return reset_session(w, node);
    }
    if (id != 0 && w.network->find(id)) w.network.edit().find(id)->up_held = true;
}

void on_session_breaks(World& w, NodeIx node, bool keeper_dies) {
    if (keeper_dies) {
        kill_keeper(w, node);
        return power_on(w, node);
    }
    const std::uint32_t id = w.keepers[node]->session.id;
    if (id == 0 || !w.network->find(id)) return;
    w.say(node, [] { return std::string("its session with the monitor is lost to it"); });
    send_down(w, id, Ended{});
}

void end_session_faults(World& w, NodeIx node, bool lost) {
    Network& n = w.network.edit();
    n.faults[node] = {};
    for (Session& s : n.sessions) {
        if (s.node != node || !s.up_held) continue;
        s.up_held = false;
        w.say(node, [&] {
            return std::to_string(s.up.size()) + " messages of its " +
                   (s.id == w.keepers[node]->session.id ? "session" : "earlier session") +
                   (lost ? " are lost" : " arrive late");
        });
        if (lost) s.up = {Ended{}};
        if (!w.network->passes(node, w.monitor_place()))
            s.up_stalled = true;
        else
            send_up_again(w, s);
    }
}

}  // namespace pgaf::sim
