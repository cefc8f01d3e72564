// The data folder as files, with PostgreSQL stopped or running: whose it is, whether it is half-made, and the
// configuration files in it. Knows nothing of the launcher or of SQL.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/result.h"
#include "keeper/postgres/files.h"
#include "keeper/postgres/make.h"
#include "keeper/postgres/settings.h"
#include "keeper/reconcile/step.h"

namespace pgaf::keeper {

class DataDir {
  public:
    explicit DataDir(const PostgresConfig& config) : config_(config), node_timeout_(config.node_timeout) {}

    [[nodiscard]] std::string path(const std::string& name) const { return config_.data_dir + "/" + name; }
    [[nodiscard]] std::string wal_dir() const { return path("pg_wal"); }
    /// Whether it can be told what is there: an error when something of what says so can't be read, although it is
    /// there (R2: a folder must not lose its identity to a disk error).
    [[nodiscard]] Result<> readable() const;
    /// Which file system of the folder has no room for a WAL segment of the usual 16 MiB; empty when each has.
    [[nodiscard]] std::string without_room() const;
    /// Contents of PG_VERSION; 0 when there is no data folder.
    [[nodiscard]] int version() const;
    /// Exists and holds anything of somebody else's: the disk probe's own files are none of it.
    [[nodiscard]] bool has_content() const;

    [[nodiscard]] IncarnationId incarnation() const;
    [[nodiscard]] Result<> write_incarnation(const IncarnationId& id) const;

    /// The mark stands outside the folder, since clone and rewind replace what is in it.
    [[nodiscard]] bool rebuilding() const;
    /// Durable before the folder is touched. `why` is for people; `kept` says what WAL was kept of it and where (R12),
    /// for whoever has to begin again.
    [[nodiscard]] Result<> begin_rebuild(const std::string& why, const std::string& kept = {}) const;
    [[nodiscard]] std::string kept_by_rebuild() const;
    [[nodiscard]] Result<> end_rebuild() const;

    /// How the folder of this incarnation came to be, and what WAL was kept aside: told with each report.
    [[nodiscard]] Result<> note_rebuilt(const IncarnationId& id, const std::string& what) const;
    [[nodiscard]] std::string rebuilt(const IncarnationId& id) const;

    /// standby.signal there and recovery.signal gone, or both gone.
    [[nodiscard]] Result<> set_standby(bool standby) const;
    [[nodiscard]] bool is_standby() const;

    /// pgaf.conf, the include line, and owned settings taken out of postgresql.auto.conf (names in `overridden`).
    /// Not durable for a server that runs: they are written anew before each start.
    [[nodiscard]] Result<> write_settings(const Variable& variable, Write how = Write::durable,
                                          std::vector<std::string>* overridden = nullptr) const;
    /// What the timeouts of replication follow from now on; write_timeouts() puts them into the pgaf.conf that there
    /// is.
    void set_node_timeout(Millis node_timeout) { node_timeout_ = node_timeout; }
    [[nodiscard]] Millis node_timeout() const { return node_timeout_; }
    [[nodiscard]] Result<> write_timeouts() const;
    /// What pgaf.conf says; nothing when there is none yet.
    [[nodiscard]] std::optional<Variable> settings() const;
    /// Owned settings that postgresql.auto.conf sets.
    [[nodiscard]] std::vector<std::string> overridden_settings() const;

    /// pg_hba.conf and pg_ident.conf. A foreign pg_hba.conf is kept beside it once.
    [[nodiscard]] Result<> write_access(const Layout& layout, bool open_to_clients) const;
    [[nodiscard]] bool open_to_clients() const;

    /// Empty history files of ids above the newest timeline that the WAL at `at` on `timeline` leads to: left by a
    /// promotion that did not happen. Each promotion makes its own.
    [[nodiscard]] Result<> remove_placeholders_beyond(Timeline timeline, Lsn at) const;
    /// Tablespaces outside the folder: a clone can neither empty nor map them.
    [[nodiscard]] Result<> refuse_tablespaces() const;

    /// What the last step with a Layout knew, so that a restarted keeper can name its peers before it has a goal.
    [[nodiscard]] Layout remembered_layout() const;
    [[nodiscard]] Result<> remember_layout(const Layout& layout) const;

  private:
    const PostgresConfig& config_;
    Millis node_timeout_;
};

/// The user that this process runs as: PostgreSQL's peer authentication sees the same.
[[nodiscard]] std::string system_user();

}  // namespace pgaf::keeper
