// pgaf.conf: the PostgreSQL settings that the cluster owns, included as the last line of postgresql.conf. Text in, text
// out; knows nothing of files, of the launcher or of the running server.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "common/model/goal.h"
#include "common/model/sync_rule.h"
#include "common/result.h"
#include "keeper/postgres/make.h"
#include "keeper/reconcile/step.h"

namespace pgaf::keeper {

inline constexpr const char* settings_file = "pgaf.conf";
/// The rule that nobody can satisfy: every server that is not the primary of the newest epoch runs under it (R6).
inline constexpr const char* closed_rule = "ANY 1 (\"pgaf closed\")";
inline constexpr const char* replication_role = "pgaf_replicator";

/// What changes while a node lives; all else follows from the configuration.
struct Variable {
    /// Value of synchronous_standby_names.
    std::string standby_names = closed_rule;
    /// Value of primary_conninfo; empty: no receiver.
    std::string conninfo;
    /// Value of primary_slot_name; empty without an upstream.
    std::string slot;
    /// For the short start inside an initialisation: no TCP at all.
    bool socket_only = false;
    /// While it is promoted: what replay still has to do goes before readers that are in its way.
    bool replay_first = false;
    /// Always empty: recovery would call it four times in a promotion. Here so that what is in force can be compared.
    std::string restore_command;
    friend bool operator==(const Variable&, const Variable&) = default;
};

/// The whole of pgaf.conf. `version`: PG_VERSION_NUM / 10000 of the data folder.
[[nodiscard]] std::string render_settings(const PostgresConfig& config, const Variable& variable, int version);
/// What a pgaf.conf of render_settings() says.
[[nodiscard]] Variable parse_settings(const std::string& text);

/// A pgaf.conf with other timeouts of replication, and nothing else changed.
[[nodiscard]] std::string with_timeouts(const std::string& text, Millis node_timeout);

/// Names that the cluster owns: taken out of postgresql.auto.conf, refused among the user's parameters.
[[nodiscard]] const std::set<std::string>& owned_settings();
/// Whether the user's parameters can be taken: none owned, none unsafe (R14: fsync, full_page_writes).
[[nodiscard]] Result<> check_parameters(const std::map<std::string, std::string>& parameters);

/// synchronous_standby_names for a rule; an error when a member is none of the peers (its name can't be known).
[[nodiscard]] Result<std::string> standby_names(const SyncRule& rule, const Layout& layout);
/// The rule on the way to `rule`: stricter, and a walsender's own sync_priority says 2 or more only once it has
/// reloaded (R3). Only for k >= 1.
[[nodiscard]] Result<std::string> padded_standby_names(const SyncRule& rule, const Layout& layout);
/// application_name of a member of the cluster.
[[nodiscard]] Result<std::string> member_name(const IncarnationId& incarnation, const Layout& layout);

/// A connection string to another node for replication, pg_rewind or pg_basebackup: the password stays in its file,
/// since PostgreSQL logs the string. `database` empty: for a WAL receiver.
[[nodiscard]] std::string upstream_conninfo(const PostgresConfig& config, const Peer& upstream,
                                            const std::string& application, const std::string& database);
/// Where the password file of those strings lies.
[[nodiscard]] std::string passfile_path(const PostgresConfig& config);
[[nodiscard]] std::string passfile_text(const std::string& password);
/// Folder of PostgreSQL's Unix socket.
[[nodiscard]] std::string socket_folder(const PostgresConfig& config);
/// The keeper's own way into the local server.
[[nodiscard]] std::string local_conninfo(const PostgresConfig& config, const std::string& application);

}  // namespace pgaf::keeper
