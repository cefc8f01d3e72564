// A cluster before its first primary: who that will be, and when it is decided.
#pragma once

#include <string>

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

/// The best of those that have registered: one with data of its own before an empty one, then by candidate priority,
/// then by name. Null when none of them may be promoted.
[[nodiscard]] const NodeRecord* first_primary(const World& world);

/// When it is decided: nodes that are started together connect within moments, and the order of that must not matter.
/// So a little after the last newcomer, and not for ever.
[[nodiscard]] Millis forms_at(const World& world);

/// Why there is no first primary yet, for people; empty while it is about to be decided.
[[nodiscard]] std::string waiting_to_form(const World& world);

}  // namespace pgaf::fsm
