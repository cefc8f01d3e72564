// Harm to the monitor's store, and second monitors: the nemesis' acts for R10 and R11.
#pragma once

#include "tests/sim/nemesis.h"

namespace pgaf::sim {

void begin_act_of_store(World& w, Act& act);
void end_act_of_store(World& w, Act& act);
/// One monitor is left.
void repair_monitors(World& w);

}  // namespace pgaf::sim
