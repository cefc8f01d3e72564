// What one run of the keeper knows beside facts and promise, and how it learns. Pure: the loop tells it what happened.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/ids.h"
#include "keeper/reconcile/facts.h"
#include "keeper/reconcile/lease.h"
#include "keeper/reconcile/promise.h"
#include "keeper/reconcile/step.h"

namespace pgaf::keeper {

struct Run {
    BootId boot;
    /// A fresh id for the folder that the next rewind or clone makes.
    IncarnationId next;

    // ---- the monitor ----
    /// The promised goal, or one before it, was received in this run (R9).
    bool goal_received = false;
    bool monitor_in_reach = false;
    /// How long it has been out of reach; 0 while it is in reach.
    Millis monitor_away;
    /// It answers, and wants nothing of this node: it was dropped, or belongs elsewhere.
    bool monitor_refuses = false;
    Millis node_timeout{2500};
    /// How far the monitor said that its record had come. Not on disk: each goal carries it too, and a commit that no
    /// goal tells of is missed by nobody (R11).
    StoreMark heard;

    // ---- the lease (R8) ----
    LeaseClock lease;
    /// Report::self_fenced.
    std::string self_fenced;
    /// Report::replay_resumed.
    std::string replay_resumed;

    // ---- the server run that `exits` names ----
    std::uint64_t exits = 0;
    /// The newest rule whose proof is in.
    RuleId rule_applied;
    /// That rule itself, also while it is proved again: what a fence leaves in force (R4).
    NamedRule rule_kept;
    /// A Fence was carried out, and nothing was followed since.
    bool fence_held = false;
    /// The connection to the upstream has to be made anew: the incarnation in its name has changed.
    bool follow_due = false;

    // ---- this run of the keeper ----
    std::uint64_t checkpoint_done = 0;
    /// The epoch in which this run has seen its own server read-write on a goal that says so (R9: in place).
    std::optional<Epoch> served;
    /// `exits` of the server run that was last seen so: whether the one that crashed had come up.
    std::uint64_t served_exits = 0;
    /// The peers that access and slots were last made for, and last tried to be made for.
    std::optional<Layout> layout;
    std::optional<Layout> layout_tried;
    /// For those, not again yet: a peer that gets no slot must not keep more important steps waiting.
    bool peers_put_off = false;
    /// For how long a standby has run without streaming from the upstream of its goal; 0 while it does.
    Millis without_stream;
    /// Which upstream no longer has the WAL that this incarnation needs, and that it says so; empty when it has.
    NodeName wal_gone_at;
    std::string wal_gone;
    /// Why pg_rewind could not help this incarnation; empty when it has not been tried.
    std::string rewind_failed;
    /// The step that failed last, with its error; empty after a success.
    std::string failed_step;
    std::string failure;

    /// The monitor has been away so long that the promised goal is all there is (R9).
    [[nodiscard]] bool on_its_own() const { return !monitor_in_reach && monitor_away >= node_timeout; }
    friend bool operator==(const Run&, const Run&) = default;
};
BOOST_DESCRIBE_STRUCT(Run, (),
                      (boot, next, goal_received, monitor_in_reach, monitor_away, monitor_refuses, node_timeout, heard,
                       lease, self_fenced, replay_resumed, exits, rule_applied, rule_kept, fence_held, follow_due,
                       checkpoint_done, served, served_exits, layout, layout_tried, peers_put_off, without_stream,
                       wal_gone_at, wal_gone, rewind_failed, failed_step, failure))

/// Learns from a look at PostgreSQL.
void note_facts(Run& run, const Promise& promise, const Facts& facts);
/// What was decided for want of a lease is told to the monitor, whenever it is back.
void note_self_fence(Run& run, std::string_view rule, const std::string& problem);
/// A step begins: what it is about to undo counts no longer.
void note_begin(Run& run, const Step& step);
void note_done(Run& run, const Step& step);
/// The goal is reached without another step: what failed on the way is over. PostgreSQL may have got there by itself,
/// after the step had been given up (a start that had no room at first). What was put off has failed still.
void note_settled(Run& run);
/// `cancelled`: the goal changed while it ran, which is no failure.
void note_failed(Run& run, const Step& step, const std::string& why, bool cancelled);

}  // namespace pgaf::keeper
