// Harm to the sessions between keepers and the monitor.
#pragma once

#include "tests/sim/nemesis.h"

namespace pgaf::sim {

[[nodiscard]] bool is_of_session(Harm harm);
void begin_act_of_session(World& w, const Act& act);
void end_act_of_session(World& w, const Act& act);

}  // namespace pgaf::sim
