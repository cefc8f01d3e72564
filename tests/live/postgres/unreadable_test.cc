// WAL that is there and can't be read: the end of WAL is not known then, and never takes a shorter one's place (R4).
#include <sys/stat.h>

#include <filesystem>

#include "keeper/postgres/wal_files.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

/// Path of the segment of timeline 1 that holds what lies before `end`.
std::string segment_before(const TestNode& node, Lsn end, std::uint64_t segment_bytes) {
    return node.data("pg_wal/" + segment_name(Timeline{1}, (end.v - 1) / segment_bytes, segment_bytes));
}

}  // namespace

TEST_CASE("a stopped server whose newest segment can't be read has no known end, until it can be read again (R4)") {
    Cluster cluster(1);
    cluster.bring_up();
    TestNode& a = cluster[1];
    a.ask("CREATE TABLE t (i int)");
    a.ask("SELECT pg_switch_wal()");
    a.ask("INSERT INTO t VALUES (1)");
    const Lsn acknowledged = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()")).value();
    const std::string newest = segment_before(a, acknowledged, 16U << 20);
    REQUIRE(::chmod(newest.c_str(), 0) == 0);
    REQUIRE(cluster.perform(a, Stop{StopMode::immediate}));
    for (int look = 0; look < 2; ++look) {
        const Facts unknown = cluster.facts(a);
        CHECK(unknown.status == PgStatus::stopped);
        CHECK_FALSE(unknown.end_exact);
        CHECK(unknown.end.empty());
        CHECK(unknown.complete.empty());
        CHECK(unknown.trouble.find(newest + ": Permission denied; it must belong to") != std::string::npos);
    }
    REQUIRE(::chmod(newest.c_str(), 0600) == 0);
    const Facts known = cluster.facts(a);
    CHECK(known.end_exact);
    CHECK(known.complete >= acknowledged);
    CHECK(known.trouble.empty());

    // It was known, and is not any more: a folder in the segment's place opens, and can't be read.
    std::filesystem::rename(newest, newest + ".away");
    std::filesystem::create_directory(newest);
    const Facts folder = cluster.facts(a);
    CHECK_FALSE(folder.end_exact);
    CHECK(folder.end.empty());
    CHECK(folder.trouble.find(newest + ": Is a directory") != std::string::npos);
    std::filesystem::remove(newest);
    std::filesystem::rename(newest + ".away", newest);
    CHECK(cluster.facts(a).complete == known.complete);
}

TEST_CASE("a pg_wal without any segment is a disk that is not mounted, as long as nobody says otherwise") {
    Cluster cluster(2);
    cluster.bring_up();
    TestNode& b = cluster[2];
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    const Facts known = cluster.facts(b);
    REQUIRE(known.end_exact);
    std::filesystem::rename(b.data("pg_wal"), b.data("pg_wal.away"));
    std::filesystem::create_directory(b.data("pg_wal"));
    const Facts away = cluster.facts(b);
    CHECK_FALSE(away.wal_damaged);
    CHECK_FALSE(away.end_exact);
    CHECK(away.timeline.empty());
    CHECK(away.trouble.find("is its disk mounted?") != std::string::npos);
    std::filesystem::remove(b.data("pg_wal"));
    std::filesystem::rename(b.data("pg_wal.away"), b.data("pg_wal"));
    CHECK(cluster.facts(b).complete == known.complete);
}

TEST_CASE("a standby whose newest segment can't be read is not fenced with a shorter end (R4)") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    b.ask("SELECT pg_wal_replay_pause()");
    REQUIRE(eventually([&] { return b.ask("SELECT pg_get_wal_replay_pause_state()") == "paused"; }));
    a.ask("INSERT INTO t VALUES (1)");
    const Lsn acknowledged = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()")).value();
    const std::string newest = segment_before(b, acknowledged, 16U << 20);
    REQUIRE(::chmod(newest.c_str(), 0) == 0);
    const auto done = cluster.perform(b, Fence{cluster.layout(b)});
    REQUIRE_FALSE(done);
    CHECK(done.error().message.find(newest + ": Permission denied") != std::string::npos);
    CHECK_FALSE(cluster.facts(b).end_exact);
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    CHECK_FALSE(cluster.facts(b).end_exact);
    REQUIRE(::chmod(newest.c_str(), 0600) == 0);
    const Facts known = cluster.facts(b);
    CHECK(known.end_exact);
    CHECK(known.end >= acknowledged);
}

}  // namespace pgaf::test
