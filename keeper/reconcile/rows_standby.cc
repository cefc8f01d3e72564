// Rows of goal standby: clone, rewind or stream, whichever is missing, and why (R6, R9, R12, "Rejoin").
#include <array>

#include "keeper/reconcile/table.h"

namespace pgaf::keeper {
namespace {

using Kind = Standing::Kind;

/// PostgreSQL connects anew several times a second; what has not worked for so long needs somebody to look.
constexpr Millis stream_expected{10'000};

// Every role but standby has been dealt with by the rows before.

bool goal_without_upstream(const Situation& s) {
    return s.goal.upstream.empty() && (s.no_data() || s.stopped());
}
Decision wait_for_primary(const Situation&) {
    return wait_for("the cluster to have a primary");
}

bool upstream_unknown(const Situation& s) {
    return !s.goal.upstream.empty() && !s.upstream_known();
}
Decision say_upstream_unknown(const Situation& s) {
    return problem("told to follow " + s.goal.upstream.v + ", which is not among its peers");
}

bool read_write(const Situation& s) {
    return s.alive() && !s.facts.in_recovery;
}
Decision stop_read_write(const Situation& s) {
    // A fast stop writes a shutdown checkpoint: where the history has left this timeline that alone would diverge.
    const bool left = !s.goal.history.empty() && s.facts.timeline != s.goal.history.back().timeline;
    const bool immediate = left || s.stands(Kind::diverged) || !s.status(PgStatus::running);
    return take(Stop{immediate ? StopMode::immediate : StopMode::fast});
}

bool not_heard(const Situation& s) {
    return !s.goal_counts();
}
Decision wait_for_monitor(const Situation&) {
    return wait_for("the monitor's goal in this run of the keeper");
}

// ---- clone ----

bool empty_folder(const Situation& s) {
    return s.no_data() && s.run.goal_received;
}
Decision clone_into_empty(const Situation& s) {
    // This incarnation has no folder yet, so the one that is made is its own.
    const IncarnationId next = s.promise.has_folder ? s.run.next : s.promise.incarnation;
    std::string why = "there is no data folder";
    if (s.facts.rebuilding) why = "an earlier clone or rewind was not finished";
    if (!s.run.rewind_failed.empty()) why = "pg_rewind failed: " + s.run.rewind_failed;
    return take(Clone{s.layout(), s.goal.upstream, next, why});
}
bool no_folder(const Situation& s) {
    return s.no_data();
}

// ---- running ----

bool starting(const Situation& s) {
    return s.status(PgStatus::starting);
}
Decision wait_for_start(const Situation&) {
    return wait_for("PostgreSQL to take connections");
}

bool stuck(const Situation& s) {
    return s.status(PgStatus::stuck);
}

bool gives_no_answer(const Situation& s) {
    return s.status(PgStatus::running) && s.facts.timeline.empty();
}
Decision say_no_answer(const Situation& s) {
    return problem(s.facts.trouble.empty() ? "PostgreSQL gives no answer" : s.facts.trouble);
}

/// The upstream of the goal has said that what comes next has been removed there.
bool upstream_lacks_wal(const Situation& s) {
    return !s.run.wal_gone.empty() && s.run.wal_gone_at == s.goal.upstream;
}
/// As a rewind, a clone waits until this node has left every sync rule (R3).
bool may_clone_behind(const Situation& s) {
    return upstream_lacks_wal(s) && s.run.goal_received && s.goal.rewind_allowed && s.stands(Kind::prefix);
}
bool running_behind(const Situation& s) {
    return s.running_standby() && !s.streams_from_upstream() && may_clone_behind(s);
}
bool down_behind(const Situation& s) {
    return s.stopped() && may_clone_behind(s);
}
Decision clone_behind(const Situation& s) {
    return take(Clone{s.layout(), s.goal.upstream, s.run.next, s.run.wal_gone});
}

bool cannot_stream(const Situation& s) {
    return s.running_standby() && s.run.goal_received && !s.streams_from_upstream() &&
           (s.stands(Kind::diverged) || s.stands(Kind::torn_tail) || !s.strays().empty());
}
Decision stop_to_repair(const Situation&) {
    return take(Stop{StopMode::fast});
}

bool follows_another(const Situation& s) {
    return s.running_standby() && !s.goal.upstream.empty() && !s.stands(Kind::unknown) &&
           (s.facts.following != s.goal.upstream || s.run.follow_due);
}
Decision follow(const Situation& s) {
    return take(Follow{s.layout(), s.goal.upstream});
}

bool running_unknown(const Situation& s) {
    return s.running_standby() && s.stands(Kind::unknown) && s.facts.following != s.goal.upstream;
}
Decision wait_for_standing(const Situation& s) {
    return wait_for("its WAL's place in the cluster's history to be known: " + s.standing.why);
}

bool peers_to_update(const Situation& s) {
    return s.running_standby() && s.peers_differ();
}
Decision update_peers(const Situation& s) {
    return take(UpdatePeers{s.layout()});
}

bool streams(const Situation& s) {
    return s.streams_from_upstream() || (s.running_standby() && s.goal.upstream.empty());
}
Decision content(const Situation&) {
    return settled();
}

/// Where it may follow: it has been pointed there, and its place in the history is known.
bool paused(const Situation& s) {
    return s.running_standby() && s.facts.replay_paused && s.run.goal_received && s.facts.following == s.goal.upstream;
}
Decision resume(const Situation& s) {
    return take(ResumeReplay{s.goal.upstream});
}

bool connects(const Situation& s) {
    return s.running_standby();
}
Decision wait_for_stream(const Situation& s) {
    if (s.run.without_stream < stream_expected) return wait_for("replication from " + s.goal.upstream.v);
    if (upstream_lacks_wal(s))
        return problem(s.run.wal_gone + ": this node is cloned anew as soon as it is in no sync rule and " +
                       s.goal.upstream.v + " has made a checkpoint");
    return problem("PostgreSQL could not stream from " + s.goal.upstream.v + " for more than " +
                   std::to_string(stream_expected.v / 1000) + " s: " +
                   (s.facts.trouble.empty() ? "its log, and " + s.goal.upstream.v + ", say why" : s.facts.trouble));
}

// ---- down ----

bool damaged(const Situation& s) {
    return s.stopped() && s.facts.wal_damaged && s.stands(Kind::unknown) && s.run.goal_received &&
           s.goal.rewind_allowed;
}
Decision clone_damaged(const Situation& s) {
    const std::string& what = s.facts.trouble;
    return take(
        Clone{s.layout(), s.goal.upstream, s.run.next, "its WAL is damaged: " + what.substr(0, what.find(';'))});
}

bool down_unknown(const Situation& s) {
    return s.stopped() && s.stands(Kind::unknown);
}
Decision wait_or_say_unknown(const Situation& s) {
    if (s.facts.wal_damaged)
        return wait_for("a checkpoint on the new primary before it is cloned anew: " + s.facts.trouble);
    if (!s.facts.trouble.empty()) return problem(s.standing.why + ": " + s.facts.trouble);
    return wait_for_standing(s);
}

bool torn(const Situation& s) {
    return s.stopped() && s.stands(Kind::torn_tail) && s.run.goal_received;
}
Decision drop_torn_tail(const Situation& s) {
    return take(DropTornTail{s.standing.timeline, s.standing.fork});
}

bool prefix(const Situation& s) {
    return s.stopped() && s.stands(Kind::prefix);
}
Decision start(const Situation& s) {
    return take(StartStandby{s.layout(), s.goal.upstream, s.strays()});
}

bool no_truth_to_rewind_to(const Situation& s) {
    return s.stopped() && !(s.run.goal_received && s.goal.rewind_allowed);
}
Decision wait_for_checkpoint(const Situation& s) {
    return wait_for("a checkpoint on the new primary before it can be rewound (" + s.standing.why + ")");
}

bool always(const Situation&) {
    return true;
}
Decision rewind(const Situation& s) {
    return take(Rewind{s.layout(), s.goal.upstream, s.standing.fork, s.run.next, s.standing.why});
}

constexpr std::array rows{
    Row{"standby-read-write", "goal standby; PostgreSQL lives read-write", "Stop",
        "there is another primary; immediate where a shutdown checkpoint would lie beyond the fork", read_write,
        stop_read_write},
    Row{"standby-no-primary", "goal standby without upstream; PostgreSQL is down", "nothing",
        "there is nobody to clone, rewind or stream from", goal_without_upstream, wait_for_primary},
    Row{"upstream-unknown", "goal standby; its upstream is not among the peers", "nothing",
        "an upstream is an address and an incarnation, not a name (R14)", upstream_unknown, say_upstream_unknown},
    Row{"standby-not-heard", "goal standby; not received in this run, and the monitor not away for node_timeout",
        "nothing", "a receiver is started only on a goal received in this run, lest a snapshot take a fence back (R9)",
        not_heard, wait_for_monitor},
    Row{"clone", "goal standby; no data folder, or one that was never finished", "Clone",
        "there is nothing to stream on", empty_folder, clone_into_empty},
    Row{"clone-not-heard", "goal standby; no data folder; not received in this run", "nothing",
        "a clone needs a primary that the monitor knows to be one", no_folder, wait_for_monitor},
    Row{"standby-starting", "goal standby; PostgreSQL takes no connections yet", "nothing", "replay takes its time",
        starting, wait_for_start},
    Row{"standby-stuck", "goal standby; PostgreSQL answers no query or gives no session", "nothing",
        "a restart might help or might not: a person has to look", stuck, say_stuck},
    Row{"standby-no-answer", "goal standby; running, and this look at it had no answer", "nothing",
        "steps follow facts", gives_no_answer, say_no_answer},
    Row{"cannot-stream",
        "goal standby; running, diverged, with a torn tail or on the way to a timeline that is none of the cluster's, "
        "and "
        "not streaming",
        "Stop (fast)",
        "a diverged or misled standby loops for ever, a torn one would leave a hole: they are repaired while stopped, "
        "on "
        "exact facts (R5, R6)",
        cannot_stream, stop_to_repair},
    Row{"wal-gone", "goal standby; running, and its upstream no longer has the WAL that it needs", "Stop (fast)",
        "it would ask for ever; it is cloned, as a rewind is done, once it has left the rule (R3)", running_behind,
        stop_to_repair},
    Row{"follow", "goal standby; running with another upstream", "Follow",
        "an upstream changes by reload, without a restart", follows_another, follow},
    Row{"standby-standing", "goal standby; running; the fork is not known yet", "nothing",
        "whoever may be past the fork waits until it is known (R5)", running_unknown, wait_for_standing},
    Row{"standby-peers", "goal standby; running; access or slots are not as the goal's peers", "UpdatePeers",
        "every node keeps slots for its peers, so that survivors find their segments after a promotion",
        peers_to_update, update_peers},
    Row{"streams", "goal standby; streaming from its upstream", "nothing", "the goal is reached", streams, content},
    Row{"replay-paused", "goal standby; running, not streaming, and somebody has paused replay", "ResumeReplay",
        "while replay is paused no receiver is started, and the cluster's commits may wait for this node", paused,
        resume},
    Row{"connects", "goal standby; running, not streaming", "nothing", "PostgreSQL keeps trying by itself", connects,
        wait_for_stream},
    Row{"wal-damaged", "goal standby; down; its WAL was read and lacks what a start needs", "Clone",
        "no waiting mends it, and the primary has all that counts; a disk or permission in the way is waited for",
        damaged, clone_damaged},
    Row{"down-standing", "goal standby; down; standing not known", "nothing",
        "what is not known can't be called a prefix (R5)", down_unknown, wait_or_say_unknown},
    Row{"torn-tail", "goal standby; down; a torn record reaches into a later segment than the fork's", "DropTornTail",
        "a receiver would ask for the next segment and leave a hole (R6)", torn, drop_torn_tail},
    Row{"clone-behind", "goal standby; down, and its upstream no longer has the WAL that it needs", "Clone",
        "what is missing can only be copied", down_behind, clone_behind},
    Row{"stream", "goal standby; down; its WAL is a prefix of the history", "StartStandby",
        "nothing diverged, so it streams", prefix, start},
    Row{"no-rewind-yet", "goal standby; down and diverged; no checkpoint on the new primary yet", "nothing",
        "before that checkpoint pg_rewind sees no divergence", no_truth_to_rewind_to, wait_for_checkpoint},
    Row{"rewind", "goal standby; down and diverged", "Rewind", "the history does not contain all of its WAL", always,
        rewind},
};

}  // namespace

std::span<const Row> standby_rows() {
    return rows;
}

}  // namespace pgaf::keeper
