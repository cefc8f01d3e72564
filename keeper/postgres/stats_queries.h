// Which figures of a running PostgreSQL are told as metrics, and the queries that get them from each of its versions.
// Tables and text: knows nothing of connections, schedules and Prometheus.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace pgaf::keeper {

/// A family of metrics, by its name.
struct StatFamily {
    const char* name;
    /// It only grows, until PostgreSQL's statistics are reset.
    bool counter;
    const char* help;
};
/// All that there can be; which of them a server has depends on its version.
[[nodiscard]] const std::vector<StatFamily>& stat_families();

/// A column of a query's rows: a value of that family.
struct StatColumn {
    const char* column;
    const char* family;
    /// One more label, which the column stands for; empty: none.
    const char* label = "";
    const char* value = "";
};

/// One query. Each column of it that is no value is a label of all values of its row.
struct StatQuery {
    const char* name;
    std::string sql;
    std::vector<const char*> labels;
    std::vector<StatColumn> columns;
    /// It has to look at many files: asked more seldom, and last.
    bool costly = false;
};

/// Where pg_stat_statements is, in the database that is asked.
struct StatementsExtension {
    /// Its schema, quoted.
    std::string schema;
    /// 108 for 1.8.
    int version = 0;
};
/// Its version as a number; 0: none.
[[nodiscard]] int extension_version(const std::string& text);

/// Asked first: `schema` and `version` of pg_stat_statements; no row: it is not there, or not loaded.
[[nodiscard]] std::string find_statements_query();

/// For a server of this server_version_num.
[[nodiscard]] std::vector<StatQuery> stat_queries(int server_version,
                                                  const std::optional<StatementsExtension>& statements);

/// Databases, slots and statements that are told at most.
inline constexpr int stat_databases_max = 32;
inline constexpr int stat_slots_max = 64;
inline constexpr int stat_statements_max = 20;

}  // namespace pgaf::keeper
