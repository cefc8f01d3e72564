// Inside the reconciler: the table's rows, and what a row sees. The first row that matches wins.
#pragma once

#include <span>

#include "common/mutation.h"
#include "keeper/reconcile/lease.h"
#include "keeper/reconcile/reconcile.h"
#include "keeper/reconcile/standing.h"

namespace pgaf::keeper {

/// What a row decides on, with the questions that several rows ask.
struct Situation {
    const Promise& promise;
    const Run& run;
    const Facts& facts;
    const Goal& goal;
    Standing standing;

    [[nodiscard]] bool role(Role r) const { return goal.role == r; }
    [[nodiscard]] bool status(PgStatus s) const { return facts.status == s; }
    [[nodiscard]] bool stands(Standing::Kind kind) const { return standing.kind == kind; }
    [[nodiscard]] bool no_data() const { return status(PgStatus::absent) || (facts.rebuilding && !alive()); }
    [[nodiscard]] bool stopped() const { return status(PgStatus::stopped) && !facts.rebuilding; }
    /// The postmaster lives, in whatever state.
    [[nodiscard]] bool alive() const;
    [[nodiscard]] bool running_standby() const { return status(PgStatus::running) && facts.in_recovery; }
    [[nodiscard]] bool running_primary() const { return status(PgStatus::running) && !facts.in_recovery; }
    [[nodiscard]] bool streams_from_upstream() const;

    /// R9: the promised goal may start a server, and a receiver, only when it was received in this run of the keeper,
    /// or when the monitor has been away for node_timeout: one that refuses this node is not away.
    [[nodiscard]] bool goal_counts() const {
        return run.goal_received || (run.on_its_own() && !run.monitor_refuses) || broken(Mutation::r9_receiver);
    }
    /// The timeline that a primary's data has to be on already: the goal names no other.
    [[nodiscard]] bool on_goal_timeline() const { return goal.timeline.empty() || goal.timeline == facts.timeline; }
    /// R9: this keeper run, and exactly the exits that it has reported.
    [[nodiscard]] bool permitted() const;
    /// Another sync rule is in force than the keeper has put there (R3).
    [[nodiscard]] bool rule_overruled() const { return !facts.alien_rule.empty(); }
    /// Timelines above its own that it has history files of and the cluster's history has not: left by promotions that
    /// came to nothing (R5).
    [[nodiscard]] std::vector<Timeline> strays() const;
    /// A history file of the very timeline that it is to take: another id is needed.
    [[nodiscard]] bool id_taken() const;
    /// Peers, or their slots, are not as the goal says.
    [[nodiscard]] bool peers_differ() const;
    /// The upstream is one of the peers and not this node.
    [[nodiscard]] bool upstream_known() const;
    [[nodiscard]] Layout layout() const;
};

struct Row {
    const char* name;
    /// Condition and result in words, as the table is printed.
    const char* when;
    const char* then;
    /// One sentence: why.
    const char* why;
    bool (*matches)(const Situation&);
    Decision (*decide)(const Situation&);
};

[[nodiscard]] std::span<const Row> general_rows();
[[nodiscard]] std::span<const Row> lease_rows();
[[nodiscard]] std::span<const Row> fence_rows();
[[nodiscard]] std::span<const Row> primary_rows();
[[nodiscard]] std::span<const Row> standby_rows();

// ---- results ------------------------------------------------------------------------------------------------------

inline Decision take(Step step) {
    Decision d;
    d.step = std::move(step);
    return d;
}
inline Decision wait_for(std::string what) {
    Decision d;
    d.waiting = std::move(what);
    return d;
}
inline Decision problem(std::string what) {
    Decision d;
    d.problem = std::move(what);
    return d;
}
inline Decision settled() {
    Decision d;
    d.settled = true;
    return d;
}

/// What the row of a stuck server says (PgStatus::stuck).
[[nodiscard]] Decision say_stuck(const Situation& s);
/// Applies a rule that is due, or that was overruled; then it is said what was found.
[[nodiscard]] Decision set_back(const Situation& s, const NamedRule& rule);

}  // namespace pgaf::keeper
