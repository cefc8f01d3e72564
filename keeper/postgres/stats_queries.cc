#include "keeper/postgres/stats_queries.h"

#include <charconv>

namespace pgaf::keeper {
namespace {

constexpr int pg14 = 140000;
constexpr int pg17 = 170000;
constexpr int pg18 = 180000;

std::string limit(int most) {
    return " LIMIT " + std::to_string(most);
}

/// Clients' sessions, the keepers' own included: they take slots too. Without the one that asks.
StatQuery sessions() {
    return {"sessions",
            R"(SELECT count(*) FILTER (WHERE state = 'active') AS active,
  count(*) FILTER (WHERE state = 'idle') AS idle,
  count(*) FILTER (WHERE state = 'idle in transaction') AS in_transaction,
  count(*) FILTER (WHERE state = 'idle in transaction (aborted)') AS aborted,
  count(*) FILTER (WHERE state IS NULL OR state NOT IN ('active', 'idle', 'idle in transaction',
                                                        'idle in transaction (aborted)')) AS other,
  count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting,
  greatest(0, coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)) AS transaction,
  greatest(0, coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) FILTER (WHERE state = 'active'), 0))
    AS query,
  current_setting('max_connections') AS most,
  current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0)
    AS reserved, extract(epoch FROM pg_postmaster_start_time()) AS started
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())",
            {},
            {{"active", "pgaf_postgres_connections", "state", "active"},
             {"idle", "pgaf_postgres_connections", "state", "idle"},
             {"in_transaction", "pgaf_postgres_connections", "state", "idle_in_transaction"},
             {"aborted", "pgaf_postgres_connections", "state", "idle_in_transaction_aborted"},
             {"other", "pgaf_postgres_connections", "state", "other"},
             {"waiting", "pgaf_postgres_waiting_sessions"},
             {"transaction", "pgaf_postgres_longest_transaction_seconds"},
             {"query", "pgaf_postgres_longest_query_seconds"},
             {"most", "pgaf_postgres_max_connections"},
             {"reserved", "pgaf_postgres_reserved_connections"},
             {"started", "pgaf_postgres_start_time_seconds"}}};
}

/// The oldest ones, so that they are the same ones each time.
StatQuery databases() {
    return {"databases",
            R"(SELECT s.datname AS database, xact_commit, xact_rollback, blks_hit, blks_read,
  blk_read_time / 1000 AS read_time, blk_write_time / 1000 AS write_time,
  tup_returned, tup_fetched, tup_inserted, tup_updated, tup_deleted, temp_bytes, deadlocks, conflicts
FROM pg_stat_database s JOIN pg_database d ON d.oid = s.datid WHERE NOT d.datistemplate ORDER BY d.oid)" +
                limit(stat_databases_max),
            {"database"},
            {{"xact_commit", "pgaf_postgres_transactions_total", "result", "commit"},
             {"xact_rollback", "pgaf_postgres_transactions_total", "result", "rollback"},
             {"blks_hit", "pgaf_postgres_blocks_hit_total"},
             {"blks_read", "pgaf_postgres_blocks_read_total"},
             {"read_time", "pgaf_postgres_block_read_seconds_total"},
             {"write_time", "pgaf_postgres_block_write_seconds_total"},
             {"tup_returned", "pgaf_postgres_rows_total", "operation", "returned"},
             {"tup_fetched", "pgaf_postgres_rows_total", "operation", "fetched"},
             {"tup_inserted", "pgaf_postgres_rows_total", "operation", "inserted"},
             {"tup_updated", "pgaf_postgres_rows_total", "operation", "updated"},
             {"tup_deleted", "pgaf_postgres_rows_total", "operation", "deleted"},
             {"temp_bytes", "pgaf_postgres_temp_bytes_total"},
             {"deadlocks", "pgaf_postgres_deadlocks_total"},
             {"conflicts", "pgaf_postgres_conflicts_total"}}};
}

/// Restartpoints of a standby count too: up to 16 they are in the same columns. What backends write of shared buffers
/// is in pg_stat_io from 17 on, as operations of one block each; 18 counts bytes.
StatQuery checkpoints(int version) {
    const std::vector<StatColumn> columns{{"timed", "pgaf_postgres_checkpoints_total", "kind", "timed"},
                                          {"requested", "pgaf_postgres_checkpoints_total", "kind", "requested"},
                                          {"write_time", "pgaf_postgres_checkpoint_write_seconds_total"},
                                          {"sync_time", "pgaf_postgres_checkpoint_sync_seconds_total"},
                                          {"by_checkpoint", "pgaf_postgres_buffers_written_total", "by", "checkpoint"},
                                          {"by_bgwriter", "pgaf_postgres_buffers_written_total", "by", "bgwriter"},
                                          {"by_backend", "pgaf_postgres_buffers_written_total", "by", "backend"}};
    if (version < pg17)
        return {"checkpoints",
                R"(SELECT checkpoints_timed AS timed, checkpoints_req AS requested,
  checkpoint_write_time / 1000 AS write_time, checkpoint_sync_time / 1000 AS sync_time,
  buffers_checkpoint AS by_checkpoint, buffers_clean AS by_bgwriter, buffers_backend AS by_backend
FROM pg_stat_bgwriter)",
                {},
                columns};
    const std::string written = version < pg18 ? "coalesce(writes, 0) + coalesce(extends, 0)"
                                               : "(coalesce(write_bytes, 0) + coalesce(extend_bytes, 0)) / "
                                                 "current_setting('block_size')::numeric";
    return {"checkpoints",
            R"(SELECT c.num_timed + c.restartpoints_timed AS timed, c.num_requested + c.restartpoints_req AS requested,
  c.write_time / 1000 AS write_time, c.sync_time / 1000 AS sync_time,
  c.buffers_written AS by_checkpoint, b.buffers_clean AS by_bgwriter,
  (SELECT coalesce(sum()" +
                written +
                R"(), 0) FROM pg_stat_io WHERE object = 'relation' AND backend_type NOT IN ('checkpointer',
      'background writer')) AS by_backend
FROM pg_stat_checkpointer c, pg_stat_bgwriter b)",
            {},
            columns};
}

StatQuery wal_written() {
    return {"wal",
            "SELECT wal_bytes, wal_records, wal_fpi, wal_buffers_full FROM pg_stat_wal",
            {},
            {{"wal_bytes", "pgaf_postgres_wal_bytes_total"},
             {"wal_records", "pgaf_postgres_wal_records_total"},
             {"wal_fpi", "pgaf_postgres_wal_full_page_images_total"},
             {"wal_buffers_full", "pgaf_postgres_wal_buffers_full_total"}}};
}

StatQuery slots() {
    return {"slots",
            R"(SELECT slot_name AS slot, active::int AS active,
  greatest(0, coalesce(CASE WHEN pg_is_in_recovery()
    THEN pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), restart_lsn)
    ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END, 0)) AS retained
FROM pg_replication_slots ORDER BY slot_name)" +
                limit(stat_slots_max),
            {"slot"},
            {{"active", "pgaf_postgres_slot_active"}, {"retained", "pgaf_postgres_slot_retained_wal_bytes"}}};
}

StatQuery wal_directory() {
    return {"wal_directory",
            "SELECT coalesce(sum(size), 0) AS size FROM pg_ls_waldir()",
            {},
            {{"size", "pgaf_postgres_wal_directory_bytes"}}};
}

StatQuery sizes() {
    return {"sizes",
            "SELECT datname AS database, pg_database_size(oid) AS size FROM pg_database WHERE NOT datistemplate ORDER "
            "BY oid" +
                limit(stat_databases_max),
            {"database"},
            {{"size", "pgaf_postgres_database_size_bytes"}},
            true};
}

/// Without the statements' texts, which lie in a file. One that was run at top level and inside a function is one.
StatQuery statements(const StatementsExtension& extension) {
    const char* time = extension.version >= 108 ? "total_exec_time" : "total_time";
    return {"statements",
            std::string("SELECT s.queryid::text AS queryid, coalesce(d.datname, '') AS database, "
                        "coalesce(r.rolname, '') AS user, sum(s.") +
                time + ") / 1000 AS seconds, sum(s.calls) AS calls, sum(s.rows) AS rows FROM " + extension.schema +
                ".pg_stat_statements(false) s LEFT JOIN pg_database d ON d.oid = s.dbid LEFT JOIN pg_roles r ON r.oid "
                "= s.userid WHERE s.queryid IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 4 DESC" +
                limit(stat_statements_max),
            {"queryid", "database", "user"},
            {{"seconds", "pgaf_postgres_statement_seconds_total"},
             {"calls", "pgaf_postgres_statement_calls_total"},
             {"rows", "pgaf_postgres_statement_rows_total"}}};
}

}  // namespace

const std::vector<StatFamily>& stat_families() {
    constexpr bool gauge = false;
    constexpr bool counter = true;
    static const std::vector<StatFamily> all{
        {"pgaf_postgres_connections", gauge, "Sessions of clients, by state"},
        {"pgaf_postgres_max_connections", gauge, "PostgreSQL's max_connections"},
        {"pgaf_postgres_reserved_connections", gauge, "Of these, how many are kept free for superusers and the like"},
        {"pgaf_postgres_waiting_sessions", gauge, "Sessions of clients that wait for a lock"},
        {"pgaf_postgres_longest_transaction_seconds", gauge, "Age of the oldest transaction of a client; 0: none"},
        {"pgaf_postgres_longest_query_seconds", gauge, "Age of the oldest query of a client that runs; 0: none"},
        {"pgaf_postgres_start_time_seconds", gauge, "When the postmaster started, as Unix time"},
        {"pgaf_postgres_transactions_total", counter, "Transactions, by how they ended"},
        {"pgaf_postgres_blocks_hit_total", counter, "Blocks found in shared buffers"},
        {"pgaf_postgres_blocks_read_total", counter, "Blocks read from the operating system"},
        {"pgaf_postgres_block_read_seconds_total", counter, "Time spent reading blocks; 0 without track_io_timing"},
        {"pgaf_postgres_block_write_seconds_total", counter, "Time spent writing blocks; 0 without track_io_timing"},
        {"pgaf_postgres_rows_total", counter, "Rows, by operation"},
        {"pgaf_postgres_temp_bytes_total", counter, "Bytes written to temporary files"},
        {"pgaf_postgres_deadlocks_total", counter, "Deadlocks"},
        {"pgaf_postgres_conflicts_total", counter, "Queries that replay has cancelled on a standby"},
        {"pgaf_postgres_database_size_bytes", gauge, "Size of the database on disk"},
        {"pgaf_postgres_checkpoints_total", counter, "Checkpoints and restartpoints, by what began them"},
        {"pgaf_postgres_checkpoint_write_seconds_total", counter, "Time in which checkpoints wrote files"},
        {"pgaf_postgres_checkpoint_sync_seconds_total", counter, "Time in which checkpoints synced files"},
        {"pgaf_postgres_buffers_written_total", counter, "Shared buffers written, by whom"},
        {"pgaf_postgres_wal_bytes_total", counter, "Bytes of WAL made"},
        {"pgaf_postgres_wal_records_total", counter, "Records of WAL made"},
        {"pgaf_postgres_wal_full_page_images_total", counter, "Full page images in WAL"},
        {"pgaf_postgres_wal_buffers_full_total", counter, "Times that WAL was written since its buffers were full"},
        {"pgaf_postgres_wal_directory_bytes", gauge, "Size of the files in pg_wal"},
        {"pgaf_postgres_slot_active", gauge, "1 when the replication slot is in use"},
        {"pgaf_postgres_slot_retained_wal_bytes", gauge, "WAL that the replication slot keeps"},
        {"pgaf_postgres_statement_seconds_total", counter, "Time that the statement has run"},
        {"pgaf_postgres_statement_calls_total", counter, "Calls of the statement"},
        {"pgaf_postgres_statement_rows_total", counter, "Rows of the statement"},
    };
    return all;
}

int extension_version(const std::string& text) {
    int major = 0;
    int minor = 0;
    const char* end = text.data() + text.size();
    const auto [dot, bad] = std::from_chars(text.data(), end, major);
    if (bad != std::errc{} || dot == end || *dot != '.') return 0;
    if (std::from_chars(dot + 1, end, minor).ec != std::errc{}) return 0;
    return major * 100 + minor;
}

std::string find_statements_query() {
    return "SELECT quote_ident(n.nspname) AS schema, e.extversion AS version FROM pg_extension e JOIN pg_namespace n "
           "ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements' AND "
           "current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'";
}

std::vector<StatQuery> stat_queries(int version, const std::optional<StatementsExtension>& extension) {
    std::vector<StatQuery> all{sessions(), databases(), checkpoints(version)};
    if (version >= pg14) all.push_back(wal_written());
    all.push_back(slots());
    all.push_back(wal_directory());
    if (extension && extension->version > 0) all.push_back(statements(*extension));
    // Last, so that one that takes too long costs the others nothing.
    all.push_back(sizes());
    return all;
}

}  // namespace pgaf::keeper
