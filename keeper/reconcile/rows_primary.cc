// Rows of goal primary: make, start, promote, open, serve (R3, R5, R6, R9).
#include <algorithm>
#include <array>

#include "keeper/reconcile/table.h"

namespace pgaf::keeper {
namespace {

bool is_primary(const Situation& s) {
    return s.role(Role::primary);
}
std::string text(Timeline t) {
    return "timeline " + std::to_string(t.v);
}

// ---- data ----

bool first_data(const Situation& s) {
    // What an initdb that failed or was broken off has left is made anew: nobody has had data in it.
    const bool begun = s.facts.rebuilding && s.promise.has_folder;
    return is_primary(s) && s.status(PgStatus::absent) && !begun && s.goal.initialise && s.goal.system_id.empty() &&
           s.run.goal_received;
}
Decision initialise(const Situation& s) {
    return take(Initialise{s.layout()});
}

bool primary_without_data(const Situation& s) {
    return is_primary(s) && s.no_data();
}
Decision say_no_data(const Situation&) {
    return problem("told to be primary, but there is no data folder: another node has to be promoted");
}

// ---- the assigned timeline (R5) ----

bool on_wrong_timeline(const Situation& s) {
    return is_primary(s) && s.running_primary() && !s.facts.timeline.empty() && !s.on_goal_timeline();
}
Decision stop_wrong_timeline(const Situation& s) {
    Decision d = take(Stop{StopMode::immediate});
    d.problem =
        "PostgreSQL runs read-write on " + text(s.facts.timeline) + ", but " + text(s.goal.timeline) + " was assigned";
    return d;
}

/// The timeline that the goal assigns continues this node's WAL at or after the promised floor.
bool may_take_timeline(const Situation& s) {
    if (s.goal.timeline <= s.facts.timeline || s.goal.history.empty()) return false;
    const HistoryEntry& assigned = s.goal.history.back();
    if (assigned.timeline != s.goal.timeline || s.stands(Standing::Kind::diverged)) return false;
    const auto own = std::find_if(s.goal.history.begin(), s.goal.history.end(),
                                  [&](const HistoryEntry& e) { return e.timeline == s.facts.timeline; });
    if (own == s.goal.history.end()) return false;
    return own + 2 != s.goal.history.end() || std::max(s.facts.end, s.facts.complete) >= assigned.floor;
}
Decision say_not_promotable(const Situation& s) {
    if (s.facts.timeline.empty() && !s.facts.trouble.empty())
        return problem("told to be primary, and where its WAL ends can't be told: " + s.facts.trouble);
    return problem("told to be primary on " + text(s.goal.timeline) + ", which does not continue this node's WAL (" +
                   text(s.facts.timeline) + ", " + s.facts.end.text() + ")" +
                   (s.standing.why.empty() ? std::string{} : ": " + s.standing.why));
}

bool id_is_taken(const Situation& s) {
    return is_primary(s) && (s.stopped() || s.running_standby()) && s.run.goal_received && s.id_taken();
}
Decision say_taken(const Situation& s) {
    return problem("told to be primary on " + text(s.goal.timeline) +
                   ", of which this node has a history file already, of a promotion that was not finished: it needs "
                   "another id");
}

// ---- stopped (R9) ----

/// With k = 0 a server that has lost its lease is started by the monitor's word alone (R8); with k >= 1 it stays closed
/// until k of S or the monitor answer. The launcher holds the lease's end too, and may have been told a little less.
bool may_serve_again(const Situation& s) {
    return !s.goal.asynchronous || (!s.facts.deadline_expired && !lease_over(s.promise, s.run));
}

bool crashed_while_serving(const Situation& s) {
    // It has been read-write under this goal's epoch, so its timeline is the goal's: a look at its WAL can wait. Once:
    // one that does not come up again is the monitor's to judge.
    return is_primary(s) && s.stopped() && s.facts.crashed && s.run.goal_received &&
           s.run.served == s.promise.promised.epoch && s.facts.exits == s.run.served_exits + 1 && may_serve_again(s);
}

bool just_exited(const Situation& s) {
    return is_primary(s) && s.stopped() && s.facts.end_pending;
}
Decision wait_for_end(const Situation&) {
    return wait_for("a look at where its WAL ends");
}

bool chosen_and_down(const Situation& s) {
    return is_primary(s) && s.stopped() && !s.on_goal_timeline() && s.run.goal_received && may_take_timeline(s);
}
Decision start_to_promote(const Situation& s) {
    return take(StartStandby{s.layout(), {}, s.strays()});
}

bool down_off_timeline(const Situation& s) {
    return is_primary(s) && s.stopped() && !s.on_goal_timeline() && s.run.goal_received;
}
bool down_and_diverged(const Situation& s) {
    return is_primary(s) && s.stopped() && s.stands(Standing::Kind::diverged);
}

bool may_start(const Situation& s) {
    return is_primary(s) && s.stopped() && s.on_goal_timeline() && s.permitted();
}
bool may_restart_in_place(const Situation& s) {
    return is_primary(s) && s.stopped() && s.on_goal_timeline() && s.run.on_its_own() && s.facts.disk.empty() &&
           s.run.served == s.promise.promised.epoch && may_serve_again(s);
}
bool may_start_irreplaceable(const Situation& s) {
    return is_primary(s) && s.stopped() && s.on_goal_timeline() && s.run.on_its_own() && s.goal.irreplaceable &&
           !s.facts.in_recovery;
}
Decision start_primary(const Situation& s) {
    return take(StartPrimary{s.layout()});
}

bool down(const Situation& s) {
    return is_primary(s) && s.stopped();
}
Decision wait_for_word(const Situation& s) {
    return wait_for(s.run.on_its_own() ? "the monitor: another node may have been promoted meanwhile"
                                       : "the monitor's word whether to start again or to hand over");
}

// ---- coming up ----

bool coming_up(const Situation& s) {
    return is_primary(s) && s.status(PgStatus::starting);
}
Decision wait_for_recovery(const Situation&) {
    return wait_for("PostgreSQL to finish recovery");
}

bool answers_nothing(const Situation& s) {
    return is_primary(s) && s.status(PgStatus::stuck);
}

bool gives_no_answer(const Situation& s) {
    return is_primary(s) && s.status(PgStatus::running) && s.facts.timeline.empty();
}
Decision say_no_answer(const Situation& s) {
    return problem(s.facts.trouble.empty() ? "PostgreSQL gives no answer" : s.facts.trouble);
}

bool chosen_but_receiving(const Situation& s) {
    return is_primary(s) && s.running_standby() && (s.facts.receiver.streaming || !s.facts.following.empty());
}
Decision fence_first(const Situation& s) {
    return take(Fence{s.layout()});
}

bool unguarded(const Situation& s) {
    return is_primary(s) && s.running_standby() && s.run.goal_received && !guarded(s.promise, s.run);
}
Decision wait_for_launcher(const Situation& s) {
    // Told to be primary, and nobody has been heard since: there is no end yet that the launcher could hold.
    if (lease_over(s.promise, s.run)) return wait_for("an answer of the monitor, with which the lease begins (R8)");
    return wait_for("the launcher to take the deadline that it has to hold");
}

bool chosen(const Situation& s) {
    return is_primary(s) && s.running_standby() && s.run.goal_received && may_take_timeline(s);
}
Decision promote(const Situation& s) {
    return take(Promote{s.layout(), s.goal.timeline, s.goal.rule});
}

bool chosen_with_strays(const Situation& s) {
    return chosen(s) && !s.strays().empty();
}
Decision stop_with_strays(const Situation&) {
    return take(Stop{StopMode::immediate});
}

bool standby_not_heard(const Situation& s) {
    return is_primary(s) && s.running_standby() && !s.run.goal_received;
}
Decision wait_for_monitor(const Situation&) {
    return wait_for("the monitor's goal in this run of the keeper");
}

bool standby_not_promotable(const Situation& s) {
    return is_primary(s) && s.running_standby();
}

// ---- serving ----

bool peers_to_update(const Situation& s) {
    return is_primary(s) && s.running_primary() && s.peers_differ();
}
Decision update_peers(const Situation& s) {
    return take(UpdatePeers{s.layout()});
}

bool checkpoint_wanted(const Situation& s) {
    return is_primary(s) && s.running_primary() && s.goal.checkpoint_request > s.run.checkpoint_done;
}
bool checkpoint_goes_first(const Situation& s) {
    return checkpoint_wanted(s) && s.run.failed_step == step_name(ApplyRule{});
}
Decision make_checkpoint(const Situation& s) {
    return take(Checkpoint{s.goal.checkpoint_request});
}

/// The server has been running since before this run of the keeper, whose state file may have been put back: an older
/// rule is not to come into force again (R3).
bool rule_unheard(const Situation& s) {
    return is_primary(s) && s.running_primary() && !s.goal.rule.id.empty() && s.goal.rule.id != s.run.rule_applied &&
           !s.goal_counts();
}
Decision wait_for_rule(const Situation&) {
    return wait_for("the monitor's goal in this run of the keeper");
}

bool rule_to_apply(const Situation& s) {
    return is_primary(s) && s.running_primary() && !s.goal.rule.id.empty() &&
           (s.goal.rule.id != s.run.rule_applied || s.rule_overruled());
}
bool rule_unguarded(const Situation& s) {
    return rule_to_apply(s) && !guarded(s.promise, s.run);
}
Decision apply_rule(const Situation& s) {
    return set_back(s, s.goal.rule);
}

bool closed_to_clients(const Situation& s) {
    return is_primary(s) && s.running_primary() && !s.facts.open_to_clients && !s.goal.rule.id.empty();
}
bool closed_without_lease(const Situation& s) {
    return closed_to_clients(s) && lease_over(s.promise, s.run);
}
Decision say_closed(const Situation& s) {
    return problem("closed to clients: " + lease_text(s.promise, s.run) +
                   "; it opens by itself when one of them answers");
}

bool closed_unguarded(const Situation& s) {
    return closed_to_clients(s) && !guarded(s.promise, s.run);
}

Decision open_to_clients(const Situation& s) {
    return take(OpenToClients{s.layout(), s.goal.rule});
}

Decision serve(const Situation&) {
    return settled();
}

constexpr std::array rows{
    Row{"initialise", "goal primary with initialise; no data folder, or one that initdb has not finished", "Initialise",
        "the cluster's first node makes its data", first_data, initialise},
    Row{"primary-without-data", "goal primary; no data folder", "nothing",
        "an empty read-write server would be a new cluster under an old name", primary_without_data, say_no_data},
    Row{"wrong-timeline", "goal primary; read-write on another timeline than the assigned one", "Stop (immediate)",
        "no timeline id is ever used twice: PostgreSQL and pg_rewind would see no divergence (R5)", on_wrong_timeline,
        stop_wrong_timeline},
    Row{"crash-restart",
        "goal primary; down since one of its processes crashed; it ran read-write in this keeper run and epoch",
        "StartPrimary", "PostgreSQL's own restart, but closed to clients; no other primary is needed for it (R9)",
        crashed_while_serving, start_primary},
    Row{"exit-told", "goal primary; it has just exited, and nobody has looked yet where its WAL ends", "nothing",
        "the exit is told at once; what follows for this node needs the end of its WAL", just_exited, wait_for_end},
    Row{"id-taken", "goal primary; a standby that has a history file of the assigned timeline", "nothing",
        "no timeline id is ever used twice, and a promotion that was broken off may have been heard of (R5)",
        id_is_taken, say_taken},
    Row{"chosen-down", "goal primary with a new timeline; PostgreSQL is down", "StartStandby (of nobody)",
        "only a standby can be promoted", chosen_and_down, start_to_promote},
    Row{"off-timeline", "goal primary; down, and the goal's timeline does not continue its WAL", "nothing",
        "a primary holds the floor of the history (R5)", down_off_timeline, say_not_promotable},
    Row{"primary-diverged", "goal primary; down, and its WAL is not on the history", "nothing",
        "a primary is on the history (R5)", down_and_diverged, say_not_promotable},
    Row{"start-permitted", "goal primary; down; the permit names this keeper run and these exits", "StartPrimary",
        "the monitor has seen this very exit and wants no other primary (R9)", may_start, start_primary},
    Row{"restart-in-place",
        "goal primary; down; no monitor for node_timeout; it ran read-write in this keeper run and epoch",
        "StartPrimary", "in place, in the same epoch, while the monitor is away (R9)", may_restart_in_place,
        start_primary},
    Row{"start-irreplaceable", "goal primary; down; no monitor for node_timeout; nobody can replace this node",
        "StartPrimary", "the state file says that there is no other primary to be had (R9)", may_start_irreplaceable,
        start_primary},
    Row{"primary-down", "goal primary; PostgreSQL is down", "nothing",
        "a primary whose postmaster has exited does not start by itself: a standby may be quicker (R9)", down,
        wait_for_word},
    Row{"coming-up", "goal primary; PostgreSQL takes no connections yet", "nothing", "recovery takes its time",
        coming_up, wait_for_recovery},
    Row{"primary-stuck", "goal primary; PostgreSQL answers no query or gives no session", "nothing",
        "whether that is a reason to fail over is for the monitor to say", answers_nothing, say_stuck},
    Row{"primary-no-answer", "goal primary; running, and this look at it had no answer", "nothing",
        "steps follow facts", gives_no_answer, say_no_answer},
    Row{"fence-before-promote", "goal primary; a standby that still has an upstream", "Fence",
        "nobody is promoted who is not fenced (R5)", chosen_but_receiving, fence_first},
    Row{"promote-unguarded", "goal primary with k = 0; a standby, and the launcher holds no deadline of the lease yet",
        "nothing", "with k = 0 only the launcher stops a server whose keeper is frozen (R8)", unguarded,
        wait_for_launcher},
    Row{"chosen-misled",
        "goal primary with a new timeline; a standby with history files that the cluster's history lacks",
        "Stop (immediate)",
        "PostgreSQL would name the newest of them as the parent: they are moved aside while it is stopped (R5)",
        chosen_with_strays, stop_with_strays},
    Row{"promote", "goal primary with a new timeline that continues this standby's WAL", "Promote",
        "a durable choice is final in its epoch (R5)", chosen, promote},
    Row{"promote-not-heard", "goal primary; a standby; not received in this run", "nothing",
        "a promotion follows only a goal that was received in this run (R9)", standby_not_heard, wait_for_monitor},
    Row{"not-promotable", "goal primary; a standby that the assigned timeline does not continue", "nothing",
        "a primary holds the floor of the history and takes no timeline but the assigned one (R5)",
        standby_not_promotable, say_not_promotable},
    Row{"primary-peers", "goal primary; read-write; access or slots are not as the goal's peers", "UpdatePeers",
        "standbys have to get in before a commit can wait for them", peers_to_update, update_peers},
    Row{"checkpoint-first",
        "goal primary; read-write; a checkpoint was asked for, and the newest rule could not be proved", "Checkpoint",
        "a checkpoint must not wait behind a rule that waits for a standby, which may wait for a rewind",
        checkpoint_goes_first, make_checkpoint},
    Row{"rule-unheard",
        "goal primary; read-write; its rule is not proved yet, and no goal was received in this run of the keeper",
        "nothing", "what the state file says may be older than what is in force, if it was put back (R3, R9)",
        rule_unheard, wait_for_rule},
    Row{"rule-unguarded",
        "goal primary with k = 0; the newest rule is not proved; the launcher holds no deadline of the lease yet",
        "nothing", "with k = 0 only the launcher stops a server whose keeper is frozen (R8)", rule_unguarded,
        wait_for_launcher},
    Row{"apply-rule", "goal primary; read-write; the newest rule is not proved yet, or somebody else's is in force",
        "ApplyRule", "a rule counts only once its proof is in, and only as long as nobody overrules it (R3)",
        rule_to_apply, apply_rule},
    Row{"checkpoint", "goal primary; read-write; a checkpoint was asked for", "Checkpoint",
        "pg_rewind and a short switchover need it; on a loaded disk it takes long, and commits may wait for a rule",
        checkpoint_wanted, make_checkpoint},
    Row{"lease-closed", "goal primary; read-write; closed to clients; the lease has run out", "nothing",
        "another node may have been promoted: reads would be stale (R8)", closed_without_lease, say_closed},
    Row{"open-unguarded",
        "goal primary with k = 0; read-write; closed; the launcher holds no deadline of the lease yet", "nothing",
        "with k = 0 only the launcher stops a server whose keeper is frozen (R8)", closed_unguarded, wait_for_launcher},
    Row{"open", "goal primary; read-write; closed to clients", "OpenToClients",
        "after a start clients see only what k of S have flushed (R9)", closed_to_clients, open_to_clients},
    Row{"serve", "goal primary; read-write and open", "nothing", "the goal is reached", is_primary, serve},
};

}  // namespace

std::span<const Row> primary_rows() {
    return rows;
}

}  // namespace pgaf::keeper
