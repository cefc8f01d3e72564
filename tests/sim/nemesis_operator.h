// What operators do at bad moments: the nemesis' commands and settings.
#pragma once

#include "tests/sim/nemesis.h"

namespace pgaf::sim {

/// An operator asks for another number of synchronous standbys.
void change_rule(World& w, std::uint32_t number);
/// Nothing, when the act is none of an operator's.
void operate(World& w, const Act& act);
/// What is undone when the act ends.
void stop_operating(World& w, const Act& act);

}  // namespace pgaf::sim
