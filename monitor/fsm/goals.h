// What each node should be, recomputed from the record and the facts each time: goals, not edges.
#pragma once

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// Recomputes every node's goal; a changed one gets the next version under the record's epoch and term, and is sent
/// to nodes whose session is open and whose first report of this run has been seen (R9).
void update_goals(World& world);

/// How many node timeouts a server may take to come up in an election, and when it is chosen: a standby that is
/// promoted runs all the while, and replays what it has.
constexpr std::int64_t comes_up_within = 4;

/// A standby whose fence is wanted and that takes no connections for so long that it is stopped: its end of WAL can be
/// read then (R4).
[[nodiscard]] bool starts_too_long(const World& world, const NodeRecord& n);

/// A switchover lets the standbys stream until the old primary has gone down, unless it does not get there.
[[nodiscard]] bool waits_for_exit(const World& world);

/// The word for what the primary is under the newest rule: single, wait_primary or primary.
[[nodiscard]] NodeState primary_word(const ClusterRecord& record);

}  // namespace pgaf::fsm
