#include "tests/sim/monitor_ops.h"

#include <algorithm>
#include <stdexcept>

#include "common/mutation.h"
#include "tests/sim/checks.h"
#include "tests/sim/lease.h"
#include "tests/sim/network_ops.h"

namespace pgaf::sim {
namespace {

constexpr Micros longest_sleep = 200 * ms;
constexpr std::size_t answers_kept = 8;

void plan_tick(World& w) {
    Monitor& m = w.monitor.edit();
    if (!m.heart) return;
    const Micros when = std::max(m.wake_at, w.now + 1);
    w.at(when, {Ev::tick, nobody, m.life, static_cast<std::uint64_t>(when)});
}

std::uint32_t session_of(const Monitor& m, NodeIx node) {
    for (const MonitorSession& s : m.sessions)
        if (s.node == node) return s.id;
    return 0;
}

void end_session(World& w, std::uint32_t id, const std::string& why) {
    Monitor& m = w.monitor.edit();
    std::erase_if(m.sessions, [&](const MonitorSession& s) { return s.id == id; });
    send_down(w, id, Refusal{why});
    end_session_of_monitor(w, id);
}

void tell(World& w, const fsm::Output& out) {
    if (!w.trace) return;
    for (const auto& e : out.log)
        w.say(nobody, [&] {
            return "monitor: " + e.kind + (e.rule.empty() ? "" : " [" + e.rule + "]") + ": " + e.message +
                   (e.evidence.empty() ? "" : " (" + e.evidence + ")");
        });
}

void send(World& w, const fsm::Output& out) {
    int sent = 0;
    for (const Goal& goal : out.goals) {
        const NodeIx node = node_of(goal.node);
        const std::uint32_t id = session_of(*w.monitor, node);
        if (id == 0) continue;
        send_down(w, id, goal);
        Network& n = w.network.edit();
        n.echoes.emplace_back(w.network->find(id) ? w.network->find(id)->boot : 0, goal);
        if (n.echoes.size() > 12) n.echoes.erase(n.echoes.begin());
        if (w.monitor->dies_at_decision == 3 && ++sent == 1) return kill_monitor(w, true);
    }
    for (const auto& probe : out.probes)
        if (const std::uint32_t id = session_of(*w.monitor, node_of(probe.by)); id != 0) send_down(w, id, probe);
    for (const auto& away : out.turned_away) {
        const auto sessions = w.monitor->sessions;
        for (const MonitorSession& s : sessions)
            if (s.node == node_of(away.node) && s.boot == away.boot) end_session(w, s.id, away.message);
    }
    Monitor& m = w.monitor.edit();
    for (const auto& reply : out.replies) {
        m.commands.emplace_back(reply.command, reply.message);
        if (m.commands.size() > answers_kept) m.commands.erase(m.commands.begin());
    }
}

/// R10: Coordinator::leads. The store is led by another process by now: this one ends.
bool leads(World& w) {
    const Monitor& m = *w.monitor;
    if (m.store.leader == m.life || broken(Mutation::r10)) return true;
    w.say(nobody, [] { return std::string("the monitor was overtaken"); });
    kill_monitor(w, true);
    return false;
}

void heart_step(World& w, const fsm::Input& input) {
    if (!w.monitor->alive || !w.monitor->heart || !leads(w)) return;
    Monitor& m = w.monitor.edit();
    ++w.count.heart_steps;
    fsm::Output out;
    try {
        out = m.heart->step(input, monitor_now(w));
    } catch (const std::logic_error& broken_rule) {
        w.violated(broken_rule.what());
        return;
    }
    const bool decides = out.persist || !out.log.empty();
    if (decides && m.dies_at_decision == 1) return kill_monitor(w, true);
    if (decides) {
        tell(w, out);
        if (broken(Mutation::r1) && m.dies_at_decision == 2) {
            send(w, out);
            return kill_monitor(w, true);
        }
        static const fsm::ClusterRecord nothing;
        check_decided(w, m.store.record ? *m.store.record : nothing, m.heart->record());
        save(m.store, m.heart->record(), m.dies_at_decision != 2);
        // Of two monitors on two stores the one of the later term has heard everybody.
        if (m.store.record->doubt.empty() && (!w.decided || w.decided->term <= m.store.record->term))
            w.decided = m.store.record;
        if (m.dies_at_decision == 2) return kill_monitor(w, true);
    }
    const Micros wanted = out.wake_at ? when_it_is(w, w.monitor_place(), Millis{out.wake_at->v + m.left_out / ms})
                                      : w.now + longest_sleep;
    m.wake_at = std::min(wanted, w.now + sec);
    send(w, out);
    plan_tick(w);
    for (const auto& away : out.turned_away) heart_step(w, fsm::SessionClosed{away.node, away.boot});
}

void close(World& w, std::uint32_t id) {
    Monitor& m = w.monitor.edit();
    const auto found =
        std::find_if(m.sessions.begin(), m.sessions.end(), [&](const MonitorSession& s) { return s.id == id; });
    forget_end(w, id, true);
    if (found == m.sessions.end()) return;
    const MonitorSession session = *found;
    m.sessions.erase(found);
    heart_step(w, fsm::SessionClosed{name_of(session.node), session.boot});
}

void open(World& w, NodeIx node, std::uint32_t id, const Hello& hello) {
    Monitor& m = w.monitor.edit();
    if (!m.heart) {
        fsm::ClusterRecord record;
        record.name = hello.cluster;
        record.settings = w.options->settings;
        record.doubt = m.store.doubt;
        m.heart.emplace(record, m.store.term, MonitorId{"m" + std::to_string(m.life)}, monitor_now(w));
    }
    const std::uint32_t before = session_of(m, node);
    m.sessions.insert(m.sessions.begin(), MonitorSession{id, node, hello.boot});
    heart_step(w, fsm::SessionOpened{hello});
    const Monitor& now = *w.monitor;
    const bool kept =
        std::any_of(now.sessions.begin(), now.sessions.end(), [&](const MonitorSession& s) { return s.id == id; });
    if (kept && before != 0) end_session(w, before, "a newer session has taken the place of this one");
}

/// A connection from before this monitor's start: its machine answers that it knows none.
void reset_unknown(World& w, const Session& session) {
    const std::uint32_t id = session.id;
    Session& s = *w.network.edit().find(id);
    if (!w.network->passes(s.node, w.monitor_place())) {
        s.up_stalled = true;
        return;
    }
    s.monitor_end = true;
    end_session_of_monitor(w, id);
}

void acknowledge(World& w, std::uint32_t id, std::uint64_t seq) {
    const fsm::ClusterRecord& record = w.monitor->heart->record();
    const NodeIx node = w.network->find(id) ? w.network->find(id)->node : nobody;
    const auto known = record.nodes.find(node == nobody ? NodeName{} : name_of(node));
    const bool primary = record.doubt.empty() && known != record.nodes.end() && record.primary == known->first &&
                         record.primary_incarnation == known->second.incarnation;
    const StoreMark mark = record.doubt.empty() ? record.mark : StoreMark{};
    send_down(w, id, AckMessage{seq, record.settings.heartbeat_ms, record.settings.node_timeout_ms, primary, mark});
}

}  // namespace

Millis monitor_now(const World& w) {
    return Millis{boot_time(w, w.monitor_place()).v - w.monitor->left_out / ms};
}

void start_monitor(World& w) {
    Monitor& m = w.monitor.edit();
    if (m.alive) return;
    m.alive = true;
    m.started = w.now;
    m.frozen = false;
    m.dies_at_decision = 0;
    m.life = ++w.monitors;
    begin_term(m.store, m.life);
    m.sessions.clear();
    m.heart.reset();
    m.last_command = m.store.term.v << 20U;
    w.say(nobody, [&] {
        return "the monitor starts, term " + std::to_string(m.store.term.v) +
               (m.store.doubt.empty() ? "" : ": " + m.store.doubt);
    });
    if (!m.store.record) return;
    m.heart.emplace(*m.store.record, m.store.term, MonitorId{"m" + std::to_string(m.life)}, monitor_now(w));
    w.ghost.edit().untold = 0;
    heart_step(w, fsm::Tick{});
}

void kill_monitor(World& w, bool told) {
    Monitor& m = w.monitor.edit();
    if (!m.alive) return;
    w.say(nobody, [] { return std::string("the monitor dies"); });
    m.alive = m.frozen = false;
    m.heart.reset();
    m.sessions.clear();
    m.held.clear();
    std::vector<std::uint32_t> ids;
    for (const Session& s : w.network->sessions)
        if (!w.rival->alive || s.monitor != w.rival->life) ids.push_back(s.id);
    for (const std::uint32_t id : ids) {
        if (told)
            end_session_of_monitor(w, id);
        else
            forget_end(w, id, true);
    }
}

void freeze_monitor(World& w, bool frozen) {
    Monitor& m = w.monitor.edit();
    if (!m.alive || m.frozen == frozen) return;
    m.frozen = frozen;
    if (frozen) {
        m.frozen_since = w.now;
        return;
    }
    // AwakeClock: more than its longest gap between two looks at the clock does not count.
    m.left_out += std::max<Micros>(0, w.now - m.frozen_since - longest_sleep);
    for (const Event& event : m.held) w.at(w.now, event);
    m.held.clear();
}

void on_up(World& w, NodeIx node, std::uint32_t session) {
    if (!w.monitor->alive) {
        // Its machine answers that nobody listens.
        if (w.network->find(session)) end_session_of_monitor(w, session);
        return;
    }
    if (const Session* s = w.network->find(session); s && s->keeper_end && !s->monitor_end) return reset_unknown(w, *s);
    const std::optional<UpMessage> message = take_up(w, session);
    if (!message) return;
    if (std::holds_alternative<Ended>(*message)) return close(w, session);
    if (const auto* hello = std::get_if<Hello>(&*message)) return open(w, node, session, *hello);
    const Monitor& m = *w.monitor;
    const bool known =
        std::any_of(m.sessions.begin(), m.sessions.end(), [&](const MonitorSession& s) { return s.id == session; });
    if (!known) return;
    if (const auto* report = std::get_if<Report>(&*message)) {
        heart_step(w, fsm::ReportReceived{*report});
        note_heard(w, *report);
        if (w.monitor->alive && w.monitor->heart) acknowledge(w, session, report->seq);
        return;
    }
    heart_step(w, fsm::ProbeAnswered{name_of(node), std::get<ProbeResult>(*message)});
}

void on_tick(World& w, std::uint32_t life) {
    const Monitor& m = *w.monitor;
    if (m.alive && m.life == life && m.wake_at <= w.now) heart_step(w, fsm::Tick{});
}

void give_command(World& w, fsm::Command command) {
    if (!w.monitor->alive || w.monitor->frozen || !w.monitor->heart) return;
    command.id = ++w.monitor.edit().last_command;
    w.say(nobody, [&] {
        return "an operator: " + command.kind + " " + command.node.v +
               (command.allow_data_loss ? " --allow-data-loss" : "") +
               (command.setting.empty() ? "" : command.setting + "=" + command.value);
    });
    heart_step(w, command);
}

}  // namespace pgaf::sim
