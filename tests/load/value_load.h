// The load of values: registers that are only ever set to larger numbers, and accounts whose sum stays what it was,
// with readers that see whether it is so. Sessions find the primary in different ways; some read from any server.
#pragma once

#include <string>

#include "common/result.h"
#include "tests/load/finder.h"

namespace pgaf::load {

struct ValueOptions {
    std::string uri;
    /// The keepers' HTTP addresses in the order of the URI's hosts.
    std::string http;
    std::string log;
    /// Each register has a writer of its own.
    std::uint32_t registers = 4;
    /// Sessions that move money.
    std::uint32_t tellers = 2;
    /// Sessions that read from the primary; one more reads the sum from any server.
    std::uint32_t readers = 2;
    /// Statements a second of each session; 0: as many as the server takes.
    double rate = 10;
    std::int64_t duration_s = 0;
    std::int64_t start_limit_s = 30;
    milliseconds connect_limit{300};
    milliseconds answer_limit{1000};
};

inline constexpr std::uint32_t account_count = 8;
/// What all accounts hold together.
inline constexpr std::uint64_t account_sum = 8000;

/// Runs the load and prints its summary as JSON.
Result<> load_values(const ValueOptions& options, const StopSwitch& stop);

}  // namespace pgaf::load
