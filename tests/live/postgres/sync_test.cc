// The proof of a sync rule (R3) and who may count for it (R14).
#include <atomic>
#include <thread>

#include "keeper/postgres/settings.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;

TEST_CASE("rules change under way, and each is in force when it is said to be") {
    Cluster cluster(3);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    a.ask("CREATE TABLE t (i int)");
    const double took = milliseconds([&] {
        REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(2, {&cluster[2], &cluster[3]})}));
    });
    CHECK(a.ask("SHOW synchronous_standby_names").find("ANY 2 (") == 0);
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&cluster[3]})}));
    CHECK(a.ask("SHOW synchronous_standby_names").find("node2") == std::string::npos);
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(0, {})}));
    CHECK(a.ask("INSERT INTO t VALUES (1); SELECT 1") == "1");
    // A keeper that has just started proves it again, whatever stands there.
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&cluster[2]})}));
    cluster.restart_keeper(a);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::running; }));
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&cluster[2]})}));
    // A member whose node has left the cluster counts for nothing, and is named.
    const NamedRule gone{RuleId{99}, {1, {IncarnationId{"0123456789abcdef"}}}};
    const auto waits = cluster.perform(a, ApplyRule{cluster.layout(a), gone});
    REQUIRE_FALSE(waits);
    CHECK(waits.error().message.find("0123456789abcdef") != std::string::npos);
    CHECK(waits.error().message.find("waiting until 1 of") == 0);
    WARN("change of rule: " << took << " ms");
}

TEST_CASE("a rule that a superuser overrules is noticed, and put back with its proof (R3)") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    CHECK(cluster.facts(a).alien_rule.empty());
    CHECK(cluster.facts(b).alien_rule.empty());
    const std::string ours = a.ask("SHOW synchronous_standby_names");
    for (const std::string theirs : {"", "ANY 1 (x, \"Y\")"}) {
        a.ask("ALTER SYSTEM SET synchronous_standby_names = '" + theirs + "'");
        CHECK(cluster.facts(a).alien_rule.empty());
        a.ask("SELECT pg_reload_conf()");
        REQUIRE(cluster.until(a, [](const Facts& f) { return !f.alien_rule.empty(); }));
        CHECK(cluster.facts(a).alien_rule ==
              "synchronous_standby_names is '" + theirs + "', where the cluster's is '" + ours + "'");
        // A keeper that has just started knows from its file.
        cluster.restart_keeper(a);
        REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::running; }));
        CHECK_FALSE(cluster.facts(a).alien_rule.empty());
        REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&b})}));
        CHECK(a.ask("SHOW synchronous_standby_names") == ours);
        CHECK(cluster.facts(a).alien_rule.empty());
        CHECK(read_text(a.data("postgresql.auto.conf")).find("synchronous_standby_names") == std::string::npos);
    }
    // Commits wait again.
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    Sql client = a.sql();
    client.send("INSERT INTO t VALUES (1)");
    CHECK_FALSE(client.answered(500));

    // A standby under another rule than the closed one is noticed too, and starts closed again.
    b.ask("ALTER SYSTEM SET synchronous_standby_names = ''");
    b.ask("SELECT pg_reload_conf()");
    REQUIRE(cluster.until(b, [](const Facts& f) { return !f.alien_rule.empty(); }));
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    CHECK(cluster.facts(b).alien_rule.empty());
    REQUIRE(cluster.perform(b, StartStandby{cluster.layout(b), a.name}));
    CHECK(b.ask("SHOW synchronous_standby_names") == closed_rule);
    CHECK(cluster.facts(b).alien_rule.empty());
    CHECK(client.answered(10'000));
}

TEST_CASE("a walsender that has not reloaded keeps a rule from being said applied (R3)") {
    Cluster cluster(3);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    const pid_t walsender =
        std::atoi(a.ask("SELECT pid FROM pg_stat_replication WHERE application_name LIKE '%node2%'").c_str());
    REQUIRE(walsender != 0);
    REQUIRE(::kill(walsender, SIGSTOP) == 0);
    // b, frozen, is a member of both; by sync_state, which the viewer computes, it would look well.
    const auto applied = cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(2, {&b, &c})});
    REQUIRE_FALSE(applied);
    CHECK(applied.error().message.find("not proved") != std::string::npos);
    CHECK(applied.error().message.find("node2") != std::string::npos);
    // Under a rule between, walsenders would count each other's standbys, and two rules make a third: nobody counts.
    CHECK(a.ask("SHOW synchronous_standby_names") == closed_rule);
    // One standby of the new rule satisfies it, whoever counts it.
    REQUIRE_FALSE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&b, &c})}));
    CHECK(a.ask("SHOW synchronous_standby_names").find("FIRST 1 (\"pgaf pad\", ") == 0);
    // One that leaves the rule is ended; frozen, it does not end, and so the rule is not said applied either.
    const auto left = cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&c})});
    REQUIRE_FALSE(left);
    CHECK(left.error().message.find("has left the rule") != std::string::npos);
    ::kill(walsender, SIGCONT);
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&c})}));
    CHECK_FALSE(lives(walsender));
    REQUIRE(cluster.until_streaming(a, b));
}

TEST_CASE("leaving k = 0 waits for the checkpointer, which alone turns waiting on (R3)") {
    Cluster cluster(2);
    cluster.bring_up();
    TestNode& a = cluster[1];
    a.ask("CREATE TABLE t (i int)");
    const pid_t checkpointer = a.process("checkpointer");
    REQUIRE(checkpointer != 0);
    REQUIRE(::kill(checkpointer, SIGSTOP) == 0);
    const auto applied = cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&cluster[2]})});
    // The configuration says so, and yet a commit goes through that nobody has acknowledged.
    CHECK(a.ask("SHOW synchronous_standby_names") == closed_rule);
    Sql client = a.sql();
    client.send("INSERT INTO t VALUES (1)");
    CHECK(client.answered(5000));
    REQUIRE_FALSE(applied);
    CHECK(applied.error().message.find("checkpointer") != std::string::npos);
    ::kill(checkpointer, SIGCONT);
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&cluster[2]})}));
    CHECK(a.ask("SHOW synchronous_standby_names").find("ANY 1 (") == 0);
}

TEST_CASE("commits that wait while a rule is brought into force go through with it") {
    Cluster cluster(2);
    cluster.bring_up();
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    // An idle standby says nothing at all by itself; else it would release them, up to a second later.
    b.ask("ALTER SYSTEM SET wal_receiver_status_interval = 0");
    b.ask("SELECT pg_reload_conf()");
    REQUIRE(eventually([&] { return b.ask("SHOW wal_receiver_status_interval") == "0"; }));
    std::atomic<int> commits = 0;
    std::atomic<bool> enough = false;
    std::thread client([&] {
        Sql sql = a.sql();
        while (!enough) {
            sql.send("INSERT INTO t VALUES (1)");
            while (!enough && !sql.answered(100)) {
            }
            ++commits;
        }
    });
    CHECK(eventually([&] { return commits > 3; }));
    CHECK(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&b})}));
    const int before = commits;
    CHECK(eventually([&] { return commits > before + 3; }, 5000));
    enough = true;
    client.join();
}

TEST_CASE("a commit whose wait is cancelled is a WARNING and a success") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    a.ask("CREATE TABLE t (i int)");
    REQUIRE(cluster.perform(cluster[2], Stop{StopMode::fast}));
    Sql client = a.sql();
    client.send("INSERT INTO t VALUES (1)");
    REQUIRE(
        eventually([&] { return a.ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "1"; }));
    CHECK_FALSE(client.answered(200));
    a.ask("SELECT pg_cancel_backend(" + std::to_string(client.backend()) + ")");
    REQUIRE(client.answered(5000));
    REQUIRE(client.notices.size() == 1);
    CHECK(client.notices[0].find("WARNING") == 0);
    CHECK(a.ask("SELECT count(*) FROM t") == "1");
}

TEST_CASE("a second connection with a member's name is ended, and never counted (R14)") {
    Cluster cluster(2);
    cluster.bring_up();
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    const std::string name = application_name(ClusterName{"default"}, b.name, b.incarnation);
    // As the replication role and as a superuser; in capitals, since PostgreSQL compares without case.
    std::string capitals = name;
    for (char& c : capitals) c = static_cast<char>(std::toupper(c));
    Sql impostor = a.sql("replication=true application_name=" + capitals);
    impostor.send("START_REPLICATION PHYSICAL 0/1000000");
    REQUIRE(eventually([&] {
        return a.ask("SELECT count(*) FROM pg_stat_replication WHERE lower(application_name) = '" + name + "'") == "2";
    }));
    const Facts seen = cluster.facts(a);
    CHECK(seen.standbys.size() == 1);
    CHECK(seen.trouble.find("which is not that node") != std::string::npos);
    // It reads nothing, so its walsender blocks in saying goodbye: told again with each look, it ends.
    CHECK(eventually([&] {
        (void)cluster.facts(a);
        return a.ask("SELECT count(*) FROM pg_stat_replication WHERE lower(application_name) = '" + name + "'") == "1";
    }));
    CHECK(cluster.until_streaming(a, b));
    CHECK(cluster.facts(a).trouble.empty());
}

TEST_CASE("a crashed backend's server does not come back by itself: commits that waited would be visible (R9)") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    REQUIRE(cluster.perform(b, Stop{StopMode::fast}));
    const std::uint64_t exits = cluster.facts(a).exits;
    {
        Sql client = a.sql();
        client.send("INSERT INTO t VALUES (1)");
        CHECK_FALSE(client.answered(300));
        REQUIRE(::kill(client.backend(), SIGKILL) == 0);
    }
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
    const Facts crashed = cluster.facts(a);
    CHECK(crashed.crashed);
    CHECK(crashed.exits == exits + 1);
    CHECK_FALSE(crashed.clean_shutdown);
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    CHECK_FALSE(cluster.facts(a).open_to_clients);
    CHECK_FALSE(cluster.facts(a).crashed);
    CHECK(a.ask("SELECT count(*) FROM t") == "1");
    // A client's session is refused before it can see that row; one of a client's line in pg_hba.conf.
    const std::string client = "host=127.0.0.1 port=" + std::to_string(a.port) + " user=postgres dbname=postgres";
    CHECK_THROWS_WITH(Sql(client), Catch::Contains("no pg_hba.conf entry"));
    // What was told to stop, or killed, has not crashed.
    const StopMode mode = GENERATE(StopMode::fast, StopMode::immediate);
    REQUIRE(cluster.perform(a, Stop{mode}));
    CHECK_FALSE(cluster.facts(a).crashed);
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    REQUIRE(::kill(a.postmaster(), SIGKILL) == 0);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
    CHECK_FALSE(cluster.facts(a).crashed);
}

TEST_CASE("after a crash restart clients come in only when k of S have what they will see (R9)") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    REQUIRE(cluster.perform(b, Stop{StopMode::fast}));
    {
        Sql client = a.sql();
        client.send("INSERT INTO t VALUES (1)");
        CHECK_FALSE(client.answered(300));
        REQUIRE(::kill(a.postmaster(), SIGKILL) == 0);
    }
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    // The commit that waited is visible now, and only here.
    CHECK(a.ask("SELECT count(*) FROM t") == "1");
    const NamedRule rule = cluster.rule(1, {&b});
    const auto alone = cluster.perform(a, ApplyRule{cluster.layout(a), rule});
    REQUIRE_FALSE(alone);
    CHECK(alone.error().message.find("node2") != std::string::npos);
    CHECK_FALSE(cluster.facts(a).open_to_clients);
    const auto cancelled = cluster.perform_cancelled(a, OpenToClients{cluster.layout(a), rule}, 500);
    CHECK_FALSE(cancelled);
    CHECK_FALSE(cluster.facts(a).open_to_clients);
    REQUIRE(cluster.perform(b, StartStandby{cluster.layout(b), a.name}));
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), rule}));
    REQUIRE(cluster.perform(a, OpenToClients{cluster.layout(a), rule}));
    CHECK(cluster.facts(a).open_to_clients);
    CHECK(eventually([&] { return b.ask("SELECT count(*) FROM t") == "1"; }));
}

}  // namespace pgaf::test
