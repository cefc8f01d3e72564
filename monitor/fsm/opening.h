// R6: under which rule a chosen node opens, and who may follow it at once.
#pragma once

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// The rule that `chosen` opens with: the survivors that can follow it without a hole (R6).
[[nodiscard]] SyncRule opening_rule(const World& world, const NodeName& chosen);

/// May this fenced survivor follow the chosen node before its fork is known? Not when it has complete records that the
/// chosen node lacks, nor with a torn tail in a later segment.
[[nodiscard]] bool follows_without_hole(const World& world, const Report& survivor, const Report& chosen);

}  // namespace pgaf::fsm
