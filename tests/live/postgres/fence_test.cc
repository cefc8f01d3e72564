// The fence and the end of WAL: what R4 counts on.
#include <filesystem>
#include <fstream>
#include <thread>

#include "keeper/postgres/control_file.h"
#include "keeper/postgres/settings.h"
#include "keeper/postgres/wal_scan.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

/// Where pg_waldump sees the last complete record of a timeline end: the position that it says the next one should be
/// at.
Lsn waldump_end(const TestNode& node, Timeline timeline, Lsn from) {
    const Outcome dump = run_command({postgres_bin() + "/pg_waldump", "--path=" + node.data("pg_wal"), "--quiet",
                                      "--timeline=" + std::to_string(timeline.v), "--start=" + from.text()});
    const auto at = dump.output.rfind(" at ");
    if (at == std::string::npos) return {};
    const auto end = dump.output.find_first_of(": \n", at + 4);
    return Lsn::parse(dump.output.substr(at + 4, end - at - 4)).value_or(Lsn{});
}

}  // namespace

TEST_CASE("a standby whose start is given up before the launcher has answered is not stopped, and so not fenced (R4)") {
    Cluster cluster(2);
    cluster.bring_up();
    TestNode& b = cluster[2];
    REQUIRE(cluster.perform(b, Stop{StopMode::fast}));
    REQUIRE(cluster.facts(b).end_exact);
    b.launcher.signal(SIGSTOP);
    const auto given_up = cluster.perform_cancelled(b, StartStandby{cluster.layout(b), cluster[1].name}, 300, [&] {
        const Facts meanwhile = cluster.facts(b);
        CHECK(meanwhile.status == PgStatus::starting);
        CHECK_FALSE(meanwhile.end_exact);
        b.launcher.signal(SIGCONT);
    });
    CHECK_FALSE(given_up);
    // The launcher went on with it. No look has shown the server stopped in between, so none was taken for its last.
    CHECK(cluster.facts(b).status != PgStatus::stopped);
    CHECK(cluster.until(b, [](const Facts& f) { return f.receiver.streaming; }));
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    CHECK(cluster.facts(b).end_exact);
}

TEST_CASE("a fence while replay is paused ends the receiver, and nothing is acknowledged after it (R4)") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    b.ask("SELECT pg_wal_replay_pause()");
    REQUIRE(eventually([&] { return b.ask("SELECT pg_get_wal_replay_pause_state()") == "paused"; }));
    a.ask("INSERT INTO t SELECT generate_series(1, 1000)");
    const Lsn acknowledged = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()")).value();
    // What the server does by itself is not enough: with replay paused the receiver outlives a reload.
    const double took = milliseconds([&] { REQUIRE(cluster.perform(b, Fence{cluster.layout(b)})); });
    CHECK(took < 1000);
    CHECK(b.process("walreceiver") == 0);
    CHECK(b.ask("SHOW primary_conninfo").empty());
    const Facts fenced = cluster.facts(b);
    CHECK(fenced.end_exact);
    CHECK(fenced.end >= acknowledged);
    CHECK(fenced.complete >= acknowledged);
    CHECK(fenced.replayed < acknowledged);
    CHECK(fenced.following.empty());
    CHECK_FALSE(fenced.receiver.streaming);
    CHECK(fenced.timeline == Timeline{1});

    Sql client = a.sql();
    client.send("INSERT INTO t VALUES (0)");
    CHECK_FALSE(client.answered(1500));
    CHECK(b.process("walreceiver") == 0);
    CHECK(cluster.facts(b).end == fenced.end);

    // A false alarm: pointed back by reload, and the commit that waited goes through. No restart.
    const pid_t postmaster = b.postmaster();
    REQUIRE(cluster.perform(b, Follow{cluster.layout(b), a.name}));
    CHECK_FALSE(client.answered(300));
    CHECK(cluster.facts(b).replay_paused);
    REQUIRE(cluster.perform(b, ResumeReplay{}));
    CHECK(client.answered(5000));
    CHECK(client.notices.empty());
    CHECK_FALSE(cluster.facts(b).replay_paused);
    CHECK(cluster.facts(b).trouble.empty());
    CHECK(b.postmaster() == postmaster);
    CHECK_FALSE(cluster.facts(b).end_exact);
    WARN("fence with paused replay: " << took << " ms");
}

TEST_CASE("a fence of a streaming standby is quick, and a second keeper's fence finds the same end") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& b = cluster[2];
    cluster[1].ask("CREATE TABLE t AS SELECT generate_series(1, 20000) AS i");
    const Lsn acknowledged = Lsn::parse(cluster[1].ask("SELECT pg_current_wal_flush_lsn()")).value();
    const double took = milliseconds([&] { REQUIRE(cluster.perform(b, Fence{cluster.layout(b)})); });
    CHECK(took < 1000);
    const Facts first = cluster.facts(b);
    CHECK(first.end >= acknowledged);
    cluster.restart_keeper(b);
    REQUIRE(cluster.until(b, [](const Facts& f) { return f.status == PgStatus::running; }));
    CHECK_FALSE(cluster.facts(b).end_exact);
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    const Facts second = cluster.facts(b);
    CHECK(second.end_exact);
    CHECK(second.end == first.end);
    CHECK(second.complete == first.complete);
    WARN("fence: " << took << " ms");
}

TEST_CASE("after a restart pg_last_wal_receive_lsn says nothing, and the end is exact all the same") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t AS SELECT generate_series(1, 5000) AS i");
    b.ask("SELECT pg_wal_replay_pause()");
    a.ask("INSERT INTO t SELECT generate_series(1, 5000)");
    const Lsn acknowledged = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()")).value();
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    const Facts stopped = cluster.facts(b);
    CHECK(stopped.end_exact);
    CHECK(stopped.end >= acknowledged);
    CHECK(stopped.complete == waldump_end(b, Timeline{1}, stopped.replayed));

    REQUIRE(cluster.perform(b, StartStandby{cluster.layout(b), {}}));
    CHECK(b.ask("SELECT coalesce(pg_last_wal_receive_lsn()::text, 'null')") == "null");
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    const Facts fenced = cluster.facts(b);
    CHECK(fenced.end_exact);
    CHECK(fenced.complete == stopped.complete);
    CHECK(fenced.end >= acknowledged);
    CHECK(fenced.timeline == Timeline{1});
}

TEST_CASE("the end of WAL of a crashed server is where pg_waldump sees it, torn tail or not") {
    Cluster cluster(1);
    cluster.bring_up();
    TestNode& a = cluster[1];
    a.ask("CREATE TABLE t (i int, x text)");
    a.ask("INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 60000) i");
    REQUIRE(cluster.perform(a, Stop{StopMode::immediate}));
    const Facts before = cluster.facts(a);
    CHECK(before.complete == waldump_end(a, Timeline{1}, before.replayed));
    CHECK(before.end == before.complete);

    // Tear the tail: the last page that was written loses its second half, as a crash in mid-write would leave it.
    const Lsn cut{before.complete.v - 3000};
    std::fstream segment(a.data("pg_wal/0000000100000000" +
                                [&] {
                                    char name[16];
                                    std::snprintf(name, sizeof name, "%08X", static_cast<unsigned>(cut.v >> 24));
                                    return std::string(name);
                                }()),
                         std::ios::in | std::ios::out | std::ios::binary);
    segment.seekp(static_cast<std::streamoff>(cut.v & 0xFFFFFF));
    segment << std::string(3000, '\0');
    segment.close();
    cluster.restart_keeper(a);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
    const Facts torn = cluster.facts(a);
    CHECK(torn.complete <= cut);
    CHECK(torn.complete.v > cut.v - 8192);
    const Lsn dumped = waldump_end(a, Timeline{1}, torn.replayed);
    CHECK(torn.complete == dumped);

    // PostgreSQL recovers to exactly there: its end-of-recovery checkpoint is the next record.
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    const Outcome dump = run_command(
        {postgres_bin() + "/pg_waldump", "--path=" + a.data("pg_wal"), "--limit=1", "--start=" + torn.complete.text()});
    CHECK(dump.output.find("CHECKPOINT_SHUTDOWN") != std::string::npos);
    CHECK(dump.output.find("lsn: " + torn.complete.text().substr(0, 2)) != std::string::npos);
}

TEST_CASE("a record that was torn at the end of a segment reaches into the next one (R6)") {
    Cluster cluster(1);
    cluster.bring_up();
    TestNode& a = cluster[1];
    a.ask("SELECT pg_switch_wal()");
    a.ask("SELECT pg_logical_emit_message(true, 'test', repeat('x', 40000000))");
    const Lsn end = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()")).value();
    REQUIRE(cluster.perform(a, Stop{StopMode::immediate}));
    const Facts whole = cluster.facts(a);
    REQUIRE(whole.complete >= end);
    const std::uint64_t segment = whole.wal_segment_bytes;
    const Lsn boundary{end.v / segment * segment};
    char name[32];
    std::snprintf(name, sizeof name, "0000000100000000%08X", static_cast<unsigned>(boundary.v / segment));
    REQUIRE(std::filesystem::remove(a.data(std::string("pg_wal/") + name)));
    const Facts torn = cluster.facts(a);
    CHECK(torn.end_exact);
    CHECK(torn.end == boundary);
    CHECK(torn.complete.v / segment < boundary.v / segment);

    // PostgreSQL gives the torn record up there, and what it writes from then on is read over it.
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    a.ask("SET synchronous_commit = local; CREATE TABLE t (i int)");
    const Lsn written = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()")).value();
    REQUIRE(cluster.perform(a, Stop{StopMode::immediate}));
    const Facts after = cluster.facts(a);
    CHECK(after.complete >= written);
    const Outcome dump = run_command({postgres_bin() + "/pg_waldump", "--path=" + a.data("pg_wal"),
                                      "--start=" + torn.complete.text(), "--end=" + after.complete.text()});
    CHECK(dump.output.find("OVERWRITE_CONTRECORD") != std::string::npos);
    WalScan scan;
    scan.wal_dir = a.data("pg_wal");
    scan.timeline = Timeline{1};
    scan.anchor = scan.from = torn.complete;
    const auto found = find_wal_end(scan);
    REQUIRE(found);
    CHECK(found->complete == after.complete);
}

TEST_CASE("pg_control is read as pg_controldata reads it") {
    Cluster cluster(1);
    cluster.bring_up();
    TestNode& a = cluster[1];
    const auto check = [&](DbState state, const std::string& word) {
        const auto control = read_control_file(a.config.data_dir);
        REQUIRE(control);
        const Outcome told =
            run_command({"/usr/bin/env", "LC_ALL=C", postgres_bin() + "/pg_controldata", a.config.data_dir});
        const auto says = [&](const std::string& label, const std::string& value) {
            const auto at = told.output.find(label);
            REQUIRE(at != std::string::npos);
            const std::string line = told.output.substr(at, told.output.find('\n', at) - at);
            INFO(line);
            CHECK(line.ends_with(" " + value));
        };
        CHECK(control->state == state);
        says("Database system identifier:", control->system_id.v);
        says("Database cluster state:", word);
        says("Latest checkpoint location:", control->checkpoint.text());
        says("Latest checkpoint's REDO location:", control->redo.text());
        says("Latest checkpoint's TimeLineID:", std::to_string(control->timeline.v));
    };
    check(DbState::in_production, "production");
    a.ask("CREATE TABLE t AS SELECT generate_series(1, 100) AS i");
    a.ask("CHECKPOINT");
    check(DbState::in_production, "production");
    REQUIRE(cluster.perform(a, Stop{StopMode::fast}));
    check(DbState::shut_down, "down");
}

TEST_CASE("a switch record and an empty segment are no end of WAL") {
    Cluster cluster(1);
    cluster.bring_up();
    TestNode& a = cluster[1];
    a.ask("CREATE TABLE t (i int)");
    a.ask("SELECT pg_switch_wal()");
    a.ask("INSERT INTO t VALUES (1)");
    a.ask("SELECT pg_switch_wal()");
    REQUIRE(cluster.perform(a, Stop{StopMode::immediate}));
    const Facts facts = cluster.facts(a);
    CHECK(facts.complete.v % facts.wal_segment_bytes == 0);
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    CHECK(cluster.facts(a).end > facts.complete);
    CHECK(a.ask("SELECT count(*) FROM t") == "1");
}

}  // namespace pgaf::test
