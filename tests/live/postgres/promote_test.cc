// Promotion to an assigned timeline, and who follows how (R5, R6).
#include <filesystem>
#include <thread>

#include "keeper/postgres/settings.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

/// Fence both standbys, promote node2 under (1, {node3}), point node3 at it while it promotes.
double fail_over(Cluster& cluster, Timeline timeline) {
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    const NamedRule rule = cluster.rule(1, {&c});
    return milliseconds([&] {
        REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
        REQUIRE(cluster.perform(c, Fence{cluster.layout(c)}));
        REQUIRE(cluster.perform(b, Promote{cluster.layout(b), timeline, rule}));
        REQUIRE(cluster.perform(c, Follow{cluster.layout(c), b.name}));
        Sql client = b.sql();
        client.send("INSERT INTO t VALUES (2)");
        REQUIRE(client.answered(10'000));
        CHECK(client.notices.empty());
    });
}

}  // namespace

TEST_CASE("a promotion takes its assigned timeline, ids skipped; the survivor follows without a restart") {
    Cluster cluster(3);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    a.ask("CREATE TABLE t (i int)");
    a.ask("INSERT INTO t VALUES (1)");
    const pid_t survivor = c.postmaster();
    REQUIRE(::kill(a.postmaster(), SIGKILL) == 0);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
    const double took = fail_over(cluster, Timeline{5});
    const Facts primary = cluster.facts(b);
    CHECK_FALSE(primary.in_recovery);
    CHECK(primary.timeline == Timeline{5});
    REQUIRE(primary.forks.size() == 1);
    CHECK(primary.forks[0].timeline == Timeline{1});
    CHECK(b.ask("SHOW synchronous_standby_names").find("ANY 1 (\"pgaf_default_node3_") == 0);
    CHECK(c.postmaster() == survivor);
    REQUIRE(cluster.until(c, [](const Facts& f) { return f.timeline == Timeline{5} && f.receiver.streaming; }));
    const Facts follower = cluster.facts(c);
    CHECK(follower.forks == primary.forks);
    CHECK(c.ask("SELECT count(*) FROM t") == "2");
    CHECK(b.ask("SELECT count(*) FROM t") == "2");
    WARN("fence both, promote, first acknowledged commit: " << took << " ms");

    // The old primary's folder is as it was: its own timeline, its own end.
    CHECK(cluster.facts(a).timeline == Timeline{1});
    // A server that was stopped after a switch of timelines is told right from its files alone.
    REQUIRE(cluster.perform(c, Stop{StopMode::immediate}));
    const Facts stopped = cluster.facts(c);
    CHECK(stopped.timeline == Timeline{5});
    CHECK(stopped.forks == primary.forks);
    CHECK(stopped.end > primary.forks[0].end);
}

TEST_CASE("without placeholders two promotions take the same id; with an assigned one they can't (R5)") {
    Cluster cluster(3);
    cluster.bring_up_synchronous(1);
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    REQUIRE(::kill(cluster[1].postmaster(), SIGKILL) == 0);
    for (TestNode* node : {&b, &c}) REQUIRE(cluster.perform(*node, Fence{cluster.layout(*node)}));
    REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(0, {})}));
    // c has never seen b's history file: left alone it would take timeline 2 too.
    CHECK(read_text(c.data("pg_wal/00000002.history")).empty());
    REQUIRE(cluster.perform(c, Promote{cluster.layout(c), Timeline{3}, cluster.rule(0, {})}));
    CHECK(cluster.facts(b).timeline == Timeline{2});
    CHECK(cluster.facts(c).timeline == Timeline{3});
    // An id that has been used is refused before anything happens.
    CHECK_FALSE(cluster.perform(c, Promote{cluster.layout(c), Timeline{3}, cluster.rule(0, {})}));
}

TEST_CASE("a promotion that did not happen leaves a standby that starts") {
    Cluster cluster(2);
    cluster.bring_up();
    TestNode& b = cluster[2];
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    write_text(b.data("pg_wal/00000002.history"), "");
    write_text(b.data("pg_wal/00000003.history"), "");
    REQUIRE(cluster.perform(b, StartStandby{cluster.layout(b), NodeName{"node1"}}));
    REQUIRE(cluster.until_streaming(cluster[1], b));
    CHECK(cluster.facts(b).timeline == Timeline{1});
    CHECK_FALSE(std::filesystem::exists(b.data("pg_wal/00000002.history")));
}

TEST_CASE("a history file of a promotion that was not finished misleads nobody (R5)") {
    Cluster cluster(4);
    cluster.bring_up_synchronous(1);
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    TestNode& d = cluster[4];
    // In order, so that all have the same WAL: who forks where is not the matter here.
    REQUIRE(cluster.perform(cluster[1], Stop{StopMode::fast}));
    for (TestNode* node : {&b, &c, &d}) REQUIRE(cluster.perform(*node, Fence{cluster.layout(*node)}));
    // b is on its way to timeline 2: c has fetched its history file and no WAL of it, d is b killed at that moment.
    REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(0, {})}));
    const std::string history = read_text(b.data("pg_wal/00000002.history"));
    REQUIRE_FALSE(history.empty());
    REQUIRE(cluster.perform(d, Stop{StopMode::immediate}));
    for (TestNode* node : {&c, &d}) {
        write_text(node->data("pg_wal/00000002.history"), history);
        CHECK(cluster.facts(*node).timeline == Timeline{1});
        CHECK(cluster.facts(*node).histories == std::vector<Timeline>{Timeline{2}});
    }
    // b is gone with all that it wrote. c is promoted in its turn; PostgreSQL has taken note of the file by then.
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    REQUIRE(eventually(
        [&] { return read_text(c.dir + "/launcher.log").find("new target timeline is 2") != std::string::npos; }));
    REQUIRE(cluster.perform(c, Stop{StopMode::immediate}));
    REQUIRE(cluster.perform(c, StartStandby{cluster.layout(c), {}, {Timeline{2}}}));
    CHECK(cluster.facts(c).histories.empty());
    REQUIRE(cluster.perform(c, Promote{cluster.layout(c), Timeline{3}, cluster.rule(0, {})}));
    const Facts promoted = cluster.facts(c);
    REQUIRE(promoted.forks.size() == 1);
    CHECK(promoted.forks[0].timeline == Timeline{1});
    // d follows it.
    REQUIRE(cluster.perform(d, StartStandby{cluster.layout(d), c.name, {Timeline{2}}}));
    REQUIRE(cluster.until(d, [](const Facts& f) { return f.timeline == Timeline{3} && f.receiver.streaming; }));
    CHECK(cluster.facts(d).forks == promoted.forks);
    bool kept = false;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(d.config.state_dir + "/wal-kept"))
        if (entry.path().filename() == "00000002.history") kept = read_text(entry.path()) == history;
    CHECK(kept);
}

TEST_CASE("readers in the way of replay do not hold a promotion") {
    Cluster cluster(2);
    cluster[2].config.parameters["max_standby_streaming_delay"] = "600s";
    cluster.restart_keeper(cluster[2]);
    REQUIRE(cluster.until(cluster[2], [](const Facts& f) { return f.launcher_connected; }));
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    REQUIRE(eventually([&] { return b.ask("SELECT to_regclass('t') IS NOT NULL") == "t"; }));
    Sql reader = b.sql();
    reader.ask("BEGIN; LOCK TABLE t IN ACCESS SHARE MODE");
    a.ask("DROP TABLE t");
    a.ask("CREATE TABLE u (i int)");
    REQUIRE(eventually([&] {
        return b.ask("SELECT wait_event_type FROM pg_stat_activity WHERE backend_type = 'startup'") == "Lock";
    }));
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    const double took = milliseconds([&] {
        REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(0, {})}));
    });
    CHECK(took < 5000);
    CHECK(b.ask("SELECT to_regclass('u') IS NOT NULL") == "t");
    CHECK_THROWS(reader.ask("SELECT 1"));
}

TEST_CASE("a clean switchover: the old primary follows without a rewind") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    REQUIRE(cluster.perform(a, Checkpoint{1}));
    double took = milliseconds([&] { REQUIRE(cluster.perform(a, Stop{StopMode::fast})); });
    const Facts stopped = cluster.facts(a);
    REQUIRE(stopped.clean_shutdown);
    took += milliseconds([&] {
        REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
        REQUIRE(cluster.facts(b).end >= stopped.end);
        REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(1, {&a})}));
        REQUIRE(cluster.perform(a, StartStandby{cluster.layout(a), b.name}));
    });
    Sql client = b.sql();
    client.send("INSERT INTO t VALUES (1)");
    CHECK(client.answered(10'000));
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.timeline == Timeline{2} && f.receiver.streaming; }));
    CHECK(cluster.facts(a).folder_incarnation == a.incarnation);
    CHECK(cluster.facts(b).forks[0].end == stopped.end);
    WARN("switchover: " << took << " ms");
}

TEST_CASE("a running standby changes its upstream by reload, without a restart") {
    Cluster cluster(3);
    cluster.bring_up();
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    const pid_t postmaster = c.postmaster();
    REQUIRE(cluster.perform(c, Follow{cluster.layout(c), b.name}));
    CHECK(cluster.until(c, [&](const Facts& f) { return f.receiver.streaming && f.receiver.upstream == b.name; }));
    CHECK(c.postmaster() == postmaster);
    CHECK(cluster.facts(c).following == b.name);
    // Slots on a standby advance to where the peers are, and no further.
    const Lsn there = cluster.facts(c).end;
    cluster[1].ask("CREATE TABLE t AS SELECT generate_series(1, 1000) AS i");
    const auto restart = [&] {
        return Lsn::parse(b.ask("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'pgaf_node1'")).value();
    };
    CHECK(restart() < there);
    b.control->peers_at({{cluster[1].name, there}});
    CHECK(cluster.until(
        b, [&](const Facts&) { return restart() == there; }, 5000));
}

}  // namespace pgaf::test
