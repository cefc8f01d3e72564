// A record that is torn in a later segment than it began in, from the primary's crash to the survivors' rejoin (R6,
// I10).
#include <filesystem>

#include "keeper/postgres/settings.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

pid_t walsender_of(TestNode& node, const TestNode& standby) {
    return std::atoi(
        node.ask("SELECT pid FROM pg_stat_replication WHERE application_name LIKE '%" + standby.name.v + "%'").c_str());
}

std::uint64_t segment_of(const Facts& facts, Lsn at) {
    return at.v / facts.wal_segment_bytes;
}

/// node1 dies within a long record, of which node2 has received some segments and the others nothing.
void tear(Cluster& cluster, const std::vector<TestNode*>& others) {
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    a.ask("INSERT INTO t VALUES (1)");
    const Lsn written = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()")).value();
    for (TestNode* node : others) {
        REQUIRE(cluster.until(*node, [&](const Facts& f) { return f.end >= written; }));
        REQUIRE(::kill(walsender_of(a, *node), SIGSTOP) == 0);
    }
    // The backend itself flushes whole segments only; what follows them is the WAL writer's.
    REQUIRE(::kill(a.process("walwriter"), SIGSTOP) == 0);
    a.ask("SELECT pg_logical_emit_message(false, 'test', repeat('x', 40000000))");
    REQUIRE(cluster.until(b, [&](const Facts& f) { return segment_of(f, f.end) > segment_of(f, written); }));
    REQUIRE(::kill(a.postmaster(), SIGKILL) == 0);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
}

}  // namespace

TEST_CASE("a candidate offers its torn tail to those who follow it until it is restarted (R6)") {
    Cluster cluster(4);
    cluster.bring_up();
    TestNode& b = cluster[2];
    TestNode& c = cluster[3];
    TestNode& d = cluster[4];
    tear(cluster, {&c, &d});
    for (TestNode* node : {&b, &c, &d}) REQUIRE(cluster.perform(*node, Fence{cluster.layout(*node)}));
    const Facts torn = cluster.facts(b);
    REQUIRE(torn.end_exact);
    REQUIRE(segment_of(torn, torn.end) > segment_of(torn, torn.complete));
    const Facts survivor = cluster.facts(c);
    CHECK(survivor.complete == torn.complete);
    CHECK(segment_of(survivor, survivor.end) == segment_of(torn, torn.complete));
    // PostgreSQL sends what was once received, torn or not, also when the receiver is long gone.
    REQUIRE(cluster.perform(d, Follow{cluster.layout(d), b.name}));
    CHECK(cluster.until(d, [&](const Facts& f) { return segment_of(f, f.end) > segment_of(torn, torn.complete); }));

    REQUIRE(cluster.perform(d, Stop{StopMode::immediate}));

    // So the keeper restarts it before it is pointed at: then it offers what it has replayed.
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    const Facts stopped = cluster.facts(b);
    CHECK(stopped.complete == torn.complete);
    CHECK(segment_of(torn, stopped.end) > segment_of(torn, torn.complete));
    REQUIRE(cluster.perform(b, StartStandby{cluster.layout(b), {}}));
    REQUIRE(cluster.perform(c, Follow{cluster.layout(c), b.name}));
    REQUIRE(cluster.until_streaming(b, c));
    CHECK(cluster.facts(c).end == std::max(survivor.end, torn.complete));
    REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(1, {&c})}));
    CHECK(cluster.facts(b).forks.at(0).end == torn.complete);
    Sql client = b.sql();
    client.send("INSERT INTO t VALUES (2)");
    REQUIRE(client.answered(10'000));
    REQUIRE(cluster.until(c, [](const Facts& f) { return f.timeline == Timeline{2} && f.receiver.streaming; }));
    CHECK(eventually([&] { return c.ask("SELECT count(*) FROM t") == "2"; }));

    // d has the tail: it is moved away, and d streams over the fork.
    const Facts tail = cluster.facts(d);
    CHECK(tail.complete == torn.complete);
    REQUIRE(segment_of(torn, tail.end) > segment_of(torn, torn.complete));
    REQUIRE(cluster.perform(d, DropTornTail{Timeline{1}, torn.complete}));
    REQUIRE(cluster.perform(d, StartStandby{cluster.layout(d), b.name}));
    REQUIRE(cluster.until(d, [](const Facts& f) { return f.timeline == Timeline{2} && f.receiver.streaming; }));
    CHECK(eventually([&] { return d.ask("SELECT count(*) FROM t") == "2"; }));
    // Whole also after a restart: nothing that it acknowledged is missing on its disk.
    b.ask("INSERT INTO t VALUES (3)");
    const Lsn end = Lsn::parse(b.ask("SELECT pg_current_wal_flush_lsn()")).value();
    for (TestNode* node : {&c, &d}) {
        REQUIRE(cluster.until(*node, [&](const Facts& f) { return f.end >= end; }));
        REQUIRE(cluster.perform(*node, Stop{StopMode::immediate}));
        CHECK(cluster.facts(*node).complete >= end);
        CHECK(cluster.facts(*node).timeline == Timeline{2});
        REQUIRE(cluster.perform(*node, StartStandby{cluster.layout(*node), b.name}));
        CHECK(node->ask("SELECT count(*) FROM t") == "3");
    }
}

}  // namespace pgaf::test
