// The loop's half that talks with the monitor: the order of keeper/service/loop_monitor.cc, and of session.cc below it.
#include <algorithm>

#include "keeper/reconcile/report.h"
#include "tests/sim/checks.h"
#include "tests/sim/launcher.h"
#include "tests/sim/lease.h"
#include "tests/sim/loop.h"
#include "tests/sim/monitor_ops.h"
#include "tests/sim/network_ops.h"

namespace pgaf::sim {
namespace {

constexpr std::size_t max_recent = 64;
constexpr std::size_t max_probes = 4;
constexpr Micros connect_limit = sec;
constexpr Micros first_backoff = 100 * ms;
constexpr Micros longest_backoff = sec;
constexpr Micros after_refusal = 5 * sec;
constexpr Micros least_silence = 3 * sec;

void heard(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    k.session_alive = true;
    k.since_heard = 0;
    k.run.monitor_in_reach = !k.in_doubt;
    k.run.monitor_away = Millis{k.in_doubt ? k.since_decided / ms : 0};
    k.refused = k.run.monitor_refuses = false;
}

keeper::Facts facts_to_tell(const Keeper& k) {
    return k.unsettled ? keeper::meanwhile(k.facts, *k.unsettled) : k.facts;
}

std::string doing(const Keeper& k) {
    if (k.under_way) return keeper::step_text(k.under_way->step);
    return k.decision.waiting.empty() ? std::string{} : "waiting for " + k.decision.waiting;
}

std::string problem(const Keeper& k) {
    if (!k.state_trouble.empty()) return k.state_trouble;
    if (!k.decision.problem.empty()) return k.decision.problem;
    if (!k.run.failure.empty()) return k.run.failed_step + " has failed: " + k.run.failure;
    return facts_to_tell(k).trouble;
}

Report report_now(const Keeper& k) {
    return keeper::make_report(k.promise, k.run, facts_to_tell(k), doing(k), problem(k));
}

Micros silence_limit(const Keeper& k) {
    return k.session.heard ? std::max<Micros>(least_silence, 2 * k.run.node_timeout.v * ms) : connect_limit;
}

void on_ack(World& w, NodeIx node, const AckMessage& ack) {
    heard(w, node);
    Keeper& k = w.keepers[node].edit();
    k.in_doubt = ack.mark.life.empty();
    if (!k.in_doubt) k.since_decided = 0;
    k.run.monitor_in_reach = !k.in_doubt;
    k.run.monitor_away = Millis{k.since_decided / ms};
    if (ack.heartbeat_ms > 0) k.heartbeat = static_cast<Micros>(ack.heartbeat_ms) * ms;
    if (ack.node_timeout_ms > 0) k.run.node_timeout = Millis{ack.node_timeout_ms};
    if (!ack.mark.life.empty()) k.run.heard = ack.mark;
    while (!k.recent.empty() && k.recent.front().seq <= ack.seq) {
        if (k.recent.front().end) k.end_heard = k.recent.front().at;
        if (ack.lease) k.answered_for = std::max(k.answered_for, k.recent.front().at);
        keeper::note_answer(k.run.lease, k.recent.front().boot_at, ack.lease);
        k.told = k.recent.front().promised;
        k.acknowledged = std::move(k.recent.front());
        k.recent.pop_front();
    }
    if (k.acknowledged && k.acknowledged->self_fenced == k.run.self_fenced) k.run.self_fenced.clear();
    consider_let_go(w, node);
}

void on_probe(World& w, NodeIx node, const fsm::ProbeRequest& request) {
    heard(w, node);
    Keeper& k = w.keepers[node].edit();
    if (k.probes.size() >= max_probes) return;
    ProbeResult result;
    result.probe = request.probe;
    result.target = request.target;
    result.port = look_at_port(w, node, node_of(request.target));
    k.probes.push_back(result);
    const Micros limit = request.limit.v * ms;
    if (result.port == PortState::silent)
        w.after(limit, limit + 5 * ms, {Ev::probed, node, k.boot});
    else
        w.after(500, 5 * ms, {Ev::probed, node, k.boot});
}

void lost(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    k.session_alive = false;
    k.run.monitor_in_reach = false;
    k.run.monitor_away = Millis{k.since_heard / ms};
    k.sent.reset();
}

/// The call under way has ended: another one is begun after a while.
void call_ended(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    const SessionEnd was = k.session;
    const unsigned failures = was.heard ? 0 : was.failures + 1;
    k.session = SessionEnd{};
    k.session.failures = failures;
    if (was.refused) return w.after(after_refusal, after_refusal, {Ev::connect, node, k.boot});
    lost(w, node);
    if (was.heard) {
        const Micros wait = w.now - was.begun > sec ? 200 : first_backoff;
        return w.after(wait, wait, {Ev::connect, node, k.boot});
    }
    const Micros base = std::min(longest_backoff, first_backoff << std::min(failures > 1 ? failures - 1 : 0U, 10U));
    w.after(base * 3 / 4, base * 5 / 4, {Ev::connect, node, k.boot});
}

}  // namespace

// ---- the session ----------------------------------------------------------------------------------------------------

void on_connect(World& w, NodeIx node, std::uint32_t boot) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive || k.boot != boot || k.session.id != 0 || !k.session_asked) return;
    Hello hello;
    hello.cluster = cluster_name;
    hello.node = name_of(node);
    hello.incarnation = k.promise.incarnation;
    hello.boot = k.run.boot;
    hello.host = name_of(node).v;
    hello.port = 1;
    hello.candidate_priority = node < w.options->priorities.size() ? w.options->priorities[node] : 50;
    hello.replication_quorum = w.options->without_quorum != node;
    hello.system_id = k.promise.has_folder ? k.promise.system_id : k.facts.system_id;
    k.session_incarnation = hello.incarnation;
    const unsigned failures = k.session.failures;
    k.session = SessionEnd{begin_session(w, node, boot), false, 0, w.now, failures, false};
    send_up(w, k.session.id, hello);
    w.after(silence_limit(k), silence_limit(k), {Ev::silence, node, k.session.id});
    k.session_alive = false;
    k.inbox.reset();
    k.taking_goals = k.taking.has_value();
    k.sent.reset();
    k.given.reset();
    k.told.reset();
    k.recent.clear();
    keeper::note_session(k.run.lease);
    send_report(w, node);
}

void open_session(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    k.session_asked = true;
    k.session_incarnation = k.promise.incarnation;
    if (k.session.id != 0) close_session(w, node);
    w.keepers[node].edit().session.failures = 0;
    w.after(100, 2 * ms, {Ev::connect, node, k.boot});
}

void close_session(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    if (k.session.id != 0) end_session_of_keeper(w, k.session.id);
    k.session = SessionEnd{};
    k.session_alive = false;
}

/// Ends a call whose monitor says nothing.
void on_silence(World& w, NodeIx node, std::uint32_t session) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive || k.session.id != session) return;
    const Micros until = (k.session.heard ? k.session.heard_at : k.session.begun) + silence_limit(k);
    if (w.now < until) return w.at(until, {Ev::silence, node, session});
    end_session_of_keeper(w, session);
    call_ended(w, node);
}

void on_down(World& w, NodeIx node, std::uint32_t session) {
    std::optional<DownMessage> message = take_down(w, session);
    Keeper& k = w.keepers[node].edit();
    if (!message || !k.alive || k.session.id != session) return;
    if (std::holds_alternative<Ended>(*message)) {
        end_session_of_keeper(w, session);
        return call_ended(w, node);
    }
    k.session.heard = true;
    k.session.heard_at = w.now;
    if (const auto* ack = std::get_if<AckMessage>(&*message)) return on_ack(w, node, *ack);
    if (const auto* probe = std::get_if<fsm::ProbeRequest>(&*message)) return on_probe(w, node, *probe);
    if (std::holds_alternative<Refusal>(*message)) {
        k.session.refused = k.refused = k.run.monitor_refuses = true;
        k.session_alive = false;
        return;
    }
    on_goal(w, node, std::get<Goal>(*message));
}

// ---- goals ----------------------------------------------------------------------------------------------------------

void on_goal(World& w, NodeIx node, const Goal& goal) {
    heard(w, node);
    Keeper& k = w.keepers[node].edit();
    const keeper::Verdict verdict = keeper::judge(k.promise, goal);
    if (!verdict.accepted) {
        w.say(node, [&] { return "refuses a goal: " + verdict.why; });
        return send_report(w, node);
    }
    if (!k.in_doubt) keeper::note_goal(k.run.lease, k.given, goal);
    k.given = goal.stamp;
    if (!k.inbox || k.inbox->incarnation != goal.incarnation || may_follow(k.inbox->stamp, goal.stamp)) k.inbox = goal;
    if (!std::exchange(k.taking_goals, true)) take_inbox(w, node);
}

void take_inbox(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    k.taking = std::exchange(k.inbox, std::nullopt);
    ask_for_change(w, node, Change::goal);
}

void on_state_again(World& w, NodeIx node, std::uint32_t boot) {
    const Keeper& k = *w.keepers[node];
    if (k.alive && k.boot == boot && k.taking_goals && !k.taking && k.inbox) take_inbox(w, node);
}

void goal_taken(World& w, NodeIx node, bool changed, bool accepted) {
    Keeper& k = w.keepers[node].edit();
    k.taking.reset();
    k.taking_goals = k.inbox.has_value();
    if (!accepted) {
        send_report(w, node);
        if (k.taking_goals) take_inbox(w, node);
        return;
    }
    k.run.goal_received = true;
    if (changed) {
        w.say(node, [&] {
            const Goal& g = *k.promise.goal;
            return "promises " + std::string(word(g.role)) + (g.upstream.empty() ? "" : " of " + g.upstream.v) +
                   ", epoch " + std::to_string(g.stamp.epoch.v) + " version " + std::to_string(g.stamp.version.v);
        });
        check_reign(w, node);
    }
    if (k.under_way) think(w, node);  // is it still wanted?
    report_if_news(w, node);
    k.machine_seen = 0;
    stir(w, node);
    if (w.keepers[node]->taking_goals) take_inbox(w, node);
}

void folder_changed(World& w, NodeIx node, bool new_one) {
    Keeper& k = w.keepers[node].edit();
    k.changing_folder = false;
    k.machine_seen = 0;
    if (new_one) {
        k.run.goal_received = false;
        w.say(node, [&] { return "another data folder: incarnation " + k.promise.incarnation.v; });
    }
    stir(w, node);
}

// ---- what the monitor is told ---------------------------------------------------------------------------------------

void report_if_news(World& w, NodeIx node) {
    const Keeper& k = *w.keepers[node];
    if (!k.sent || keeper::is_news(*k.sent, report_now(k))) send_report(w, node);
}

void send_report(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    k.report_due = false;
    if (!k.session_asked || k.session.id == 0 || k.session_incarnation != k.promise.incarnation) return;
    Report report = report_now(k);
    report.seq = ++k.seq;
    const bool whole = report.status == PgStatus::stopped ? !report.complete.empty()
                                                          : report.in_recovery && report.replayed >= report.end;
    k.recent.push_back({report.seq, report.leaving, report.incarnation, report.status, w.now, whole, boot_time(w, node),
                        report.self_fenced, report.promised});
    if (k.recent.size() > max_recent) k.recent.pop_front();
    k.sent = report;
    if (!k.session_alive || (report.promised != k.given && report.promised != k.told))
        report.goal = k.promise.goal ? k.promise.goal : k.promise.before;
    send_up(w, k.session.id, std::move(report));
}

void on_probed(World& w, NodeIx node, std::uint32_t boot) {
    Keeper& k = w.keepers[node].edit();
    if (!k.alive || k.boot != boot || k.probes.empty()) return;
    ProbeResult result = k.probes.front();
    k.probes.erase(k.probes.begin());
    result.receiver = observe(w, node, false).receiver;
    if (k.session.id != 0) send_up(w, k.session.id, result);
}

// ---- the launcher's end ---------------------------------------------------------------------------------------------

void consider_let_go(World& w, NodeIx node) {
    Keeper& k = w.keepers[node].edit();
    if (!k.facts.leaving) k.let_go = false;
    if (k.let_go || k.under_way || k.unsettled) return;
    std::optional<Report> known;
    if (k.acknowledged) {
        known.emplace();
        known->leaving = k.acknowledged->leaving;
        known->incarnation = k.acknowledged->incarnation;
        known->status = k.acknowledged->status;
        known->boot = k.run.boot;
    }
    if (!keeper::may_let_go(k.promise, k.run, k.facts, known ? &*known : nullptr)) return;
    k.let_go = true;
    w.say(node, [] { return std::string("lets the launcher go"); });
    launcher_let_go(w, node);
}

}  // namespace pgaf::sim
