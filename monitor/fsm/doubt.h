// R11: a store never guesses. Recognises that the record is behind what a keeper has heard, says who has to be heard,
// and ends the doubt. What the record becomes then is rebuild.h's.
#pragma once

#include <string>
#include <vector>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// What this node has heard of that the record does not know; empty when the record is as new as that. `r` has been
/// received, and is not the node's report yet.
[[nodiscard]] std::string ahead_of_record(const World& world, const NodeRecord& n, const Report& r);

/// Named by the record or by what a node has promised, and not heard in this monitor's life.
[[nodiscard]] std::vector<NodeName> awaited_for_rebuild(const World& world);
/// How many nodes have said what they have promised.
[[nodiscard]] std::size_t heard_for_rebuild(const World& world);

/// Those who have not promised anything to this monitor since a doubt ended. What they told it then does not keep them
/// from obeying another monitor, on another store, that they meet again; what they promise does (R2). Until then
/// nobody is chosen.
[[nodiscard]] std::vector<NodeName> not_bound(const ClusterRecord& record);
void note_bound(ClusterRecord& record, const Report& r);

/// Ends the doubt when everybody has been heard, or an operator says that nobody else will be: the record is confirmed,
/// or rebuilt under a new term. False: it stays.
bool settle_doubt(World& world);

/// For people: why nothing is decided, who is awaited, and what an operator can do.
[[nodiscard]] std::string doubt_text(const World& world);

}  // namespace pgaf::fsm
