// Who takes over when the primary works and is to be moved.
#pragma once

#include <string>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// The best candidate for a planned switchover, or why there is none.
struct SwitchoverTarget {
    NodeName node;
    std::string why_not;
};
/// `wanted`: only this node; empty: any.
[[nodiscard]] SwitchoverTarget switchover_target(const World& world, const NodeName& wanted);

}  // namespace pgaf::fsm
