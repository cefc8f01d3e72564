// The write load: each writer inserts rows of its own, one after the other, and reconnects at once when it loses its
// server. No row is tried twice, so every acknowledged one must be found exactly so later.
#pragma once

#include <string>

#include "common/result.h"
#include "tests/load/finder.h"

namespace pgaf::load {

struct WriteOptions {
    std::string uri;
    /// The keepers' HTTP addresses in the order of the URI's hosts; every second writer finds the primary by them.
    std::string http;
    std::string log;
    std::uint32_t writers = 4;
    /// Rows a second of each writer; 0: as many as the server takes.
    double rate = 0;
    /// 0: until the stop switch is thrown.
    std::int64_t duration_s = 0;
    /// How long to look for a server that takes the table, at the beginning.
    std::int64_t start_limit_s = 30;
    /// A host that has not let a writer in by then is left for the next one. A frozen machine takes connections (its
    /// kernel does) and never answers.
    milliseconds connect_limit{300};
    /// A statement without an answer by then is given up, and its outcome unknown. Doubled each time it happens without
    /// an acknowledgement in between: sessions that wait for a standby stay behind on the server, and are few that way.
    milliseconds answer_limit{1000};
};

/// Runs the load and prints its summary as JSON.
Result<> write_load(const WriteOptions& options, const StopSwitch& stop);

}  // namespace pgaf::load
