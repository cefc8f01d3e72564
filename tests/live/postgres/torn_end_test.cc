// The torn end of a survivor that reaches into a later segment than the fork's (R6), with the last checkpoint in the
// fork's segment: all that is complete stays, so the node starts as before and has forgotten nothing.
#include <algorithm>
#include <filesystem>

#include "keeper/postgres/files.h"
#include "keeper/postgres/wal_files.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

constexpr std::uint64_t segment = 16U << 20;

/// node1 dies in the middle of a long record, of which node2 has nothing and node3 a part that fills a segment. Answers
/// the place where the record begins.
Lsn tear(Cluster& cluster) {
    TestNode& a = cluster[1];
    TestNode& c = cluster[3];
    a.ask("CREATE TABLE t (i int)");
    a.ask("SELECT pg_switch_wal()");
    a.ask("CHECKPOINT");
    // A snapshot of running transactions would be another complete record.
    const pid_t writer = a.process("background writer");
    REQUIRE(::kill(writer, SIGSTOP) == 0);
    const std::string at = a.ask("SELECT pg_current_wal_flush_lsn()");
    for (TestNode* standby : {&cluster[2], &c})
        REQUIRE(eventually([&] { return standby->ask("SELECT pg_last_wal_replay_lsn() >= '" + at + "'") == "t"; }));
    c.ask("CHECKPOINT");
    REQUIRE(cluster.perform(cluster[2], Fence{cluster.layout(cluster[2])}));
    const Lsn begin = cluster.facts(cluster[2]).complete;
    a.ask("SELECT pg_logical_emit_message(false, 'test', repeat('x', 40000000))");
    const std::string end = a.ask("SELECT pg_switch_wal()");
    REQUIRE(eventually([&] { return c.ask("SELECT pg_last_wal_receive_lsn() >= '" + end + "'") == "t"; }));
    REQUIRE(::kill(a.postmaster(), SIGKILL) == 0);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
    REQUIRE(cluster.perform(c, Stop{StopMode::immediate}));
    // Only the first of the segments that the record goes on into.
    for (std::uint64_t number = begin.v / segment + 2; number <= begin.v / segment + 4; ++number)
        std::filesystem::remove(c.data("pg_wal/" + segment_name(Timeline{1}, number, segment)));
    return begin;
}

}  // namespace

TEST_CASE("a torn end that reaches into a later segment is moved away, up to the last complete record (R6)") {
    Cluster cluster(3);
    cluster.bring_up();
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    const Lsn begin = tear(cluster);
    const Facts torn = cluster.facts(c);
    REQUIRE(torn.end_exact);
    REQUIRE(torn.complete == begin);
    CHECK(torn.end.v == (begin.v / segment + 2) * segment);
    CHECK(torn.checkpoint_timeline == Timeline{1});
    CHECK(torn.replayed.v / segment == begin.v / segment);  // the redo pointer: the checkpoint lies in that segment

    REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(0, {})}));
    const Lsn fork = cluster.facts(b).forks.at(0).end;
    CHECK(fork == begin);
    REQUIRE(cluster.perform(c, DropTornTail{Timeline{1}, fork}));
    const Facts whole = cluster.facts(c);
    CHECK(whole.end_exact);
    CHECK(whole.complete == begin);
    CHECK(whole.end == begin);
    CHECK(whole.folder_incarnation == torn.folder_incarnation);
    const auto kept = list_folder(c.config.state_dir + "/wal-kept");
    REQUIRE(kept.size() == 1);
    CHECK(whole.rebuilt.find("freed of a torn end of WAL") == 0);
    CHECK(whole.rebuilt.find("WAL " + begin.text() + " to ") != std::string::npos);
    CHECK(whole.rebuilt.ends_with(" is kept in " + c.config.state_dir + "/wal-kept/" + kept[0]));
    // The record's part is what was kept.
    const Outcome dump = run_command({postgres_bin() + "/pg_waldump", "--start=" + begin.text(),
                                      "--path=" + c.config.state_dir + "/wal-kept/" + kept[0]});
    CHECK(dump.output.find("could not find file \"" + segment_name(Timeline{1}, begin.v / segment + 2, segment)) !=
          std::string::npos);

    // It starts, follows the new timeline, and what it acknowledges it has.
    REQUIRE(cluster.perform(b, OpenToClients{cluster.layout(b), cluster.rule(0, {})}));
    REQUIRE(cluster.perform(c, StartStandby{cluster.layout(c), b.name}));
    REQUIRE(cluster.until_streaming(b, c));
    REQUIRE(cluster.perform(b, ApplyRule{cluster.layout(b), cluster.rule(1, {&c})}));
    b.ask("INSERT INTO t VALUES (1)");
    CHECK(eventually([&] { return c.ask("SELECT count(*) FROM t") == "1"; }));
    REQUIRE(cluster.perform(c, Stop{StopMode::immediate}));
    const Facts after = cluster.facts(c);
    CHECK(after.timeline == Timeline{2});
    CHECK(after.complete > begin);
    const std::string first = segment_name(Timeline{2}, begin.v / segment, segment);
    CHECK(read_text(c.data("pg_wal/" + first)).substr(0, after.complete.v % segment) ==
          read_text(b.data("pg_wal/" + first)).substr(0, after.complete.v % segment));
}

TEST_CASE("a standby started on a torn end shows where its receiver asks for WAL, also before anybody sends any (R6)") {
    Cluster cluster(3);
    cluster.bring_up();
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    const Lsn begin = tear(cluster);
    const Lsn torn = cluster.facts(c).end;
    REQUIRE(torn.v / segment > begin.v / segment);
    // Where the cluster left this timeline is not known yet, so nothing is moved away.
    REQUIRE(cluster.perform(c, StartStandby{cluster.layout(c), b.name}));
    REQUIRE(cluster.until(c, [&](const Facts& f) { return f.status == PgStatus::running && f.end == torn; }));
    CHECK(cluster.facts(c).replayed == begin);

    REQUIRE(cluster.perform(c, Stop{StopMode::fast}));
    REQUIRE(cluster.facts(c).end == torn);
    REQUIRE(cluster.perform(c, DropTornTail{Timeline{1}, begin}));
    REQUIRE(cluster.facts(c).end == begin);
    REQUIRE(cluster.perform(c, StartStandby{cluster.layout(c), b.name}));
    CHECK(cluster.facts(c).end == begin);
}

TEST_CASE("a torn end is not moved away when the WAL is not what was decided on") {
    Cluster cluster(3);
    cluster.bring_up();
    TestNode& c = cluster[3];
    const Lsn begin = tear(cluster);
    const auto done = cluster.perform(c, DropTornTail{Timeline{1}, Lsn{begin.v - 8}});
    REQUIRE_FALSE(done);
    CHECK(done.error().message.find("its WAL has changed") == 0);
    CHECK(cluster.facts(c).end.v == (begin.v / segment + 2) * segment);
    CHECK(list_folder(c.config.state_dir + "/wal-kept").empty());
}

}  // namespace pgaf::test
