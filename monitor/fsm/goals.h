// What each node should be, recomputed from the record and the facts each time: goals, not edges.
#pragma once

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// Recomputes every node's goal; a changed one gets the next version under the record's epoch and term, and is sent
/// to nodes whose session is open and whose first report of this run has been seen (R9).
void update_goals(World& world);

/// A switchover lets the standbys stream until the old primary has gone down, unless it does not get there.
[[nodiscard]] bool waits_for_exit(const World& world);

/// The word for what the primary is under the newest rule: single, wait_primary or primary.
[[nodiscard]] NodeState primary_word(const ClusterRecord& record);

}  // namespace pgaf::fsm
