// The checker of the load of values: the log shows no register that went back and no sum that changed, and every server
// has what the log says that it must have.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "tests/load/check.h"

namespace pgaf::load {

struct ValueCheckOptions {
    /// All hosts of the URI are checked; empty: the log alone is judged.
    std::string uri;
    std::string log;
    /// How old a read from a server that was replaced may be; negative: as old as it likes.
    std::int64_t stale_limit_ms = -1;
    /// CLOCK_MONOTONIC; earlier reads may be as old as they like.
    std::int64_t stale_since_ns = 0;
    /// "host:port,from,to" (CLOCK_MONOTONIC, ns): somebody promoted this server past the cluster then.
    std::vector<std::string> by_hand;
    /// "from,to,ms" (CLOCK_MONOTONIC, ns): in this time something was wrong that allows older ones.
    std::vector<std::string> stale_allow;
    std::int64_t limit_s = 30;
};

/// Prints what was found as JSON. True when nothing is wrong; an error when it can't be found out.
Result<bool> check_values(const ValueCheckOptions& options, const StopSwitch& stop);

}  // namespace pgaf::load
