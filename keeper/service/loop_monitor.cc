// The loop's half that talks with the monitor: goals, acknowledgements, probes, reports.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <utility>

#include "keeper/service/loop_impl.h"
#include "keeper/service/probe.h"

namespace pgaf::keeper {
namespace {

/// Reports that wait for their acknowledgement; the monitor may acknowledge only the newest.
constexpr std::size_t max_recent = 64;
/// Looks at other nodes at a time; more are asked for only by a monitor that does not wait for answers.
constexpr int max_probes = 4;
constexpr Millis state_again{1000};

}  // namespace

// ---- what the monitor says
// --------------------------------------------------------------------------------------------

void Loop::Impl::listen() {
    const auto on = [weak = weak_from_this()](auto member) {
        return [weak, member](const auto&... what) {
            const auto self = weak.lock();
            if (self && !self->stopping) ((*self).*member)(what...);
        };
    };
    link.listen({on(&Impl::on_opened), on(&Impl::on_ack), on(&Impl::on_goal), on(&Impl::on_probe),
                 on(&Impl::on_refused), on(&Impl::on_lost), on(&Impl::on_view)});
}

void Loop::Impl::heard() {
    session_alive = true;
    since_heard = {};
    run.monitor_in_reach = !in_doubt;
    run.monitor_away = in_doubt ? since_decided : Millis{};
    run.monitor_refuses = false;
    refusal.clear();
}

void Loop::Impl::on_opened() {
    session_alive = false;
    // What an earlier session brought and is not promised yet is not taken any more: the report that follows says what
    // is promised, and a monitor that rebuilds its record relies on it (R11). Whatever still holds is sent again.
    inbox.reset();
    sent.reset();
    given.reset();
    told.reset();
    recent.clear();
    note_session(run.lease);
    send_report();
}

void Loop::Impl::on_lost(const std::string& why) {
    session_alive = false;
    run.monitor_in_reach = false;
    run.monitor_away = since_heard;
    sent.reset();
    // Said once; the retries of a monitor that stays away are no news.
    if (why != last_loss) log.warning("monitor_lost", why);
    last_loss = why;
}

void Loop::Impl::on_refused(const std::string& why) {
    // It lives, but it is not this node's monitor for now: nothing is to be expected of it.
    session_alive = false;
    run.monitor_refuses = true;
    if (why != refusal) log.error("monitor_refuses", why);
    refusal = why;
}

void Loop::Impl::on_view(const ClusterView& told) {
    cluster = told;
    cluster_told = options.clock();
}

void Loop::Impl::on_ack(const Ack& ack) {
    heard();
    in_doubt = ack.in_doubt;
    if (!in_doubt) since_decided = {};
    run.monitor_in_reach = !in_doubt;
    run.monitor_away = since_decided;
    last_loss.clear();
    if (ack.heartbeat > Millis{0}) heartbeat = ack.heartbeat;
    if (ack.node_timeout > Millis{0}) {
        run.node_timeout = ack.node_timeout;
        control.follow_node_timeout(ack.node_timeout);
    }
    if (!ack.mark.life.empty()) run.heard = ack.mark;
    while (!recent.empty() && recent.front().report.seq <= ack.seq) {
        if (options.on_answer && recent.front().report.seq == ack.seq)
            options.on_answer(std::chrono::steady_clock::now() - recent.front().fine);
        told = recent.front().report.promised;
        acknowledged = std::move(recent.front().report);
        // What is said to a node that another one has replaced says nothing of its lease: its new goal may be held up
        // by a disk that can't store it.
        note_answer(run.lease, recent.front().at, ack.lease);
        recent.pop_front();
    }
    // Told once: the monitor keeps it in its event log.
    if (acknowledged && acknowledged->self_fenced == run.self_fenced) run.self_fenced.clear();
    if (acknowledged && acknowledged->replay_resumed == run.replay_resumed) run.replay_resumed.clear();
    positions = ack.positions;
    control.peers_at(positions);
    consider_let_go();
}

void Loop::Impl::on_goal(const Goal& goal) {
    heard();
    if (const Verdict verdict = judge(promise(), goal); !verdict.accepted) {
        log.warning("goal_refused", verdict.why,
                    {{"epoch", goal.stamp.epoch}, {"term", goal.stamp.term}, {"version", goal.stamp.version}});
        return send_report();
    }
    // One that decides nothing sends goals too, to be bound by (R11): only its answers say whether it decides again.
    if (!in_doubt) note_goal(run.lease, given, goal);
    given = goal.stamp;
    // Goals are levels: one that was not made durable yet means nothing any more, unless it is the newer one (R2).
    if (!inbox || inbox->incarnation != goal.incarnation || may_follow(inbox->stamp, goal.stamp)) inbox = goal;
    goal_bell.ring();
    if (!std::exchange(taking_goals, true)) launch(take_goals());
}

Async<void> Loop::Impl::take_goals() {
    while (inbox && !stopping) {
        const Goal goal = *std::exchange(inbox, std::nullopt);
        if (co_await take_goal(goal)) continue;
        if (!inbox) inbox = goal;
        co_await goal_bell.wait(goal_bell.rings(), state_again);
    }
    taking_goals = false;
}

Async<bool> Loop::Impl::take_goal(Goal goal) {
    // Judged again: the promise may have changed while the goal waited.
    Verdict verdict;
    const auto changed = co_await promises->change([&](const Promise& p) -> std::optional<Promise> {
        verdict = judge(p, goal);
        if (!verdict.accepted || !verdict.news) return std::nullopt;
        return accept(p, goal);
    });
    if (!changed) {
        if (state_trouble != changed.error().message) log.error("state_not_written", changed.error().message);
        state_trouble = changed.error().message;
        report_if_news();
        co_return false;
    }
    state_trouble.clear();
    if (!verdict.accepted) {
        send_report();
        co_return true;
    }
    run.goal_received = true;
    if (*changed) {
        log.info("goal_promised",
                 std::string("goal ") + std::string(word(goal.role)) +
                     (goal.upstream.empty() ? "" : " of " + goal.upstream.v),
                 {{"epoch", goal.stamp.epoch},
                  {"term", goal.stamp.term},
                  {"version", goal.stamp.version},
                  {"assigned", word(goal.assigned)}});
    }
    think_under_way();
    report_if_news();
    stir();
    co_return true;
}

void Loop::Impl::on_probe(const Probe& probe) {
    heard();
    if (probes >= max_probes) return log.warning("probe_dropped", "too many looks at other nodes are under way");
    ++probes;
    launch(answer_probe(probe));
}

Async<void> Loop::Impl::answer_probe(Probe probe) {
    ProbeResult result;
    result.probe = probe.probe;
    result.target = probe.target;
    const Millis began = options.clock();
    result.port = co_await probe_port(strand, probe.host, probe.port, probe.limit);
    const Millis left{std::max<std::int64_t>(probe.limit.v - (options.clock().v - began.v), 20)};
    result.receiver = (co_await fresh_facts(left)).receiver;
    --probes;
    if (!stopping) link.send(result);
}

// ---- the data folder
// --------------------------------------------------------------------------------------------------

Async<void> Loop::Impl::change_folder() {
    FolderNews news;
    const IncarnationId before = promise().incarnation;
    const auto changed = co_await promises->change([&](const Promise& p) -> std::optional<Promise> {
        // Asked again: a step may have begun, or ended, while this waited.
        if (under_way || unsettled) return std::nullopt;
        news = look_at_folder(p, facts);
        Promise next = p;
        if (news.kind == FolderNews::Kind::replaced) return new_incarnation(next, IncarnationId{random_id()});
        if (news.kind != FolderNews::Kind::made) return std::nullopt;
        next.has_folder = true;
        if (next.system_id.empty()) next.system_id = facts.system_id;
        return next;
    });
    changing_folder = false;
    if (!changed) {
        if (state_trouble != changed.error().message) log.error("state_not_written", changed.error().message);
        state_trouble = changed.error().message;
        co_return;
    }
    state_trouble.clear();
    if (promise().incarnation != before) {
        run.goal_received = false;
        log.warning("new_incarnation", news.why, {{"incarnation", promise().incarnation}, {"was", before}});
    }
    stir();
}

// ---- what the monitor is told
// -----------------------------------------------------------------------------------------

void Loop::Impl::open_session() {
    Hello hello = options.self;
    hello.incarnation = session_incarnation = promise().incarnation;
    hello.boot = run.boot;
    hello.system_id = report_now().system_id;
    if (hello.system_id.empty() && promise().has_folder) hello.system_id = promise().system_id;
    session_asked = true;
    link.open(hello);
}

std::string Loop::Impl::doing() const {
    if (under_way) {
        const std::string step = step_text(*under_way);
        const std::string why = step_reason(*under_way);
        // Progress may be a sentence of its own: "cloning from node1, 41 %".
        const std::string how =
            progress.starts_with(step) ? progress : step + (progress.empty() ? "" : ": " + progress);
        return how + (why.empty() ? "" : " (" + why + ")");
    }
    return decision.waiting.empty() ? std::string{} : "waiting for " + decision.waiting;
}

std::string Loop::Impl::problem() const {
    if (!state_trouble.empty()) return state_trouble;
    // The cause, before what follows from it.
    if (!facts.disk.empty()) return facts.disk;
    if (!decision.problem.empty()) return decision.problem;
    if (!run.failure.empty()) return run.failed_step + " has failed: " + run.failure;
    return facts_to_tell().trouble;
}

Facts Loop::Impl::facts_to_tell() const {
    return unsettled ? meanwhile(facts, *unsettled) : facts;
}

Report Loop::Impl::report_now() const {
    return make_report(promise(), run, facts_to_tell(), doing(), problem());
}

void Loop::Impl::report_if_news() {
    if (!sent || is_news(*sent, report_now())) send_report();
}

/// R11: the monitor knows the goals that it gives. Whatever else is promised it has to be told, until it has said that
/// it heard so.
bool Loop::Impl::must_tell_promise() const {
    const Stamp& promised = promise().promised;
    return !session_alive || (promised != given && promised != told);
}

void Loop::Impl::send_report() {
    report_due = false;
    if (!session_asked || session_incarnation != promise().incarnation) return;
    Report report = report_now();
    report.seq = ++seq;
    recent.push_back({report, options.clock(), std::chrono::steady_clock::now()});
    if (recent.size() > max_recent) recent.pop_front();
    sent = report;
    if (must_tell_promise()) report.goal = promise().goal ? promise().goal : promise().before;
    link.send(report);
}

// ---- the launcher's end
// -----------------------------------------------------------------------------------------------

void Loop::Impl::consider_let_go() {
    if (!facts.leaving) let_go = false;
    if (let_go || letting_go || under_way || unsettled) return;
    const Report* known = acknowledged && acknowledged->boot == run.boot ? &*acknowledged : nullptr;
    if (!may_let_go(promise(), run, facts, known)) return;
    letting_go = true;
    launch(say_let_go());
}

Async<void> Loop::Impl::say_let_go() {
    log.info("let_go", "the launcher may end: there is nothing, or nothing more, to hand over");
    const auto done = co_await control.let_go();
    letting_go = false;
    let_go = static_cast<bool>(done);
    if (!done) log.error("let_go_failed", done.error().message);
}

}  // namespace pgaf::keeper
