#include "keeper/reconcile/reconcile.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "common/mutation.h"
#include "keeper/reconcile/table.h"

namespace pgaf::keeper {
namespace {

std::array<std::span<const Row>, 5> all_rows() {
    return {general_rows(), lease_rows(), fence_rows(), primary_rows(), standby_rows()};
}

const Goal& goal_of(const Promise& promise) {
    static const Goal none;
    return promise.goal ? *promise.goal : none;
}

}  // namespace

bool Situation::alive() const {
    return status(PgStatus::starting) || status(PgStatus::running) || status(PgStatus::stopping) ||
           status(PgStatus::stuck);
}

bool Situation::streams_from_upstream() const {
    return running_standby() && facts.receiver.streaming && !goal.upstream.empty() &&
           facts.receiver.upstream == goal.upstream;
}

bool Situation::permitted() const {
    if (broken(Mutation::r9)) return true;
    return run.goal_received && goal.permit && *goal.permit == StartPermit{run.boot, facts.exits};
}

std::vector<Timeline> Situation::strays() const {
    std::vector<Timeline> strays;
    for (const Timeline t : facts.histories) {
        const auto same = [t](const HistoryEntry& e) { return e.timeline == t; };
        if (!goal.history.empty() && std::none_of(goal.history.begin(), goal.history.end(), same)) strays.push_back(t);
    }
    return strays;
}

bool Situation::id_taken() const {
    return goal.timeline > facts.timeline &&
           std::find(facts.histories.begin(), facts.histories.end(), goal.timeline) != facts.histories.end();
}

bool Situation::peers_differ() const {
    const Layout wanted = layout();
    if (goal.peers.empty() || (run.peers_put_off && run.layout_tried == wanted)) return false;
    if (run.layout != wanted) return true;
    return std::any_of(goal.peers.begin(), goal.peers.end(), [&](const Peer& peer) {
        return peer.node != promise.node &&
               std::find(facts.slots.begin(), facts.slots.end(), slot_name(peer.node)) == facts.slots.end();
    });
}

bool Situation::upstream_known() const {
    return goal.upstream != promise.node && find_peer(goal.peers, goal.upstream) != nullptr;
}

Layout Situation::layout() const {
    return {promise.cluster, promise.node, promise.incarnation, goal.peers};
}

Decision reconcile(const Promise& promise, const Run& run, const Facts& facts) {
    const Goal& goal = goal_of(promise);
    const Situation situation{promise, run, facts, goal, stand(facts, goal.history)};
    for (const auto rows : all_rows()) {
        for (const Row& row : rows) {
            if (!row.matches(situation)) continue;
            Decision decision = row.decide(situation);
            decision.rule = row.name;
            return decision;
        }
    }
    // Unreachable: the last row matches always. A broken table must not go on as if nothing were wrong.
    throw std::logic_error("the reconciler's table has no row for this situation");
}

bool may_let_go(const Promise& promise, const Run& run, const Facts& facts, const Report* acknowledged) {
    // What its exit leaves to say is said first.
    if (!facts.leaving || facts.end_pending) return false;
    // With nobody to hand over to, waiting helps nobody.
    if (run.on_its_own()) return true;
    const Goal& goal = goal_of(promise);
    const bool told = acknowledged && acknowledged->leaving && acknowledged->incarnation == promise.incarnation &&
                      acknowledged->status == facts.status;
    if (!told) return false;
    if (!promise.goal) return true;
    switch (facts.status) {
        case PgStatus::stopped:
        case PgStatus::absent:
            return true;
        case PgStatus::running:
            // A primary is let go when the goal has moved away and it has stopped; before that only when nobody can
            // take over.
            if (!facts.in_recovery) return goal.role == Role::primary && goal.irreplaceable;
            return goal.role != Role::primary;
        default:
            return false;
    }
}

std::string rules_text() {
    std::string text;
    for (const auto rows : all_rows()) {
        for (const Row& row : rows) {
            text += std::string(row.name) + "\n    when " + row.when + "\n    then " + row.then + "\n    because " +
                    row.why + "\n";
        }
    }
    return text;
}

}  // namespace pgaf::keeper
