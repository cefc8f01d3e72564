// Makes the fenced standby the primary, on exactly the timeline that was assigned (R5), open under its new rule from
// the first moment (R6).
#pragma once

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

Async<Result<>> promote(Node& node, const Promote& step, const Progress& progress);

/// Empty history files for the ids between `own` and `assigned`, so that PostgreSQL, which takes the first free id,
/// takes the assigned one. An error when the assigned id is taken already.
[[nodiscard]] Result<> reserve_timelines(const std::string& wal_dir, Timeline own, Timeline assigned);

}  // namespace pgaf::keeper
