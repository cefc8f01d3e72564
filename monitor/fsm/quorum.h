// R4: when an election is complete, and whether the nodes in reach can complete it.
#pragma once

#include <string>
#include <vector>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// A node whose fence of the record's epoch is in, and whose end of WAL is thereby exact: it answers the goal that told
/// it.
[[nodiscard]] bool fenced(const World& world, const NodeRecord& node);

/// A node that was fenced and now streams what it lacks from another fenced node, or was started for that (R5). Its
/// promise holds, so it counts for R4; it can't be chosen before it is fenced again.
[[nodiscard]] bool forwarding(const World& world, const NodeRecord& node);

/// For one rule: how many of its members must be fenced, |S| - k + 1; with k = 0 all of them (R7).
[[nodiscard]] std::size_t fences_needed(const SyncRule& rule);

struct Completeness {
    /// First form: every rule in force has enough fenced members. With a rule of k = 0 in force all of its members, in
    /// a cluster that was declared asynchronous, and the old primary has exited, or its lease has certainly run out
    /// (R7).
    bool by_fences = false;
    /// Second form: the last node told to be primary has promised, and has exited.
    bool by_exit = false;
    /// Second form: it has promised and runs on; then only it may be chosen.
    bool by_promise = false;
    [[nodiscard]] bool any() const { return by_fences || by_exit || by_promise; }
};
[[nodiscard]] Completeness completeness(const World& world);

/// Every rule in force has enough fenced members; with k = 0 that is not all that is needed.
[[nodiscard]] bool enough_fenced(const World& world);

/// Would the nodes in reach, the primary not counted, complete the first form if all of them were fenced?
[[nodiscard]] bool reachable_nodes_can_complete(const World& world);

/// The last primary is at hand, and nothing speaks against its going on.
[[nodiscard]] bool old_primary_may_go_on(const World& world);

/// What is missing for R4, for people: the nodes waited for and what they are needed for (R12).
[[nodiscard]] std::string missing(const World& world);

}  // namespace pgaf::fsm
