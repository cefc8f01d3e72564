// pg_control, as far as the keeper needs it of a stopped server: which system it is, whether it was shut down, where its
// last checkpoint lies. Only the leading fields are read, which have kept their places from PostgreSQL 11 to 18; so no
// process is started on the way of a failover. A test holds the result against pg_controldata.
#pragma once

#include <string>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/result.h"

namespace pgaf::keeper {

/// DBState of PostgreSQL's catalog/pg_control.h.
enum class DbState {
    startup,
    shut_down,
    shut_down_in_recovery,
    shutting_down,
    in_crash_recovery,
    in_archive_recovery,
    in_production
};

struct ControlFile {
    SystemId system_id;
    DbState state = DbState::startup;
    /// The last checkpoint or restartpoint: its record, where recovery from it begins, and its timeline.
    Lsn checkpoint;
    Lsn redo;
    Timeline timeline;
    [[nodiscard]] bool clean() const { return state == DbState::shut_down || state == DbState::shut_down_in_recovery; }
};

[[nodiscard]] Result<ControlFile> parse_control_file(const std::string& bytes);
[[nodiscard]] Result<ControlFile> read_control_file(const std::string& data_dir);

}  // namespace pgaf::keeper
