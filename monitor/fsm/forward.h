// R5, fast_forward: a candidate that lacks WAL which another fenced node has streams it from there before the choice.
#pragma once

#include <optional>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// How the candidate, a fenced node, can get what it lacks up to `point`; nothing when nobody fenced has it, or when
/// that has been tried in this election and has taken too long.
[[nodiscard]] std::optional<FastForward> new_forward(const World& world, const NodeRecord& candidate,
                                                     const WalPosition& point);

/// The fast-forward of the record goes on, and has not taken too long.
[[nodiscard]] bool forward_under_way(const World& world);
/// It has taken too long: whoever took part is fenced again, and chosen, or not, for what it has.
[[nodiscard]] bool forward_gave_up(const World& world);

}  // namespace pgaf::fsm
