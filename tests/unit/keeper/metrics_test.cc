// What /metrics says: names and labels, what is there only for a primary, PostgreSQL's figures and their age, and that
// promtool finds nothing wrong. docs/metrics.md is held to it.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <regex>

#include "keeper/http/metrics.h"
#include "keeper/postgres/stats_queries.h"
#include "tests/support/metrics_page.h"
#include "tests/unit/keeper/views.h"

namespace pgaf::keeper {
namespace {

using namespace test;

/// A primary that somebody can replace.
LoopView leased(Millis left) {
    LoopView view = node(Role::primary, false);
    view.promise.goal->lease = Millis{5000};
    view.run.lease.answered = Millis{100'000};
    view.run.lease.now = Millis{105'000 - left.v};
    return view;
}

/// One sample of each family, with the labels that its query gives it.
PostgresStats all_stats() {
    PostgresStats stats;
    stats.taken = std::chrono::steady_clock::now() - std::chrono::seconds(4);
    for (const StatQuery& query : stat_queries(150000, StatementsExtension{"public", 110}))
        for (const StatColumn& column : query.columns) {
            Sample sample{column.family, {}, 42};
            for (const char* label : query.labels) sample.labels.emplace_back(label, "a \"b\"\xff");
            if (*column.label != '\0') sample.labels.emplace_back(column.label, column.value);
            stats.samples.push_back(sample);
        }
    return stats;
}

std::string render(const LoopView& view, const PostgresStats* stats = nullptr,
                   std::optional<DiskSpace> disk = DiskSpace{1000, 4000}) {
    Metrics metrics({[stats] { return stats; }, [disk] { return disk; }});
    metrics.answered(std::chrono::microseconds(700));
    metrics.answered(std::chrono::milliseconds(30));
    return metrics.render(view);
}

std::string line(const std::string& name, const std::string& value) {
    return "\n" + name + "{cluster=\"default\",node=\"node1\"} " + value + "\n";
}

}  // namespace

TEST_CASE("a standby's metrics") {
    const std::string text = render(node(Role::standby, true));
    CHECK_THAT(text, Catch::Contains(line("pgaf_keeper_replication_lag_bytes", "8192")));
    CHECK_THAT(text, Catch::Contains(line("pgaf_keeper_up", "1")));
    CHECK_THAT(text, Catch::Contains(line("pgaf_keeper_is_primary", "0")));
    CHECK_THAT(text, Catch::Contains(line("pgaf_keeper_problem", "0")));
    CHECK_THAT(text, Catch::Contains(line("pgaf_keeper_disk_writable", "1")));
    CHECK_THAT(text, Catch::Contains(line("pgaf_keeper_data_disk_free_bytes", "1000")));
    CHECK_THAT(text, Catch::Contains(line("pgaf_keeper_data_disk_size_bytes", "4000")));
    CHECK_THAT(text, Catch::Contains("pgaf_build_info{program=\"pgaf-keeper\""));
    CHECK_THAT(text, Catch::Contains(line("pgaf_heartbeat_latency_seconds_count", "2")));
    CHECK_THAT(text, Catch::Contains("{cluster=\"default\",node=\"node1\",le=\"0.001\"} 1\n"));
    CHECK_THAT(text, Catch::Contains("process_resident_memory_bytes "));
    CHECK_THAT(text, !Catch::Contains("pgaf_keeper_lease") && !Catch::Contains("pgaf_postgres_"));
    LoopView ill = node(Role::standby, true);
    ill.problem = ill.facts.disk = "the disk takes no writes";
    CHECK_THAT(render(ill), Catch::Contains(line("pgaf_keeper_problem", "1")) &&
                                Catch::Contains(line("pgaf_keeper_disk_writable", "0")));
    CHECK_THAT(render(ill, nullptr, std::nullopt), !Catch::Contains("pgaf_keeper_data_disk"));
}

TEST_CASE("a primary that can be replaced tells its lease, which is never negative; nobody else has one") {
    CHECK_THAT(render(leased(Millis{3500})), Catch::Contains(line("pgaf_keeper_lease_remaining_seconds", "3.5")) &&
                                                 Catch::Contains(line("pgaf_keeper_lease_seconds", "5")));
    CHECK_THAT(render(leased(Millis{-900})), Catch::Contains(line("pgaf_keeper_lease_remaining_seconds", "0")));
    LoopView alone = leased(Millis{3500});
    alone.promise.goal->irreplaceable = true;
    CHECK_THAT(render(alone), !Catch::Contains("pgaf_keeper_lease"));
    LoopView fenced = leased(Millis{3500});
    fenced.promise.goal->role = Role::fence;
    CHECK_THAT(render(fenced), !Catch::Contains("pgaf_keeper_lease"));
}

TEST_CASE("PostgreSQL's figures come with their age, and names in any encoding are made fit") {
    const PostgresStats stats = all_stats();
    const std::string text = render(node(Role::primary, false), &stats);
    CHECK_THAT(text,
               Catch::Contains("pgaf_postgres_connections{cluster=\"default\",node=\"node1\",state=\"active\"} 42\n"));
    CHECK_THAT(text,
               Catch::Contains(
                   R"(pgaf_postgres_database_size_bytes{cluster="default",node="node1",database="a \"b\"\\xff"} 42)"));
    CHECK_THAT(text, Catch::Contains("# TYPE pgaf_postgres_transactions_total counter\n"));
    std::smatch age;
    REQUIRE(std::regex_search(text, age, std::regex(R"(\npgaf_postgres_stats_age_seconds\{[^}]*\} ([0-9.]+)\n)")));
    CHECK(std::stod(age[1]) >= 4);
    CHECK(std::stod(age[1]) < 60);
}

TEST_CASE("promtool finds nothing wrong with the metrics") {
    INFO("needs promtool, of Debian's package prometheus (deploy/install-deps)");
    const PostgresStats stats = all_stats();
    std::FILE* check = ::popen("promtool check metrics 2>&1", "w");
    REQUIRE(check != nullptr);
    const std::string text = render(leased(Millis{3500}), &stats);
    REQUIRE(std::fwrite(text.data(), 1, text.size(), check) == text.size());
    CHECK(::pclose(check) == 0);
}

TEST_CASE("a scrape with all that there can be takes less than 5 ms") {
    // 32 databases, 64 slots, 20 statements: as many as are told at most.
    PostgresStats stats = all_stats();
    const std::vector<Sample> one = stats.samples;
    for (int i = 1; i < stat_databases_max; ++i)
        for (Sample sample : one) {
            for (auto& [name, value] : sample.labels) value += std::to_string(i);
            stats.samples.push_back(std::move(sample));
        }
    const LoopView view = leased(Millis{3500});
    const Metrics metrics({[&] { return &stats; }, [] { return DiskSpace{1, 2}; }});
    auto best = std::chrono::nanoseconds::max();
    // The fastest of many: the test's machine may do other things.
    for (int i = 0; i < 50; ++i) {
        const auto began = std::chrono::steady_clock::now();
        const auto size = metrics.render(view).size();
        best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - began);
        REQUIRE(size > 10'000);
    }
    WARN("scrape: " << best.count() / 1000 << " us, " << stats.samples.size() << " samples of PostgreSQL");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(best < std::chrono::milliseconds{5});
#endif
}

TEST_CASE("docs/metrics.md has what a keeper exports, with type and labels, and nothing else") {
    using namespace pgaf::test;
    LoopView view = leased(Millis{3500});
    const PostgresStats stats = all_stats();
    MetricTable exported = exported_metrics(render(view, &stats));
    exported.merge(exported_metrics(render(node(Role::standby, true))));
    REQUIRE(exported.size() > 50);
    CHECK(differences(exported, documented_metrics(PGAF_METRICS_PAGE, "Keeper", "cluster,node")) == "");
}

}  // namespace pgaf::keeper
