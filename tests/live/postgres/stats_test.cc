// PostgreSQL's figures for metrics, from a real server: they come, make sense, and go at once when the server is not to
// be asked. Nothing that happens to them is anybody else's business.
#include <algorithm>
#include <map>
#include <set>

#include "keeper/postgres/stats_queries.h"
#include "keeper/postgres/stats_reader.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

using Labels = std::map<std::string, std::string>;

/// The figure with these labels; none: nullopt.
std::optional<double> figure(const StatsReader& reader, const std::string& family, const Labels& labels = {}) {
    if (!reader.stats()) return std::nullopt;
    for (const Sample& sample : reader.stats()->samples)
        if (sample.family == family && Labels(sample.labels.begin(), sample.labels.end()) == labels)
            return sample.value;
    return std::nullopt;
}

bool until(Cluster& cluster, const std::function<bool()>& condition, int limit_ms = 20'000) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        cluster.io.restart();
        cluster.io.run_one_for(std::chrono::milliseconds(20));
    }
    return true;
}

/// The reader's sessions, as the server sees them.
std::string sessions(const TestNode& node) {
    return node.ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgaf-keeper counts'");
}

void check_figures(const StatsReader& reader, const TestNode& node) {
    CHECK(figure(reader, "pgaf_postgres_max_connections") == 20);
    CHECK(figure(reader, "pgaf_postgres_connections", {{"state", "idle_in_transaction"}}) == 1);
    CHECK(figure(reader, "pgaf_postgres_connections", {{"state", "active"}}) == 1);  // the one that waits
    CHECK(figure(reader, "pgaf_postgres_waiting_sessions") == 1);
    CHECK(figure(reader, "pgaf_postgres_longest_transaction_seconds").value_or(0) > 0);
    CHECK(figure(reader, "pgaf_postgres_longest_query_seconds").value_or(0) > 0);
    const auto started = std::stod(node.ask("SELECT extract(epoch FROM pg_postmaster_start_time())"));
    CHECK(figure(reader, "pgaf_postgres_start_time_seconds").value_or(0) == Approx(started).margin(0.01));
    const Labels database{{"database", "app"}};
    CHECK(figure(reader, "pgaf_postgres_rows_total", {{"database", "app"}, {"operation", "inserted"}}) >= 1000);
    CHECK(figure(reader, "pgaf_postgres_transactions_total", {{"database", "app"}, {"result", "commit"}}) >= 2);
    CHECK(figure(reader, "pgaf_postgres_deadlocks_total", database) == 0);
    CHECK(figure(reader, "pgaf_postgres_database_size_bytes", database) > 1e6);
    CHECK_FALSE(figure(reader, "pgaf_postgres_deadlocks_total", {{"database", "template1"}}));
    CHECK(figure(reader, "pgaf_postgres_checkpoints_total", {{"kind", "requested"}}) >= 1);
    CHECK(figure(reader, "pgaf_postgres_buffers_written_total", {{"by", "checkpoint"}}) >= 1);
    CHECK(figure(reader, "pgaf_postgres_wal_bytes_total") > 10'000);
    CHECK(figure(reader, "pgaf_postgres_wal_directory_bytes") >= 16777216);
    CHECK(figure(reader, "pgaf_postgres_slot_active", {{"slot", "kept"}}) == 0);
    CHECK(figure(reader, "pgaf_postgres_slot_retained_wal_bytes", {{"slot", "kept"}}) >= 100'000);
}

}  // namespace

TEST_CASE("PostgreSQL's figures come on their schedule, make sense, and go when the server is not to be asked") {
    Cluster cluster(1);
    TestNode& node = cluster[1];
    node.config.parameters["shared_preload_libraries"] = "pg_stat_statements";
    cluster.restart_keeper(node);
    REQUIRE(cluster.until(node, [](const Facts& f) { return f.launcher_connected; }));
    cluster.bring_up();
    node.ask("CREATE EXTENSION pg_stat_statements");
    node.ask("CREATE DATABASE app");
    node.ask("SELECT pg_create_physical_replication_slot('kept', true)");
    // A later word of a connection string holds.
    const std::string app = "dbname=app";
    {
        Sql writer = node.sql(app);
        writer.ask("CREATE TABLE t (i int)");
        writer.ask("INSERT INTO t SELECT generate_series(1, 1000)");
    }
    node.ask("SELECT pg_logical_emit_message(false, 'test', repeat('x', 100000))");
    node.ask("CHECKPOINT");
    Sql holder = node.sql(app);
    holder.ask("BEGIN");
    holder.ask("LOCK TABLE t");
    Sql waiter = node.sql(app);
    waiter.send("SELECT count(*) FROM t");

    StatsReader reader(cluster.io.get_executor(), node.config, Millis{300});
    CHECK(until(
              cluster, [] { return false; }, 200) == false);
    CHECK(reader.stats() == nullptr);
    CHECK(sessions(node) == "0");
    reader.at_rest(true);
    // Statistics of other sessions are seen a little later.
    REQUIRE(until(cluster, [&] {
        return figure(reader, "pgaf_postgres_rows_total", {{"database", "app"}, {"operation", "inserted"}}) >= 1000 &&
               figure(reader, "pgaf_postgres_waiting_sessions") == 1;
    }));
    check_figures(reader, node);
    std::set<std::string> there;
    for (const Sample& sample : reader.stats()->samples) there.insert(sample.family);
    for (const StatFamily& family : stat_families()) {
        INFO(family.name);
        CHECK(there.contains(family.name));
    }
    const auto first = reader.stats()->taken;
    REQUIRE(until(
        cluster, [&] { return reader.stats()->taken > first; }, 5'000));
    // Between its rounds it takes no slot.
    CHECK(eventually([&] { return sessions(node) == "0"; }));

    reader.at_rest(false);
    CHECK(reader.stats() == nullptr);
    reader.at_rest(true);
    REQUIRE(until(cluster, [&] { return reader.stats() != nullptr; }));

    // A lock on what one query reads holds that one up, for a moment, and costs its figures only.
    const auto has_statements = [&] {
        const auto& samples = reader.stats()->samples;
        return std::any_of(samples.begin(), samples.end(),
                           [](const Sample& s) { return s.family == "pgaf_postgres_statement_calls_total"; });
    };
    CHECK(has_statements());
    Sql locker = node.sql();
    locker.ask("BEGIN");
    locker.ask("LOCK TABLE pg_catalog.pg_extension");
    REQUIRE(until(cluster, [&] { return reader.stats() && !has_statements(); }));
    CHECK(figure(reader, "pgaf_postgres_max_connections") == 20);
    locker.ask("ROLLBACK");
    REQUIRE(until(cluster, [&] { return has_statements(); }));

    // Sizes are asked for more seldom; when they can't be told the old ones are not told as new, and the others go on.
    const auto size = [&] { return figure(reader, "pgaf_postgres_database_size_bytes", {{"database", "app"}}); };
    REQUIRE(until(cluster, [&] { return size().has_value(); }));
    node.ask("ALTER FUNCTION pg_database_size(oid) RENAME TO not_now");
    REQUIRE(until(cluster, [&] { return reader.stats() && !size(); }));
    CHECK(figure(reader, "pgaf_postgres_max_connections") == 20);
    node.ask("ALTER FUNCTION not_now(oid) RENAME TO pg_database_size");
    REQUIRE(until(cluster, [&] { return size().has_value(); }));

    // Nobody can log in: what was found before is not told for ever.
    locker.ask("BEGIN");
    locker.ask("LOCK TABLE pg_catalog.pg_database");
    CHECK(until(cluster, [&] { return reader.stats() == nullptr; }));
    locker.ask("ROLLBACK");
    CHECK(until(cluster, [&] { return reader.stats() != nullptr; }));

    // One rest after the other: what was begun in an earlier one says nothing.
    for (int i = 0; i < 5; ++i) {
        reader.at_rest(false);
        reader.at_rest(true);
    }
    CHECK(reader.stats() == nullptr);
    CHECK(until(cluster, [&] { return reader.stats() != nullptr; }));
}

}  // namespace pgaf::test
