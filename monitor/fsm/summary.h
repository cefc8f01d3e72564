// The state of a cluster as people see it: derived, never stored.
#pragma once

#include <string>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// Why the cluster waits, with the nodes waited for and the remedy; empty when it does not wait.
/// `counts_down`: with the time that is left, which is another text at each moment.
[[nodiscard]] std::string waiting_text(const World& world, bool counts_down);

/// The state that the facts of a node's last report amount to.
[[nodiscard]] NodeState reported_state(const World& world, const NodeRecord& node);

}  // namespace pgaf::fsm
