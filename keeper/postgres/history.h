// PostgreSQL's timeline history files (pg_wal/NNNNNNNN.history): which timelines a folder knows and where they fork.
// Knows nothing of WAL contents.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/model/report.h"
#include "common/result.h"

namespace pgaf::keeper {

[[nodiscard]] std::string history_file_name(Timeline timeline);
/// The timeline of such a name; 0 when it is not one.
[[nodiscard]] Timeline timeline_of_history_file(std::string_view name);

/// Parents in a history file, oldest first. Nothing in it: a placeholder that only takes a timeline id (R5).
[[nodiscard]] Result<std::vector<TimelineFork>> parse_history(std::string_view text);

/// All history files of a pg_wal folder, placeholders left out.
[[nodiscard]] Result<std::map<Timeline, std::vector<TimelineFork>>> read_histories(const std::string& wal_dir);
/// Timelines of which the folder holds an empty history file.
[[nodiscard]] std::vector<Timeline> placeholders(const std::string& wal_dir);

/// A stretch of the way that recovery takes through the timelines: `timeline` holds the WAL from `begin` on.
struct Leg {
    Timeline timeline;
    Lsn begin;
};

/// The way to the newest timeline that `from` (on `timeline`) is part of, oldest leg first: what recovery with
/// recovery_target_timeline = latest follows.
[[nodiscard]] std::vector<Leg> newest_way(const std::map<Timeline, std::vector<TimelineFork>>& histories,
                                          Timeline timeline, Lsn from);

}  // namespace pgaf::keeper
