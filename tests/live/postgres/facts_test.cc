// What PostgreSQL does, as docs/design/postgresql.md lists it, and what the keeper makes of it.
#include <signal.h>

#include <boost/asio/detached.hpp>
#include <filesystem>
#include <optional>

#include "keeper/postgres/connection.h"
#include "keeper/postgres/files.h"
#include "keeper/postgres/server_view.h"
#include "keeper/postgres/settings.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

Lsn lsn(const TestNode& node, const std::string& expression) {
    return Lsn::parse(node.ask("SELECT coalesce((" + expression + ")::text, '0/0')")).value();
}

void set(const TestNode& node, const std::string& name, const std::string& value) {
    node.ask("ALTER SYSTEM SET " + name + " = '" + value + "'");
    node.ask("SELECT pg_reload_conf()");
}

}  // namespace

TEST_CASE("a standby's slots for its peers advance to what the peers have, never beyond its own replay, never back") {
    Cluster cluster(3);
    cluster.bring_up();
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    REQUIRE(cluster.perform(b, UpdatePeers{cluster.layout(b)}));
    const std::string where =
        "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '" + slot_name(c.name) + "'";
    const auto slot = [&] { return lsn(b, where); };
    const auto reaches = [&](Lsn wanted) {
        return cluster.until(b, [&](const Facts& f) { return f.trouble.empty() && slot() >= wanted; });
    };
    const auto write = [&] {
        a.ask("SELECT pg_logical_emit_message(false, 'test', repeat('x', 100000))");
        a.ask("CREATE TABLE IF NOT EXISTS t (i int)");
        a.ask("INSERT INTO t VALUES (1)");
        return lsn(a, "pg_current_wal_flush_lsn()");
    };
    const auto replays = [&](Lsn wanted) {
        return eventually([&] { return lsn(b, "pg_last_wal_replay_lsn()") >= wanted; });
    };
    // Nobody has told where the peer is: it stays.
    const Lsn begin = slot();
    const Lsn first = write();
    REQUIRE(replays(first));
    CHECK(cluster.facts(b).slots.size() == 2);
    CHECK(slot() == begin);
    REQUIRE(begin < first);

    b.control->peers_at({{c.name, first}});
    REQUIRE(reaches(first));
    CHECK(slot() == first);

    // The peer has more than this standby has replayed: only so far.
    b.ask("SELECT pg_wal_replay_pause()");
    REQUIRE(eventually([&] { return b.ask("SELECT pg_get_wal_replay_pause_state()") == "paused"; }));
    const Lsn replayed = lsn(b, "pg_last_wal_replay_lsn()");
    const Lsn second = write();
    REQUIRE(second > replayed);
    b.control->peers_at({{c.name, second}});
    REQUIRE(reaches(replayed));
    CHECK(slot() == replayed);
    b.ask("SELECT pg_wal_replay_resume()");
    REQUIRE(reaches(second));
    CHECK(slot() == second);

    // A late acknowledgement takes nothing back.
    const Lsn third = write();
    REQUIRE(replays(third));
    b.control->peers_at({{a.name, third}, {c.name, first}});
    REQUIRE(cluster.until(b, [&](const Facts&) {
        return lsn(b, "SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = '" + slot_name(a.name) + "'") >=
               third;
    }));
    CHECK(slot() == second);
    CHECK(cluster.facts(b).trouble.empty());
}

TEST_CASE("a restore_command is gone with the fence, and a promotion asks none") {
    Cluster cluster(2);
    cluster.bring_up();
    TestNode& b = cluster[2];
    const std::string calls = b.dir + "/calls";
    set(b, "restore_command", "echo %f >> " + calls + "; false");
    REQUIRE(eventually([&] { return !b.ask("SHOW restore_command").empty(); }));
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    CHECK(b.ask("SHOW restore_command").empty());
    CHECK(read_text(b.data("postgresql.auto.conf")).find("restore_command") == std::string::npos);
    std::filesystem::remove(calls);

    // Somebody sets it again between the fence and the promotion.
    SECTION("nobody sets it again") {
        REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(0, {})}));
        CHECK_FALSE(file_exists(calls));
    }
    SECTION("somebody sets it again between the fence and the promotion") {
        set(b, "restore_command", "echo %f >> " + calls + "; false");
        REQUIRE(eventually([&] { return !b.ask("SHOW restore_command").empty(); }));
        REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(0, {})}));
        CHECK(b.ask("SHOW restore_command").empty());
    }
    CHECK(cluster.facts(b).timeline == Timeline{2});
}

TEST_CASE("an unfenced standby past the fork never follows, whatever its walsender says: it must be in no rule") {
    Cluster cluster(3);
    cluster.bring_up();
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    a.ask("CREATE TABLE t (i int)");
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    a.ask("INSERT INTO t SELECT generate_series(1, 1000)");
    const Lsn ahead = lsn(a, "pg_current_wal_flush_lsn()");
    REQUIRE(eventually([&] { return lsn(c, "pg_last_wal_replay_lsn()") >= ahead; }));
    REQUIRE(::kill(a.postmaster(), SIGKILL) == 0);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
    REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(1, {&c})}));
    const Lsn fork = cluster.facts(b).forks.at(0).end;
    REQUIRE(fork < ahead);

    REQUIRE(cluster.perform(c, Follow{cluster.layout(c), b.name}));
    Sql client = b.sql();
    client.send("INSERT INTO t VALUES (0)");
    // It tries, and is refused, again and again.
    const auto said = [&] {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(c.dir))
            if (entry.is_regular_file() && entry.path().string().find("log") != std::string::npos &&
                read_text(entry.path()).find("forked off current database system timeline") != std::string::npos)
                return true;
        return false;
    };
    CHECK(eventually(said));
    // At the end of the old timeline its walsender counts as streaming for a moment, with the replay of the old
    // timeline as its position: PostgreSQL may release the commit by that. So the rules keep such a node out, not
    // PostgreSQL.
    (void)client.answered(1000);
    CHECK(lsn(c, "pg_last_wal_replay_lsn()") == ahead);
    CHECK(c.ask("SELECT count(*) FROM t") == "1000");
    CHECK(cluster.facts(c).timeline == Timeline{1});
}

TEST_CASE("application_name: compared without case, cut at 63 bytes, printable ASCII only; and what has to be quoted") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    const std::string long_name(70, 'n');
    CHECK(a.sql("application_name=" + long_name).ask("SHOW application_name") == std::string(63, 'n'));
    // 15 and before make one "?" of each byte, 16 and later "\xc3".
    const std::string other = a.sql("application_name=n\xC3\xB6").ask("SHOW application_name");
    CHECK((other == "n??" || other == "n\\xc3\\xb6"));
    const auto name = member_name(b.incarnation, cluster.layout(a));
    REQUIRE(name);
    CHECK(name->size() <= 63);

    const auto state = [&] { return a.ask("SELECT sync_state FROM pg_stat_replication"); };
    set(a, "synchronous_standby_names", "ANY 1 (\"pgaf someone else\")");
    REQUIRE(eventually([&] { return state() == "async"; }));
    std::string upper = *name;
    for (char& letter : upper) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    REQUIRE(upper != *name);
    set(a, "synchronous_standby_names", "ANY 1 (\"" + upper + "\")");
    REQUIRE(eventually([&] { return state() == "quorum"; }));
    a.ask("INSERT INTO t VALUES (1)");
    for (const std::string wrong : {"ANY 1 (node-1)", "ANY 1 (any)"})
        CHECK_THROWS(a.ask("ALTER SYSTEM SET synchronous_standby_names = '" + wrong + "'"));
    a.ask("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (\"node-1\", \"any\")'");
}

TEST_CASE("a receiver that has just been asked for says its segment's start, below the replay, and the end is exact") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t AS SELECT generate_series(1, 5000) AS i");
    const Lsn acknowledged = lsn(a, "pg_current_wal_flush_lsn()");
    REQUIRE(eventually([&] { return lsn(b, "pg_last_wal_replay_lsn()") >= acknowledged; }));
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    const Facts stopped = cluster.facts(b);
    REQUIRE(stopped.end >= acknowledged);
    REQUIRE(stopped.end.v % stopped.wal_segment_bytes != 0);
    // The primary takes the connection and answers nothing.
    const pid_t primary = a.postmaster();
    REQUIRE(::kill(primary, SIGSTOP) == 0);
    REQUIRE(cluster.perform(b, StartStandby{cluster.layout(b), a.name}));
    REQUIRE(eventually([&] { return lsn(b, "pg_last_wal_receive_lsn()").v != 0; }));
    const Lsn received = lsn(b, "pg_last_wal_receive_lsn()");
    const Lsn replayed = lsn(b, "pg_last_wal_replay_lsn()");
    CHECK(received.v % stopped.wal_segment_bytes == 0);
    CHECK(received < replayed);
    CHECK(replayed >= acknowledged);
    CHECK(cluster.facts(b).end >= replayed);
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    const Facts fenced = cluster.facts(b);
    CHECK(fenced.end_exact);
    CHECK(fenced.end == stopped.end);
    CHECK(fenced.complete == stopped.complete);
    ::kill(primary, SIGCONT);
}

TEST_CASE("a postmaster that stands still while its sessions go on is stuck, and no longer when it goes on") {
    Cluster cluster(1);
    cluster.bring_up();
    TestNode& a = cluster[1];
    a.config.stuck_limit = Millis{2000};
    cluster.restart_keeper(a);
    const auto has = [&](PgStatus status) {
        return cluster.until(a, [&](const Facts& f) { return f.status == status; });
    };
    REQUIRE(has(PgStatus::running));
    REQUIRE(::kill(a.postmaster(), SIGSTOP) == 0);
    const bool noticed = has(PgStatus::stuck);
    const Facts facts = cluster.facts(a);
    REQUIRE(::kill(a.postmaster(), SIGCONT) == 0);
    REQUIRE(noticed);
    // The keeper's own session is one of those that go on.
    CHECK(facts.timeline == Timeline{1});
    CHECK_THAT(facts.trouble, Catch::StartsWith("no new session for "));
    CHECK(has(PgStatus::running));
}

TEST_CASE("what server, role and database have as defaults for sessions is nothing to the keeper's own") {
    Cluster cluster(2);
    cluster.bring_up();
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("ALTER DATABASE postgres SET default_transaction_deferrable = on");
    a.ask("ALTER ROLE CURRENT_USER SET lock_timeout = '1ms'");
    a.ask("ALTER ROLE CURRENT_USER SET default_transaction_isolation = 'serializable'");
    a.ask("ALTER ROLE CURRENT_USER SET default_transaction_read_only = on");
    const Lsn set = lsn(a, "pg_current_wal_flush_lsn()");
    REQUIRE(cluster.until(b, [&](const Facts& f) { return f.replayed >= set; }));
    // A standby answers no serializable session at all.
    CHECK_THROWS(b.ask("SELECT 1"));
    cluster.restart_keeper(b);
    REQUIRE(cluster.until(b, [](const Facts& f) { return f.receiver.streaming && f.trouble.empty(); }));
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(0, {})}));
    REQUIRE(cluster.perform(b, OpenToClients{cluster.layout(b), cluster.rule(0, {})}));
    CHECK(cluster.facts(b).trouble.empty());
    CHECK(b.ask("SHOW transaction_isolation") == "serializable");
}

TEST_CASE("a look during which recovery ends is made again: one part of it is an error then") {
    Cluster cluster(1);
    cluster.bring_up();
    TestNode& a = cluster[1];
    a.ask("CREATE SEQUENCE looks");
    a.ask(
        "CREATE FUNCTION public.pg_is_in_recovery() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('looks') = 1 THEN RAISE 'recovery is not in progress'; END IF; RETURN false; END $$");
    std::optional<Result<ServerView>> seen;
    boost::asio::co_spawn(
        cluster.io,
        [&]() -> boost::asio::awaitable<void> {
            Connection connection(cluster.io.get_executor());
            REQUIRE(co_await connection.open(local_conninfo(a.config, "pgaf-test"), Millis{5000}));
            REQUIRE(co_await connection.query("SET search_path = public, pg_catalog", Millis{5000}));
            seen = co_await look(connection, Millis{5000});
        },
        boost::asio::detached);
    REQUIRE(eventually([&] {
        cluster.facts(a);
        return seen.has_value();
    }));
    CHECK(*seen);
    CHECK(a.ask("SELECT last_value FROM looks") == "2");
}

}  // namespace pgaf::test
