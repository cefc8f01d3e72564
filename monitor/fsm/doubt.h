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

/// When everybody has been heard, or an operator says that nobody else will be, the record is confirmed, or rebuilt
/// under a new term: then true. What was heard keeps nobody from obeying another monitor, on another store, that it
/// meets again; what it promises does (R2). So the doubt goes on until all of them have promised something to this one.
bool settle_doubt(World& world);

/// The record is settled, and promises are awaited: goals are sent, and nothing is decided.
[[nodiscard]] bool binding(const World& world);
/// The doubt ends with the last promise.
void note_bound(World& world, const Report& r);
/// What a node has heard of that the record does not know begins it anew.
void begin_doubt(World& world, const NodeName& node, const std::string& why);

/// For people: why nothing is decided, who is awaited, and what an operator can do.
[[nodiscard]] std::string doubt_text(const World& world);

}  // namespace pgaf::fsm
