// Runs the parts of a load side by side until it is told to stop.
#pragma once

#include <functional>
#include <vector>

#include "tests/load/log.h"
#include "tests/load/session.h"

namespace pgaf::load {

/// Each job in a thread of its own, for so many seconds (0: until `stop` is thrown). Then the log gets its E line,
/// `stop` is thrown, and what is under way has `grace` to end before `cut` is thrown too.
void run_crew(const std::vector<std::function<void()>>& jobs, std::int64_t duration_s, milliseconds grace,
              LogWriter& log, const StopSwitch& stop, const StopSwitch& cut);

}  // namespace pgaf::load
