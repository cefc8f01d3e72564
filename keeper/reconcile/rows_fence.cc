// Rows of goals fence and fast_forward (R4, R5).
#include <array>

#include "keeper/reconcile/report.h"
#include "keeper/reconcile/table.h"

namespace pgaf::keeper {
namespace {

bool fencing(const Situation& s) {
    return s.role(Role::fence);
}

// ---- fence ----

bool nothing_to_fence(const Situation& s) {
    return fencing(s) && (s.no_data() || s.stopped());
}
Decision told_end(const Situation& s) {
    if (s.facts.end_pending) return wait_for("a look at where its WAL ends");
    if (s.stopped() && !s.facts.end_exact)
        return problem("the end of WAL of the stopped server can't be read" +
                       (s.facts.trouble.empty() ? std::string{} : ": " + s.facts.trouble));
    return settled();
}

bool primary_under_fence(const Situation& s) {
    return fencing(s) && s.alive() && !s.facts.in_recovery;
}
Decision go_on(const Situation&) {
    return settled();
}

bool overruled_under_fence(const Situation& s) {
    return fencing(s) && s.running_primary() && s.rule_overruled() && !s.run.rule_kept.id.empty();
}
Decision keep_rule(const Situation& s) {
    return set_back(s, s.run.rule_kept);
}

bool stuck_standby(const Situation& s) {
    return fencing(s) && s.status(PgStatus::stuck);
}
Decision stop_at_once(const Situation&) {
    return take(Stop{StopMode::immediate});
}

bool fence_failed(const Situation& s) {
    return fencing(s) && s.running_standby() && s.run.failed_step == step_name(Fence{});
}

bool starting_standby(const Situation& s) {
    return fencing(s) && s.status(PgStatus::starting);
}
Decision wait_for_start(const Situation&) {
    return wait_for("PostgreSQL to take connections");
}

bool offers_tail(const Situation& s) {
    return (fencing(s) || s.role(Role::fast_forward)) && offers_torn_tail(s.run, s.facts);
}

bool is_fenced_now(const Situation& s) {
    return fencing(s) && is_fenced(s.promise, s.run, s.facts);
}
Decision fenced(const Situation&) {
    return settled();
}

bool standby_to_fence(const Situation& s) {
    return fencing(s) && s.running_standby();
}
Decision fence(const Situation& s) {
    return take(Fence{s.layout()});
}

// ---- fast_forward ----

bool forwarding(const Situation& s) {
    return s.role(Role::fast_forward);
}

bool forward_done(const Situation& s) {
    return forwarding(s) && is_fenced(s.promise, s.run, s.facts);
}

bool forward_without_source(const Situation& s) {
    return forwarding(s) && (!s.upstream_known() || s.no_data());
}
Decision say_no_source(const Situation& s) {
    return problem(s.no_data()
                       ? "told to fetch missing WAL, but there is no data folder"
                       : "told to fetch missing WAL from " + s.goal.upstream.v + ", which is not among the peers");
}

bool forward_read_write(const Situation& s) {
    return forwarding(s) && s.alive() && !s.facts.in_recovery;
}
Decision stop_fast(const Situation& s) {
    return take(Stop{s.status(PgStatus::stuck) ? StopMode::immediate : StopMode::fast});
}

bool forward_reached(const Situation& s) {
    return forwarding(s) && s.running_standby() && s.facts.end >= s.goal.stream_until;
}

bool forward_not_counting(const Situation& s) {
    return forwarding(s) && !s.run.goal_received;
}
Decision wait_for_monitor(const Situation&) {
    return wait_for("the monitor's goal in this run of the keeper");
}

bool forward_stopped(const Situation& s) {
    return forwarding(s) && s.stopped();
}
Decision start_forward(const Situation& s) {
    return take(StartStandby{s.layout(), s.goal.upstream, s.strays()});
}

bool forward_elsewhere(const Situation& s) {
    return forwarding(s) && s.running_standby() && s.facts.following != s.goal.upstream;
}
Decision follow_source(const Situation& s) {
    return take(Follow{s.layout(), s.goal.upstream});
}

Decision wait_for_wal(const Situation& s) {
    return wait_for("WAL up to " + s.goal.stream_until.text() + " from " + s.goal.upstream.v);
}

constexpr std::array rows{
    Row{"fence-down", "goal fence; PostgreSQL is down", "nothing: the end of WAL is reported",
        "a stopped server receives nothing and acknowledges nothing", nothing_to_fence, told_end},
    Row{"fence-primary-rule", "goal fence; PostgreSQL runs read-write, and its sync rule was overruled", "ApplyRule",
        "the rules in force stay what the record says while it goes on (R3, R4)", overruled_under_fence, keep_rule},
    Row{"fence-primary", "goal fence; PostgreSQL runs read-write", "nothing: it goes on",
        "its promise is what R4 wants of the last primary, and a false alarm must cost no restart", primary_under_fence,
        go_on},
    Row{"fence-stuck", "goal fence; a standby answers no query", "Stop (immediate)",
        "a receiver that can't be ended by reload ends with its server, and fencing must not depend on a sick server",
        stuck_standby, stop_at_once},
    Row{"fence-starting", "goal fence; a standby takes no connections yet", "nothing",
        "that no upstream is set must be seen on a new connection", starting_standby, wait_for_start},
    Row{"fence-torn", "goal fence or fast_forward; fenced, but a torn record reaches into a later segment",
        "Stop (immediate)",
        "a running server would send that tail to a survivor that follows it, which then has a hole (R6)", offers_tail,
        stop_at_once},
    Row{"fenced", "goal fence; no upstream, no receiver, end of WAL read after that", "nothing",
        "fenced in the protocol's sense, whichever epoch it was done for", is_fenced_now, fenced},
    Row{"fence-failed", "goal fence; a standby runs, and Fence has failed on it", "Stop (immediate)",
        "a server that can't be fenced by its own means is fenced by its end", fence_failed, stop_at_once},
    Row{"fence", "goal fence; a standby runs", "Fence",
        "nothing may be acknowledged by this node any more, and its end of WAL must be final (R4)", standby_to_fence,
        fence},
    Row{"forward-done", "goal fast_forward; fenced, and its WAL reaches stream_until", "nothing",
        "the chosen node has what the other one had (R5)", forward_done, fenced},
    Row{"forward-no-source", "goal fast_forward; no data, or the source is unknown", "nothing",
        "there is nothing to stream, or nowhere to stream from", forward_without_source, say_no_source},
    Row{"forward-read-write", "goal fast_forward; PostgreSQL lives read-write", "Stop", "only a standby can stream",
        forward_read_write, stop_fast},
    Row{"forward-reached", "goal fast_forward; WAL reaches stream_until", "Fence",
        "a choice is made among fenced nodes only (R5)", forward_reached, fence},
    Row{"forward-not-heard", "goal fast_forward; not received in this run", "nothing",
        "a receiver is started only on a goal received in this run (R9)", forward_not_counting, wait_for_monitor},
    Row{"forward-start", "goal fast_forward; PostgreSQL is down", "StartStandby", "missing WAL is streamed (R5)",
        forward_stopped, start_forward},
    Row{"forward-follow", "goal fast_forward; a standby runs without that upstream", "Follow",
        "missing WAL is streamed (R5)", forward_elsewhere, follow_source},
    Row{"forward-wait", "goal fast_forward", "nothing", "WAL is on its way", forwarding, wait_for_wal},
};

}  // namespace

std::span<const Row> fence_rows() {
    return rows;
}

}  // namespace pgaf::keeper
