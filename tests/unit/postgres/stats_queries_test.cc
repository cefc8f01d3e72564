// Which figures are asked for from which version of PostgreSQL, and that every one of them has its family.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "keeper/postgres/stats_queries.h"

namespace pgaf::keeper {
namespace {

constexpr int versions[] = {130000, 140000, 150018, 160000, 170000, 180000};

const StatQuery* find(const std::vector<StatQuery>& all, const std::string& name) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const StatQuery& q) { return name == q.name; });
    return found == all.end() ? nullptr : &*found;
}

std::string sql(int version, const char* name, std::optional<StatementsExtension> extension = std::nullopt) {
    const auto all = stat_queries(version, extension);
    const StatQuery* query = find(all, name);
    return query ? query->sql : "";
}

}  // namespace

TEST_CASE("checkpoints are where each version has them") {
    for (const int version : versions) {
        INFO(version);
        const std::string checkpoints = sql(version, "checkpoints");
        const bool apart = version >= 170000;
        CHECK_THAT(checkpoints, apart ? Catch::Contains("pg_stat_checkpointer") && Catch::Contains("num_timed")
                                      : Catch::Contains("checkpoints_timed") && Catch::Contains("buffers_backend"));
        CHECK((checkpoints.find("pg_stat_io") != std::string::npos) == apart);
        // 18 counts bytes where 17 counts operations of one block each.
        CHECK((checkpoints.find("write_bytes") != std::string::npos) == (version >= 180000));
    }
}

TEST_CASE("pg_stat_wal is from 14 on") {
    CHECK(sql(130000, "wal").empty());
    CHECK_THAT(sql(140000, "wal"), Catch::Contains("pg_stat_wal"));
    CHECK_THAT(sql(180000, "wal"), Catch::Contains("wal_buffers_full"));
}

TEST_CASE("statements are asked for where the extension is, in its schema, by its own version") {
    CHECK(sql(150000, "statements").empty());
    CHECK(sql(150000, "statements", StatementsExtension{"public", 0}).empty());
    const std::string old = sql(150000, "statements", StatementsExtension{"\"My schema\"", 107});
    CHECK_THAT(old, Catch::Contains("FROM \"My schema\".pg_stat_statements(false)") &&
                        Catch::Contains("s.total_time") && Catch::Contains("LIMIT 20"));
    for (const int version : {108, 110, 112})
        CHECK_THAT(sql(150000, "statements", StatementsExtension{"public", version}),
                   Catch::Contains("s.total_exec_time") && !Catch::Contains("s.total_time"));
    CHECK(extension_version("1.8") == 108);
    CHECK(extension_version("1.10") == 110);
    CHECK(extension_version("2") == 0);
    CHECK(extension_version("") == 0);
    CHECK(extension_version("1.x") == 0);
}

TEST_CASE("each column is named in its query and has a family, and each family has a column; labels fit together") {
    std::set<std::string> used;
    std::set<std::string> known;
    for (const StatFamily& family : stat_families()) {
        INFO(family.name);
        CHECK(known.insert(family.name).second);
        CHECK(std::string(family.name).ends_with("_total") == family.counter);
    }
    for (const int version : versions) {
        std::map<std::string, std::set<std::string>> labels_of;
        for (const StatQuery& query : stat_queries(version, StatementsExtension{"public", 110})) {
            for (const StatColumn& column : query.columns) {
                INFO(version << " " << query.name << " " << column.column);
                CHECK(known.contains(column.family));
                CHECK_THAT(query.sql, Catch::Contains(column.column));
                used.insert(column.family);
                std::set<std::string> labels(query.labels.begin(), query.labels.end());
                if (*column.label != '\0') labels.insert(column.label);
                // Series of one family have the same labels.
                const auto [before, first] = labels_of.emplace(column.family, labels);
                CHECK((first || before->second == labels));
            }
            for (const char* label : query.labels) CHECK_THAT(query.sql, Catch::Contains(std::string("AS ") + label));
        }
    }
    CHECK(used == known);
}

TEST_CASE("whatever there may be many of is bounded, and what looks at many files comes last") {
    const auto all = stat_queries(150000, StatementsExtension{"public", 110});
    for (const StatQuery& query : all) {
        INFO(query.name);
        CHECK((query.labels.empty() || query.sql.find(" LIMIT ") != std::string::npos));
        CHECK(query.costly == (&query == &all.back()));
    }
}

}  // namespace pgaf::keeper
