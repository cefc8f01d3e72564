// What the test suite asks of the simulator itself: it finds every rule that is switched off, and a seed always gives
// the same run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/found.h"
#include "tests/sim/run.h"

namespace pgaf::sim {

/// Switches each rule off in turn and looks for a violation within that rule's range of seeds, and for one that is this
/// rule's. Tells each in a line; false when one was not found. `only`: this rule alone; empty: all.
bool find_breaks(const std::string& only);

/// The rules that find_breaks() switches off.
[[nodiscard]] std::vector<Mutation> found_by_seeds();
/// The others.
[[nodiscard]] const std::vector<NotFound>& not_found_by_seeds();

/// Runs each seed twice: the same trace, the same last line, the same counts. Tells each in a line.
bool replays_alike(std::uint64_t first, std::uint64_t seeds, double hours);

}  // namespace pgaf::sim
