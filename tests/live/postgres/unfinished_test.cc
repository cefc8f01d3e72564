// A survivor follows a new primary and gets the segment in which the fork lies from its start again, into a file of the
// new timeline. The new primary dies meanwhile: the file ends before what the older timeline's file has.
#include "keeper/postgres/files.h"
#include "keeper/postgres/history.h"
#include "keeper/postgres/wal_files.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

constexpr std::uint64_t segment = 16U << 20;

struct Broken {
    Lsn fork;
    std::string file;
};

/// node1 is gone with three rows that all have; node2 was promoted and is gone too. node3 had begun to follow it: it
/// has the history file, and of the new timeline's segment what stood before the second row. It runs, without a
/// receiver.
Broken break_off_survivor(Cluster& cluster) {
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    a.ask("CREATE TABLE t (i int)");
    a.ask("INSERT INTO t VALUES (1)");
    const Lsn early = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()")).value();
    a.ask("INSERT INTO t VALUES (2)");
    a.ask("INSERT INTO t VALUES (3)");
    REQUIRE(cluster.perform(a, Stop{StopMode::immediate}));
    const Lsn end = cluster.facts(a).complete;
    for (TestNode* node : {&b, &c}) {
        REQUIRE(cluster.until(*node, [&](const Facts& f) { return f.end >= end; }));
        REQUIRE(cluster.perform(*node, Fence{cluster.layout(*node)}));
    }
    REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(0, {})}));
    const Lsn fork = cluster.facts(b).forks.at(0).end;
    REQUIRE(fork == end);
    REQUIRE(early.v / segment == fork.v / segment);
    const std::string history = history_file_name(Timeline{2});
    write_text(c.data("pg_wal/" + history), read_text(b.data("pg_wal/" + history)));
    const std::string name = segment_name(Timeline{2}, fork.v / segment, segment);
    const std::string whole = read_text(b.data("pg_wal/" + name));
    write_text(c.data("pg_wal/" + name),
               whole.substr(0, early.v % segment) + std::string(segment - early.v % segment, '\0'));
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    return {fork, name};
}

/// All that was acknowledged is there when it is promoted in its turn.
void check_promotion(Cluster& cluster, const Broken& broken) {
    TestNode& c = cluster[3];
    const Facts stopped = cluster.facts(c);
    REQUIRE(stopped.status == PgStatus::stopped);
    REQUIRE(stopped.end_exact);
    CHECK(stopped.complete == broken.fork);
    CHECK(stopped.end == broken.fork);
    CHECK(stopped.timeline == Timeline{1});
    REQUIRE(cluster.perform(c, StartStandby{cluster.layout(c), {}}));
    CHECK_FALSE(file_exists(c.data("pg_wal/" + broken.file)));
    REQUIRE(cluster.perform(c, Fence{cluster.layout(c)}));
    CHECK(cluster.facts(c).end == broken.fork);
    REQUIRE(cluster.perform(c, Promote{cluster.layout(c), Timeline{3}, cluster.rule(0, {})}));
    REQUIRE(cluster.perform(c, OpenToClients{cluster.layout(c), cluster.rule(0, {})}));
    CHECK(c.ask("SELECT count(*) FROM t") == "3");
}

}  // namespace

TEST_CASE("a stopped survivor whose segment was being received again has all that it had before (R4)") {
    Cluster cluster(3);
    cluster.bring_up_synchronous(1);
    const Broken broken = break_off_survivor(cluster);
    REQUIRE(cluster.perform(cluster[3], Stop{StopMode::immediate}));
    check_promotion(cluster, broken);
}

TEST_CASE("a running survivor whose segment was being received again is not fenced before it was restarted (R4)") {
    Cluster cluster(3);
    cluster.bring_up_synchronous(1);
    TestNode& c = cluster[3];
    const Broken broken = break_off_survivor(cluster);
    const auto fenced = cluster.perform(c, Fence{cluster.layout(c)});
    REQUIRE_FALSE(fenced);
    CHECK(fenced.error().message.find(broken.file + " in pg_wal was being received and ends before") == 0);
    CHECK_FALSE(cluster.facts(c).end_exact);
    REQUIRE(cluster.perform(c, Stop{StopMode::immediate}));
    check_promotion(cluster, broken);
}

}  // namespace pgaf::test
