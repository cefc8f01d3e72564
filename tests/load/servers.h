// The servers that a checker looks at: all of a URI, the standbys caught up with the primary.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "tests/load/session.h"

namespace pgaf::load {

inline constexpr milliseconds statement_limit{60'000};

struct Reached {
    Session session;
    bool primary = false;
};

/// Connects to each host of the URI and waits until each standby has replayed what the primary has written by now. An
/// error when that can't be had in so many seconds.
[[nodiscard]] Result<std::vector<Reached>> reach_all(const std::string& uri, std::int64_t limit_s,
                                                     const StopSwitch& stop);

}  // namespace pgaf::load
