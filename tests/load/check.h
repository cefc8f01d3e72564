// The checker: every acknowledged row of a log is on every server, and the log shows no two servers acknowledging at
// once. Needs memory for the log's runs only, however many rows there are.
#pragma once

#include <string>

#include "common/result.h"
#include "tests/load/session.h"

namespace pgaf::load {

struct CheckOptions {
    /// All hosts of the URI are checked; empty: the log alone is judged.
    std::string uri;
    std::string log;
    /// Only gaps that touch this window count for the outage.
    std::int64_t since_ns = 0;
    std::int64_t until_ns = INT64_MAX;
    /// How long after a newer timeline's first acknowledgement one of an older may still arrive (Judge::late_limit_ns).
    std::int64_t late_ms = 100;
    /// How long the servers have to be there, and the standbys to catch up.
    std::int64_t limit_s = 30;
};

/// Prints what was found as JSON. True when nothing is lost and no rule is broken; an error when it can't be found out.
Result<bool> check_load(const CheckOptions& options, const StopSwitch& stop);

}  // namespace pgaf::load
