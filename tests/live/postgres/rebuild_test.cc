// What replaces data: rewind, clone, the torn tail; and what is left behind (Rejoin, R6, R12).
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <future>
#include <thread>

#include "keeper/postgres/files.h"
#include "keeper/postgres/settings.h"
#include "keeper/postgres/wal_files.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;
namespace {

/// node1 dies with a commit that nobody has; node2 is promoted.
void diverge(Cluster& cluster) {
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    a.ask("INSERT INTO t VALUES (1)");
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    Sql client = a.sql();
    client.send("INSERT INTO t SELECT generate_series(100, 2000)");
    CHECK_FALSE(client.answered(300));
    REQUIRE(::kill(a.postmaster(), SIGKILL) == 0);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
    REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(0, {})}));
}

std::vector<std::string> kept(const TestNode& node) {
    return list_folder(node.config.state_dir + "/wal-kept");
}

}  // namespace

TEST_CASE("a diverged primary is rewound, its WAL is kept, and it streams as another incarnation") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    diverge(cluster);
    b.ask("INSERT INTO t VALUES (2)");
    REQUIRE(cluster.perform(b, Checkpoint{1}));
    CHECK(cluster.facts(b).checkpoint_timeline == Timeline{2});
    const Facts old = cluster.facts(a);
    const Lsn fork = cluster.facts(b).forks.at(0).end;
    REQUIRE(old.end > fork);
    CHECK(old.timeline == Timeline{1});

    const IncarnationId next{random_id()};
    const double took = milliseconds([&] {
        REQUIRE(cluster.perform(a, Rewind{cluster.layout(a), b.name, fork, next, "its WAL went on"}));
    });
    const Facts rewound = cluster.facts(a);
    CHECK(rewound.folder_incarnation == next);
    CHECK_FALSE(rewound.rebuilding);
    CHECK(rewound.in_recovery);
    a.incarnation = next;
    REQUIRE(cluster.perform(b, UpdatePeers{cluster.layout(b)}));
    REQUIRE(cluster.perform(a, StartStandby{cluster.layout(a), b.name}));
    REQUIRE(cluster.until_streaming(b, a));
    CHECK(eventually([&] { return a.ask("SELECT count(*) FROM t") == "2"; }));
    CHECK(a.ask("SHOW port") == std::to_string(a.port));
    REQUIRE(kept(a).size() == 1);
    const std::string folder = a.config.state_dir + "/wal-kept/" + kept(a)[0];
    CHECK(read_text(folder + "/README").find("WAL " + fork.text() + " to " + old.end.text()) == 0);
    const Outcome dump = run_command(
        {postgres_bin() + "/pg_waldump", "--path=" + folder, "--start=" + fork.text(), "--end=" + old.end.text()});
    CHECK(dump.output.find("INSERT") != std::string::npos);
    CHECK(std::any_of(a.progress.begin(), a.progress.end(),
                      [](const std::string& line) { return line.find("is kept in") != line.npos; }));
    CHECK(rewound.rebuilt.find("rewound against node2: its WAL went on; WAL " + fork.text() + " to " + old.end.text() +
                               " is kept in " + folder) == 0);
    WARN("rewind: " << took << " ms");
}

TEST_CASE("a rewind leaves the folder as it is until the disk probe's last write in it has ended") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    diverge(cluster);
    REQUIRE(cluster.perform(cluster[2], Checkpoint{1}));
    const Lsn fork = cluster.facts(cluster[2]).forks.at(0).end;
    // Opening it for writing waits for a reader, as a hung disk would for itself.
    const std::string probe = a.data("pgaf_disk_probe");
    REQUIRE(::mkfifo(probe.c_str(), 0600) == 0);
    a.config.disk_limit = Millis{1};
    cluster.restart_keeper(a);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped && !f.disk.empty(); }));
    // A rewind begins with the settings.
    const std::string untouched = "# as it was\n";
    write_text(a.data("pgaf.conf"), untouched);
    auto looks = std::async(std::launch::async, [&] {
        const bool begun = eventually([&] { return file_exists(a.config.state_dir + "/rebuilding"); });
        const bool touched = eventually([&] { return read_text(a.data("pgaf.conf")) != untouched; }, 200);
        const Fd disk(::open(probe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        std::filesystem::remove(probe);
        return begun && !touched;
    });
    const auto done =
        cluster.perform(a, Rewind{cluster.layout(a), "node2", fork, IncarnationId{random_id()}, "forked"});
    CHECK(looks.get());
    CHECK(done);
}

TEST_CASE("before a checkpoint on the new timeline pg_rewind sees no divergence, and that is no success") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    // The checkpoint that a promotion asks for would come soon.
    const pid_t checkpointer = b.process("checkpointer");
    REQUIRE(::kill(checkpointer, SIGSTOP) == 0);
    diverge(cluster);
    const Facts now = cluster.facts(b);
    CHECK(now.timeline == Timeline{2});
    REQUIRE(now.checkpoint_timeline == Timeline{1});
    const auto done = cluster.perform(
        a, Rewind{cluster.layout(a), b.name, now.forks.at(0).end, IncarnationId{random_id()}, "its WAL went on"});
    REQUIRE_FALSE(done);
    CHECK(done.error().message.find("sees no divergence") != std::string::npos);
    CHECK(cluster.facts(a).rebuilding);
    CHECK_FALSE(cluster.perform(a, StartStandby{cluster.layout(a), b.name}));
    ::kill(checkpointer, SIGCONT);
}

TEST_CASE("a clone replaces diverged data, keeps its WAL, and an interrupted one is noticed") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    diverge(cluster);
    const Facts old = cluster.facts(a);
    const IncarnationId next{random_id()};
    // Interrupted: whatever is there by then is marked, reported, and not started.
    b.ask("CREATE TABLE big AS SELECT i, repeat('x', 900) AS x FROM generate_series(1, 100000) i");
    const auto cut = cluster.perform_cancelled(a, Clone{cluster.layout(a), b.name, next, "pg_rewind failed"}, 150);
    REQUIRE_FALSE(cut);
    const Facts half = cluster.facts(a);
    CHECK(half.rebuilding);
    CHECK(half.status == PgStatus::absent);
    CHECK_FALSE(cluster.perform(a, StartStandby{cluster.layout(a), b.name}));
    cluster.restart_keeper(a);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.launcher_connected; }));
    CHECK(cluster.facts(a).rebuilding);

    REQUIRE(cluster.perform(a, Clone{cluster.layout(a), b.name, next, "an earlier clone was not finished"}));
    const Facts made = cluster.facts(a);
    CHECK_FALSE(made.rebuilding);
    CHECK(made.folder_incarnation == next);
    CHECK(made.in_recovery);
    // What the broken-off one had kept is told by the one that was carried through.
    CHECK(made.rebuilt.find("cloned anew from node2: an earlier clone was not finished; WAL ") == 0);
    CHECK(made.rebuilt.find(old.end.text() + " is kept in " + a.config.state_dir + "/wal-kept/" + kept(a).at(0)) !=
          std::string::npos);
    a.incarnation = next;
    REQUIRE(cluster.perform(a, StartStandby{cluster.layout(a), b.name}));
    REQUIRE(cluster.until_streaming(b, a));
    CHECK(a.ask("SELECT count(*) FROM big") == "100000");
    // Kept once, at the first try, although there were two.
    REQUIRE(kept(a).size() == 1);
    CHECK(kept(a)[0].find(cluster[1].incarnation.v) == std::string::npos);
    CHECK(read_text(a.config.state_dir + "/wal-kept/" + kept(a)[0] + "/README").find(old.end.text()) !=
          std::string::npos);
}

TEST_CASE("a clone refuses what is not PostgreSQL's, a wrong password, and a source that is not there") {
    Cluster cluster(2);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    REQUIRE(cluster.perform(a, Initialise{cluster.layout(a)}));
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    std::filesystem::create_directories(b.config.data_dir);
    write_text(b.data("precious"), "x");
    const Clone step{cluster.layout(b), a.name, b.incarnation, "there is no data folder"};
    CHECK(cluster.perform(b, step).error().message.find("is not empty") != std::string::npos);
    CHECK(read_text(b.data("precious")) == "x");
    std::filesystem::remove(b.data("precious"));
    write_text(b.config.replication_password_file, "wrong\n");
    CHECK(cluster.perform(b, step).error().message.find("password") != std::string::npos);
    CHECK_FALSE(cluster.facts(b).rebuilding);
    REQUIRE(cluster.perform(a, Stop{StopMode::fast}));
    CHECK_FALSE(cluster.perform_cancelled(b, step, 800));
    CHECK(b.progress.back().find("waiting for node1 (127.0.0.1:") == 0);
    CHECK_FALSE(cluster.facts(b).rebuilding);
}

TEST_CASE("WAL that the upstream has removed is told from an upstream that is away") {
    Cluster cluster(2);
    cluster[1].config.parameters["wal_keep_size"] = "0";
    cluster.restart_keeper(cluster[1]);
    REQUIRE(cluster.until(cluster[1], [](const Facts& f) { return f.launcher_connected; }));
    cluster.bring_up();
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    REQUIRE(cluster.perform(a, Stop{StopMode::fast}));
    CHECK_FALSE(cluster.until(
        b, [](const Facts& f) { return !f.wal_gone.empty(); }, 4000));
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(0, {})}));
    a.ask("SELECT pg_drop_replication_slot('pgaf_node2')");
    for (int i = 0; i < 3; ++i) a.ask("INSERT INTO t VALUES (1); SELECT pg_switch_wal()");
    REQUIRE(cluster.perform(a, Checkpoint{1}));
    REQUIRE(cluster.perform(a, UpdatePeers{cluster.layout(a)}));
    REQUIRE(cluster.perform(b, StartStandby{cluster.layout(b), a.name}));
    REQUIRE(cluster.until(
        b, [](const Facts& f) { return !f.wal_gone.empty(); }, 15'000));
    CHECK(cluster.facts(b).wal_gone.find("node1 no longer has the WAL from 0/") == 0);
    REQUIRE(cluster.perform(b, Stop{StopMode::fast}));
    const IncarnationId next{random_id()};
    REQUIRE(cluster.perform(b, Clone{cluster.layout(b), a.name, next, "node1 no longer has the WAL"}));
    b.incarnation = next;
    REQUIRE(cluster.perform(b, StartStandby{cluster.layout(b), a.name}));
    CHECK(eventually([&] { return b.ask("SELECT count(*) FROM t") == "3"; }));
    CHECK(cluster.until(b, [](const Facts& f) { return f.receiver.streaming && f.wal_gone.empty(); }));
}

TEST_CASE("a standby whose replay stands has all WAL in its pg_wal: what the upstream removed of it is not missed") {
    Cluster cluster(2);
    cluster[1].config.parameters["wal_keep_size"] = "0";
    cluster[2].config.parameters["recovery_min_apply_delay"] = "1h";
    for (const int node : {1, 2}) cluster.restart_keeper(cluster[node]);
    for (const int node : {1, 2})
        REQUIRE(cluster.until(cluster[node], [](const Facts& f) { return f.launcher_connected; }));
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int)");
    for (int i = 0; i < 3; ++i) a.ask("INSERT INTO t VALUES (1); SELECT pg_switch_wal()");
    a.ask("INSERT INTO t VALUES (1)");
    const Lsn acknowledged = Lsn::parse(a.ask("SELECT pg_current_wal_flush_lsn()")).value();
    REQUIRE(cluster.perform(b, Stop{StopMode::immediate}));
    REQUIRE(cluster.perform(a, Checkpoint{1}));
    REQUIRE(cluster.perform(b, StartStandby{cluster.layout(b), a.name}));
    const Facts stands = cluster.facts(b);
    REQUIRE(stands.end < acknowledged);
    REQUIRE_FALSE(std::filesystem::exists(a.data("pg_wal/" + segment_name(Timeline{1}, stands.end.v >> 24, 1U << 24))));
    CHECK_FALSE(cluster.until(
        b, [](const Facts& f) { return !f.wal_gone.empty() || !f.trouble.empty(); }, 5000));

    // Whoever can't read how far it has got does not call it behind.
    const std::string newest = b.data("pg_wal/" + segment_name(Timeline{1}, acknowledged.v >> 24, 1U << 24));
    REQUIRE(::chmod(newest.c_str(), 0) == 0);
    cluster.restart_keeper(b);
    REQUIRE(
        cluster.until(b, [](const Facts& f) { return f.trouble.find("so it is not cloned") != std::string::npos; }));
    CHECK(cluster.facts(b).trouble.find(newest + ": Permission denied") != std::string::npos);
    CHECK(cluster.facts(b).wal_gone.empty());
    REQUIRE(::chmod(newest.c_str(), 0600) == 0);
    REQUIRE(cluster.until(b, [](const Facts& f) { return f.trouble.empty(); }));
    CHECK(cluster.facts(b).wal_gone.empty());

    // What comes after its own WAL is missed.
    a.ask("SELECT pg_drop_replication_slot('pgaf_node2')");
    for (int i = 0; i < 3; ++i)
        a.ask("SET synchronous_commit = local; INSERT INTO t VALUES (1); SELECT pg_switch_wal()");
    REQUIRE(cluster.perform(a, Checkpoint{2}));
    REQUIRE(cluster.until(b, [](const Facts& f) { return !f.wal_gone.empty(); }));
    CHECK(cluster.facts(b).wal_gone.find("node1 no longer has the WAL from ") == 0);
}

TEST_CASE("a source with tablespaces: their paths must be free here, and that is said") {
    Cluster cluster(2);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    REQUIRE(cluster.perform(a, Initialise{cluster.layout(a)}));
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(0, {})}));
    const std::string place = a.dir + "/space";
    std::filesystem::create_directories(place);
    a.ask("CREATE TABLESPACE space LOCATION '" + place + "'");
    a.ask("CREATE TABLE t TABLESPACE space AS SELECT generate_series(1, 100) AS i");
    // On this one machine the path is the source's own, so it is never free.
    const Clone step{cluster.layout(b), a.name, b.incarnation, "there is no data folder"};
    const auto cloned = cluster.perform(b, step);
    REQUIRE_FALSE(cloned);
    CHECK(cloned.error().message.find("tablespaces are copied to the same paths") != std::string::npos);
    CHECK(cluster.facts(b).rebuilding);
    CHECK(a.ask("SELECT count(*) FROM t") == "100");
    // A folder that has tablespaces of its own is not emptied.
    REQUIRE(cluster.perform(a, Stop{StopMode::fast}));
    const Clone over{cluster.layout(a), b.name, IncarnationId{random_id()}, "pg_rewind failed"};
    CHECK(cluster.perform(a, over).error().message.find("has tablespaces outside of it") != std::string::npos);
    CHECK_FALSE(cluster.facts(a).rebuilding);
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(0, {})}));
    a.ask("DROP TABLE t");
    a.ask("DROP TABLESPACE space");
    REQUIRE(cluster.perform(b, step));
    CHECK_FALSE(cluster.facts(b).rebuilding);
}

TEST_CASE("a primary that crashes within a large transaction: none of it is seen, on any node") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    a.ask("CREATE TABLE t (i int, x text)");
    a.ask("INSERT INTO t VALUES (1)");
    Sql open = a.sql();
    open.ask("BEGIN; INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 100000) i; SELECT 1");
    // Committed meanwhile, so it has to survive; and it carries the open one's WAL to the standby.
    a.ask("INSERT INTO t VALUES (2)");
    REQUIRE(::kill(a.postmaster(), SIGKILL) == 0);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
    REQUIRE(cluster.perform(b, Fence{cluster.layout(b)}));
    REQUIRE(cluster.perform(b, Promote{cluster.layout(b), Timeline{2}, cluster.rule(0, {})}));
    CHECK(b.ask("SELECT count(*) FROM t") == "2");
    REQUIRE(cluster.perform(b, Checkpoint{1}));
    const Facts crashed = cluster.facts(a);
    const Lsn fork = cluster.facts(b).forks.at(0).end;
    REQUIRE(crashed.end_exact);
    CHECK(crashed.complete >= fork);
    if (crashed.complete > fork) {
        const IncarnationId next{random_id()};
        REQUIRE(cluster.perform(a, Rewind{cluster.layout(a), b.name, fork, next, "its WAL went on"}));
        a.incarnation = next;
        REQUIRE(cluster.perform(b, UpdatePeers{cluster.layout(b)}));
    }
    REQUIRE(cluster.perform(a, StartStandby{cluster.layout(a), b.name}));
    REQUIRE(cluster.until_streaming(b, a));
    CHECK(eventually([&] { return a.ask("SELECT count(*) FROM t") == "2"; }));
}

TEST_CASE("an existing folder is adopted with its data, and its access rules are kept beside ours") {
    Cluster cluster(1);
    TestNode& a = cluster[1];
    REQUIRE(
        run_command({postgres_bin() + "/initdb", "-D", a.config.data_dir, "-U", "postgres", "--data-checksums", "-N"})
            .code == 0);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stopped; }));
    CHECK(cluster.facts(a).folder_incarnation.empty());
    REQUIRE(cluster.perform(a, Adopt{cluster.layout(a)}));
    CHECK(cluster.facts(a).folder_incarnation == a.incarnation);
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    CHECK(a.ask("SELECT count(*) FROM pg_roles WHERE rolname = 'pgaf_replicator'") == "1");
    CHECK(read_text(a.data("pg_hba.conf.before-pgaf")).find("trust") != std::string::npos);
    CHECK(read_text(a.data("pg_hba.conf")).find("trust") == std::string::npos);
}

}  // namespace pgaf::test
