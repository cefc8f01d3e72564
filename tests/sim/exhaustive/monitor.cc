// The monitor: monitor/service/coordinator in small, around the production heart. A decision is durable before anything
// of it is sent (R1). Probes are answered within the action that asks for them.
#include <algorithm>
#include <stdexcept>

#include "common/mutation.h"
#include "tests/sim/exhaustive/heart_memo.h"
#include "tests/sim/exhaustive/node_memo.h"
#include "tests/sim/exhaustive/scene.h"

namespace pgaf::exhaustive {
namespace {

constexpr std::uint32_t heartbeat_ms = 500;
constexpr std::uint32_t timeout_ms = 2500;

std::uint8_t bit(NodeIx n) {
    return static_cast<std::uint8_t>(1U << n);
}

MonitorId id_of(Term term) {
    return MonitorId{"m" + std::to_string(term.v)};
}

ProbeResult answer(const Scene& s, const fsm::ProbeRequest& request) {
    const NodeIx by = node_of(request.by);
    const NodeIx target = node_of(request.target);
    ProbeResult result;
    result.target = request.target;
    const Node& there = s.node(target);
    if (s.linked(by, target) && there.power)
        result.port = there.server.life == Life::running ? PortState::answers : PortState::refused;
    const Server& server = s.node(by).server;
    if (server.streaming) {
        result.receiver.streaming = true;
        result.receiver.upstream = name_of(server.upstream);
        const bool hears = s.linked(by, server.upstream) && s.node(server.upstream).power;
        if (!hears) result.receiver.last_message_age = Millis{timeout_ms};
    }
    return result;
}

void send(Scene& s, const HeartMove& move) {
    for (const auto& [n, goal] : move.goals)
        if (!with_rival(s, n)) s.world.down[n] = goal;
}

void take(Scene& s, const HeartMove& move) {
    const std::uint32_t before = s.world.monitor;
    if (!move.broken.empty()) return s.violated(move.broken);
    s.world.monitor = move.after;
    if (move.decides) check_decided(s, s.search.pools.monitors[before].record, s.monitor().record);
    send(s, move);
    for (const NodeIx n : move.turned_away) {
        if (n >= s.nodes()) continue;
        s.edit(n).keeper.run.monitor_refuses = true;
        lose_session(s, n);
    }
    for (const fsm::ProbeRequest& probe : move.probes) {
        const NodeIx by = node_of(probe.by);
        if (s.monitor_linked(by) && s.node(by).keeper.connected && !with_rival(s, by))
            heart_step(s, fsm::ProbeAnswered{probe.by, answer(s, probe)});
    }
}

}  // namespace

void heart_step(Scene& s, const fsm::Input& input) {
    take(s, s.search.hearts.step(s.search.pools, s.world.monitor, input, s.told));
}

namespace {

void heart_hears(Scene& s, std::uint32_t report) {
    take(s, s.search.hearts.hears(s.search.pools, s.world.monitor, report, s.told));
}

/// A report that arrives at once, news or not.
void tell(Scene& s, NodeIx n) {
    const std::uint32_t number = s.search.pools.reports.put(look_and_report(s, n));
    s.edit(n).keeper.sent = number;
    heart_hears(s, number);
    note_answered(s, n);
}

}  // namespace

bool open_session(Scene& s, NodeIx n) {
    const Node& node = s.node(n);
    if (!s.monitor().alive || !s.monitor_linked(n) || !node.keeper.alive || node.keeper.connected) return false;
    Hello hello;
    hello.cluster = node.disk.promise.cluster;
    hello.node = node.disk.promise.node;
    hello.incarnation = node.disk.promise.incarnation;
    hello.boot = node.keeper.run.boot;
    hello.host = name_of(n).v;
    hello.port = 1;
    hello.candidate_priority = s.search.spec.priorities[n];
    hello.system_id = node.disk.promise.system_id;
    s.world.up[n] = 0;
    s.world.down[n] = 0;
    s.world.closing &= static_cast<std::uint8_t>(~bit(n));
    s.world.with_rival &= static_cast<std::uint8_t>(~bit(n));
    Keeper& k = s.edit(n).keeper;
    k.connected = k.run.monitor_in_reach = true;
    k.run.monitor_away = {};
    k.run.monitor_refuses = false;
    heart_step(s, fsm::SessionOpened{hello});
    if (s.node(n).keeper.connected) tell(s, n);
    // A monitor that decides nothing counts as away (R11).
    if (!s.monitor().record.doubt.empty()) s.edit(n).keeper.run.monitor_in_reach = false;
    return true;
}

namespace {

/// The number of the report that is sent now; 0: none.
std::uint32_t take_news(Scene& s, NodeIx n) {
    if (s.known) {
        if (s.known->news[n].first != 0) s.world.node[n] = s.known->news[n].second;
        return s.known->news[n].first;
    }
    const std::uint32_t number = news(s, n);
    if (number != 0) s.edit(n).keeper.sent = number;
    return number;
}

bool report_to_monitor(Scene& s, NodeIx n) {
    if (s.world.up[n] != 0 || !s.monitor().alive || !s.monitor_linked(n)) return false;
    const std::uint32_t number = take_news(s, n);
    if (number == 0) return false;
    heart_hears(s, number);
    note_answered(s, n);
    return true;
}

}  // namespace

bool report(Scene& s, NodeIx n) {
    if (!with_rival(s, n)) return report_to_monitor(s, n);
    if (!rival_acts(s)) return false;
    const AsRival scope(s);
    return report_to_monitor(s, n);
}

bool send_report(Scene& s, NodeIx n) {
    if (s.world.up[n] != 0 || with_rival(s, n) || s.left(Luck::delays) == 0) return false;
    s.world.up[n] = take_news(s, n);
    return s.world.up[n] != 0 && s.spend(Luck::delays);
}

bool deliver_report(Scene& s, NodeIx n) {
    if (s.world.up[n] == 0 || !s.monitor().alive || !s.monitor_linked(n)) return false;
    heart_hears(s, std::exchange(s.world.up[n], 0));
    return true;
}

bool close_session(Scene& s, NodeIx n) {
    if ((s.world.closing & bit(n)) == 0 || !s.monitor().alive || !s.monitor_linked(n) || s.world.up[n] != 0)
        return false;
    s.world.closing &= static_cast<std::uint8_t>(~bit(n));
    const auto found = s.monitor().memory.views.find(name_of(n));
    if (found == s.monitor().memory.views.end() || !found->second.connected) return true;
    heart_step(s, fsm::SessionClosed{name_of(n), found->second.boot});
    return true;
}

bool start_monitor(Scene& s) {
    if (s.monitor().alive) return false;
    const fsm::ClusterRecord& stored = s.monitor().record;
    const Term term{stored.term.v + 1};
    const fsm::Heart heart(stored, term, id_of(term), heart_now);
    Monitor m{true, heart.record(), heart.memory(), std::nullopt};
    calm(m);
    s.world.monitor = s.search.pools.monitors.put(std::move(m));
    heart_step(s, fsm::Tick{});
    return true;
}

bool kill_monitor(Scene& s) {
    if (!s.monitor().alive || !s.spend(Luck::monitor_deaths)) return false;
    const Monitor& m = s.monitor();
    s.world.monitor = s.search.pools.monitors.put({false, m.stored ? *m.stored : m.record, {}, std::nullopt});
    for (NodeIx n = 0; n < s.nodes(); ++n) {
        // What it had sent may still arrive; what was on its way to it does not.
        s.world.up[n] = 0;
        if (s.monitor_linked(n) && s.node(n).keeper.connected && !with_rival(s, n)) lose_session(s, n);
    }
    s.world.closing = 0;
    return true;
}

namespace {

/// Whatever can arrive arrives sooner than node_timeout.
bool something_arrives(const Scene& s) {
    for (NodeIx n = 0; n < s.nodes(); ++n) {
        if (!s.monitor_linked(n)) continue;
        const Keeper& k = s.node(n).keeper;
        if (s.world.down[n] != 0 && k.alive) return true;
        if (!s.monitor().alive) continue;
        if (s.world.up[n] != 0 || (s.world.closing & bit(n)) != 0) return true;
        if (k.alive && !k.connected && !k.run.monitor_refuses) return true;
    }
    return false;
}

bool can_be_heard(const Scene& s, NodeIx n) {
    const Keeper& k = s.node(n).keeper;
    if (!s.monitor().alive || !s.monitor_linked(n) || !k.alive || !k.connected || with_rival(s, n)) return false;
    // A session with the process before it, whose end could not be told, ends when something is sent.
    const auto view = s.monitor().memory.views.find(name_of(n));
    return view != s.monitor().memory.views.end() && view->second.connected;
}

/// Connections over a link that is cut, or to a machine without power, end; sessions as well.
void let_connections_end(Scene& s) {
    for (NodeIx n = 0; n < s.nodes(); ++n) {
        const Server& server = s.node(n).server;
        if (server.streaming && (!s.linked(n, server.upstream) || !s.node(server.upstream).power || !s.node(n).power))
            end_receiver(s, n);
        const bool rival_hears = with_rival(s, n) && rival_acts(s) && s.monitor_linked(n);
        if (can_be_heard(s, n) || rival_hears || !s.node(n).keeper.alive) continue;
        s.world.up[n] = 0;
        s.world.down[n] = 0;
        const bool was_closing = (s.world.closing & bit(n)) != 0;
        lose_session(s, n);
        if (!was_closing) s.world.closing &= static_cast<std::uint8_t>(~bit(n));
        s.edit(n).keeper.run.monitor_away = Millis{timeout_ms};
    }
}

void monitor_ages(Scene& s) {
    Monitor m = s.monitor();
    grow_older(m.memory, Millis{timeout_ms});
    for (NodeIx n = 0; n < s.nodes(); ++n)
        if (const auto v = m.memory.views.find(name_of(n)); v != m.memory.views.end() && can_be_heard(s, n))
            v->second.heard = heart_now;
    calm(m);
    s.world.monitor = s.search.pools.monitors.put(std::move(m));
    for (NodeIx n = 0; n < s.nodes(); ++n)
        if (can_be_heard(s, n)) tell(s, n);
    heart_step(s, fsm::Tick{});
    for (NodeIx n = 0; n < s.nodes(); ++n)
        if (!s.monitor().record.doubt.empty() && s.node(n).keeper.connected) {
            s.edit(n).keeper.run.monitor_in_reach = false;
            s.edit(n).keeper.run.monitor_away = Millis{timeout_ms};
        }
}

}  // namespace

bool pass_time(Scene& s) {
    if (something_arrives(s) || (s.due && !s.spend(Luck::slow))) return false;
    if (!s.due) check_stale(s);
    let_connections_end(s);
    age_leases(s);
    if (s.monitor().alive) monitor_ages(s);
    if (!rival_acts(s)) return true;
    const AsRival scope(s);
    monitor_ages(s);
    return true;
}

Monitor new_cluster(const Spec& spec) {
    fsm::ClusterRecord record;
    record.name = ClusterName{"c"};
    record.settings.heartbeat_ms = heartbeat_ms;
    record.settings.node_timeout_ms = timeout_ms;
    record.settings.boot_wait_ms = timeout_ms;
    record.settings.switchover_timeout_ms = timeout_ms;
    // R15 counts real minutes; here the luck of a world is the limit.
    record.settings.failover_limit = 1'000'000;
    record.settings.number_sync_standbys = spec.number_sync_standbys;
    record.settings.asynchronous = spec.asynchronous;
    record.settings.lease_ms = 2 * timeout_ms;
    const fsm::Heart heart(record, Term{1}, id_of(Term{1}), heart_now);
    return {true, heart.record(), heart.memory(), std::nullopt};
}

}  // namespace pgaf::exhaustive
