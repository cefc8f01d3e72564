// Rows of a primary whose lease has run out (R8): it neither serves reads that may be stale nor, with k = 0, writes.
#include <array>

#include "keeper/reconcile/table.h"

namespace pgaf::keeper {
namespace {

/// Read-write, or as good as: what does not answer may go on acknowledging all the same.
bool serves(const Situation& s) {
    const bool lives = s.status(PgStatus::running) || s.status(PgStatus::stuck);
    return lives && !s.facts.in_recovery;
}

bool over_and_not_to_be_closed(const Situation& s) {
    // To close it takes a backend, and a write of its settings.
    const bool closes = !s.goal.asynchronous && !s.status(PgStatus::stuck) && s.facts.disk.empty();
    const bool acknowledges = s.facts.open_to_clients || s.facts.client_sessions > 0;
    return lease_over(s.promise, s.run) && !closes && serves(s) && acknowledges;
}
Decision stop_at_once(const Situation& s) {
    Decision d = take(Stop{StopMode::immediate});
    d.problem = "stopped: " + lease_text(s.promise, s.run) +
                (s.goal.asynchronous ? "; it starts when the monitor says so"
                                     : "; it starts again closed, and opens when one of them answers");
    return d;
}

bool over_and_open(const Situation& s) {
    return lease_over(s.promise, s.run) && s.running_primary() &&
           (s.facts.open_to_clients || s.facts.client_sessions > 0);
}
Decision close(const Situation& s) {
    Decision d = take(CloseToClients{s.layout()});
    d.problem = "closed to clients: " + lease_text(s.promise, s.run) + "; it opens by itself when one of them answers";
    return d;
}

constexpr std::array rows{
    Row{"lease-over-stop",
        "goal primary, or fence of a primary; open; a rule in force has k = 0, or PostgreSQL is stuck, or its disk "
        "takes "
        "no writes; neither the monitor nor enough standbys of the rule have answered within the lease",
        "Stop (immediate)",
        "once the lease is certainly over another node may be promoted, and nothing but its end keeps this one from "
        "acknowledging (k = 0), or the sessions of one that can't be closed from stale reads (R7, R8, I7)",
        over_and_not_to_be_closed, stop_at_once},
    Row{"lease-over-close",
        "goal primary, or fence of a primary; open, or with sessions; neither the monitor nor k of the rule's standbys "
        "have answered within the lease",
        "CloseToClients", "nothing can be acknowledged if another node was promoted, but reads would be stale (R8, I7)",
        over_and_open, close},
};

}  // namespace

std::span<const Row> lease_rows() {
    return rows;
}

}  // namespace pgaf::keeper
