// Operators' commands: validated with a reason when refused; long ones become the record's operation.
#pragma once

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

void command(World& world, const Command& c);

}  // namespace pgaf::fsm
