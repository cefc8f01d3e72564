// pg_control, as far as the keeper needs it of a stopped server: which system it is, whether it was shut down, where
// its last checkpoint lies. Only the leading fields are read, which have kept their places from PostgreSQL 11 to 18; so
// no process is started on the way of a failover. A test holds the result against pg_controldata.
#pragma once

#include <optional>
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

/// Where a backup or a rewind has put the beginning of recovery: it goes before pg_control, whose checkpoint is the
/// source's and may lie in WAL that this folder does not have yet.
struct BackupLabel {
    Timeline timeline;
    Lsn checkpoint;
};

/// Nothing when the folder has no backup_label: it has been started since, or is no copy.
[[nodiscard]] Result<std::optional<BackupLabel>> read_backup_label(const std::string& data_dir);
[[nodiscard]] Result<BackupLabel> parse_backup_label(const std::string& text);

[[nodiscard]] Result<ControlFile> parse_control_file(const std::string& bytes);
[[nodiscard]] Result<ControlFile> read_control_file(const std::string& data_dir);

}  // namespace pgaf::keeper
