// Initialisation, start, stop, clone, clients: a node's plain life.
#include <filesystem>
#include <thread>

#include "keeper/postgres/control_file.h"
#include "keeper/postgres/settings.h"
#include "tests/live/postgres/cluster.h"

namespace pgaf::test {
using namespace keeper;

TEST_CASE("an initdb that was broken off is begun anew") {
    Cluster cluster(1);
    TestNode& a = cluster[1];
    REQUIRE_FALSE(cluster.perform_cancelled(a, Initialise{cluster.layout(a)}, 100));
    const Facts half = cluster.facts(a);
    CHECK(half.status == PgStatus::absent);
    CHECK(half.rebuilding);
    REQUIRE(cluster.perform(a, Initialise{cluster.layout(a)}));
    CHECK(cluster.facts(a).status == PgStatus::stopped);
    CHECK_FALSE(cluster.facts(a).rebuilding);
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
}

TEST_CASE("a first node is initialised, started closed, opened, and cloned") {
    Cluster cluster(2);
    TestNode& a = cluster[1];
    CHECK(cluster.facts(a).status == PgStatus::absent);

    REQUIRE(cluster.perform(a, Initialise{cluster.layout(a)}));
    const Facts made = cluster.facts(a);
    CHECK(made.status == PgStatus::stopped);
    CHECK(made.folder_incarnation == a.incarnation);
    CHECK(made.clean_shutdown);
    CHECK_FALSE(made.rebuilding);
    CHECK(made.timeline == Timeline{1});
    CHECK(made.end_exact);

    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    const Facts started = cluster.facts(a);
    CHECK(started.status == PgStatus::running);
    CHECK_FALSE(started.in_recovery);
    CHECK_FALSE(started.open_to_clients);
    CHECK(started.standby_names == closed_rule);
    CHECK(started.system_id == made.system_id);
    CHECK(started.end >= made.end);
    CHECK(started.slots == std::vector<std::string>{"pgaf_node2"});
    CHECK(started.wal_segment_bytes == 16777216);
    CHECK(started.trouble.empty());
    CHECK(a.ask("SHOW data_checksums") == "on");
    CHECK(a.ask("SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'pgaf_replicator'") == "t");
    CHECK_THROWS(Sql("host=127.0.0.1 port=" + std::to_string(a.port) + " user=postgres password=x dbname=postgres"));
    CHECK(read_text(a.data("pg_hba.conf")).find("host all all 127.0.0.1/32") == std::string::npos);

    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(0, {})}));
    REQUIRE(cluster.perform(a, OpenToClients{cluster.layout(a), cluster.rule(0, {})}));
    CHECK(cluster.facts(a).open_to_clients);
    CHECK(a.ask("SHOW synchronous_standby_names").empty());
    CHECK(read_text(a.data("pg_hba.conf")).find("host all all 127.0.0.1/32") != std::string::npos);
    CHECK(a.ask("CREATE TABLE t (i int); INSERT INTO t VALUES (7); SELECT 1") == "1");

    TestNode& b = cluster[2];
    cluster.clone_and_start(b, a);
    REQUIRE(cluster.until_streaming(a, b));
    const Facts standby = cluster.facts(b);
    CHECK(standby.in_recovery);
    CHECK(standby.folder_incarnation == b.incarnation);
    CHECK(standby.following == a.name);
    CHECK(standby.receiver.streaming);
    CHECK(standby.receiver.upstream == a.name);
    CHECK(standby.standby_names == closed_rule);
    CHECK(standby.slots == std::vector<std::string>{"pgaf_node1"});
    CHECK(standby.open_to_clients);
    CHECK_FALSE(standby.end_exact);
    CHECK(b.ask("SELECT i FROM t") == "7");
    CHECK(std::any_of(b.progress.begin(), b.progress.end(), [](const std::string& line) {
        return line.find("cloning from node1") == 0 && line.find('%') != line.npos;
    }));
    // The password is nowhere but in its files.
    CHECK(read_text(b.data("pgaf.conf")).find("secret") == std::string::npos);
    CHECK(read_text(b.dir + "/launcher.log").find("secret") == std::string::npos);
}

TEST_CASE("the superuser gets its password over the socket, and neither server, log nor statistics have it") {
    Cluster cluster(1);
    TestNode& a = cluster[1];
    a.config.superuser_password = "'\\hush\"";
    a.config.parameters["log_statement"] = "all";
    // passwordcheck refuses passwords as short as these two roles', where it is told the password itself.
    a.config.parameters["shared_preload_libraries"] = "pg_stat_statements,auto_explain,passwordcheck";
    a.config.parameters["auto_explain.log_min_duration"] = "0";
    cluster.restart_keeper(a);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.launcher_connected; }));
    cluster.bring_up();
    const std::string way =
        "host=127.0.0.1 port=" + std::to_string(a.port) + " user=postgres dbname=postgres password=";
    CHECK_NOTHROW(Sql(way + "'\\'\\\\hush\"'"));
    CHECK_THROWS(Sql(way + "hush"));
    const std::string log = read_text(a.dir + "/launcher.log");
    CHECK(log.find("statement: SET log_statement") != std::string::npos);
    CHECK(log.find("hush") == std::string::npos);
    CHECK(log.find("secret") == std::string::npos);
    CHECK(a.ask("CREATE EXTENSION pg_stat_statements; SELECT count(*) FROM pg_stat_statements WHERE query ~ "
                "'hush|secret'") == "0");
}

TEST_CASE("a stop tells the exit, and a fast one is clean") {
    Cluster cluster(1);
    cluster.bring_up();
    TestNode& a = cluster[1];
    const auto exits = cluster.facts(a).exits;
    a.changes = 0;
    REQUIRE(cluster.perform(a, Stop{StopMode::fast}));
    CHECK(a.changes >= 1);
    const Facts clean = cluster.facts(a);
    CHECK(clean.status == PgStatus::stopped);
    CHECK(clean.clean_shutdown);
    CHECK(clean.exits == exits + 1);
    CHECK(clean.replayed == clean.end);

    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    CHECK(cluster.facts(a).standby_names == closed_rule);
    REQUIRE(cluster.perform(a, Stop{StopMode::immediate}));
    const Facts crashed = cluster.facts(a);
    CHECK_FALSE(crashed.clean_shutdown);
    CHECK(crashed.end_exact);
    CHECK(crashed.end >= clean.end);
    CHECK(crashed.replayed < crashed.end);
}

TEST_CASE("a frozen standby does not hold a fast stop for wal_sender_timeout") {
    Cluster cluster(2);
    cluster[1].config.node_timeout = Millis{20'000};
    cluster.restart_keeper(cluster[1]);
    REQUIRE(cluster.until(cluster[1], [](const Facts& f) { return f.launcher_connected; }));
    cluster.bring_up();
    TestNode& a = cluster[1];
    const pid_t receiver = cluster[2].process("walreceiver");
    REQUIRE(receiver != 0);
    REQUIRE(::kill(receiver, SIGSTOP) == 0);
    a.ask("CREATE TABLE t (i int)");
    const double took = milliseconds([&] { REQUIRE(cluster.perform(a, Stop{StopMode::fast})); });
    ::kill(receiver, SIGCONT);
    CHECK(took >= 900);
    CHECK(took < 8000);
    CHECK(cluster.facts(a).status == PgStatus::stopped);
}

TEST_CASE("a port in use is said, with what to do") {
    Cluster cluster(2);
    TestNode& a = cluster[1];
    TestNode& b = cluster[2];
    REQUIRE(cluster.perform(a, Initialise{cluster.layout(a)}));
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    b.config.port = b.port = a.port;
    cluster.restart_keeper(b);
    REQUIRE(cluster.until(b, [](const Facts& f) { return f.launcher_connected; }));
    REQUIRE(cluster.perform(b, Initialise{cluster.layout(b)}));
    const auto started = cluster.perform(b, StartPrimary{cluster.layout(b)});
    REQUIRE_FALSE(started);
    CHECK(started.error().message.find("Port " + std::to_string(a.port) + " is taken") != std::string::npos);
    CHECK(cluster.facts(b).status == PgStatus::stopped);
}

TEST_CASE("settings in postgresql.auto.conf that the cluster owns do not win") {
    Cluster cluster(2);
    cluster.bring_up_synchronous(1);
    TestNode& a = cluster[1];
    a.ask("ALTER SYSTEM SET synchronous_standby_names = '*'");
    a.ask("ALTER SYSTEM SET work_mem = '5MB'");
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(1, {&cluster[2]})}));
    CHECK(a.ask("SHOW synchronous_standby_names").find("ANY 1 (\"pgaf_default_node2_") == 0);
    CHECK(read_text(a.data("postgresql.auto.conf")).find("synchronous_standby_names") == std::string::npos);
    CHECK(read_text(a.data("postgresql.auto.conf")).find("work_mem") != std::string::npos);
    a.ask("ALTER SYSTEM SET fsync = 'off'");
    REQUIRE(cluster.perform(a, Stop{StopMode::fast}));
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    CHECK(a.ask("SHOW fsync") == "on");
    // A file that is read after the cluster's settings, by hand, is noticed.
    write_text(a.data("postgresql.conf"), read_text(a.data("postgresql.conf")) + "include_dir = 'late'\n");
    std::filesystem::create_directory(a.data("late"));
    write_text(a.data("late/own.conf"), "synchronous_standby_names = 'x'\n");
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(0, {})}));
    CHECK(a.ask("SHOW synchronous_standby_names").empty());
}

TEST_CASE("a broken client line is said, and the server stays closed") {
    Cluster cluster(1);
    cluster[1].config.hba = {"host all all nonsense/99 scram-sha-256"};
    cluster.restart_keeper(cluster[1]);
    TestNode& a = cluster[1];
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.launcher_connected; }));
    REQUIRE(cluster.perform(a, Initialise{cluster.layout(a)}));
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(0, {})}));
    const auto opened = cluster.perform(a, OpenToClients{cluster.layout(a), cluster.rule(0, {})});
    REQUIRE_FALSE(opened);
    CHECK(opened.error().message.find("hba") != std::string::npos);
    CHECK_FALSE(cluster.facts(a).open_to_clients);
}

TEST_CASE("a server without free connections, or a frozen one, is told apart") {
    Cluster cluster(1);
    cluster[1].config.stuck_limit = Millis{2500};
    cluster.restart_keeper(cluster[1]);
    REQUIRE(cluster.until(cluster[1], [](const Facts& f) { return f.launcher_connected; }));
    cluster.bring_up();
    TestNode& a = cluster[1];
    std::vector<Sql> many;
    CHECK_THROWS([&] {
        for (int i = 0; i < 30; ++i) many.push_back(a.sql());
    }());
    cluster.restart_keeper(a);  // so that it has no kept-open connection to ask on
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.trouble.find("connection slot") != std::string::npos; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(2600));
    CHECK(cluster.facts(a).status == PgStatus::running);
    many.clear();
    REQUIRE(cluster.until(a, [](const Facts& f) { return !f.end.empty(); }));

    const pid_t postmaster = a.postmaster();
    std::vector<pid_t> frozen = children_of(postmaster);
    frozen.push_back(postmaster);
    for (const pid_t pid : frozen) ::kill(pid, SIGSTOP);
    CHECK(cluster.facts(a).status != PgStatus::stuck);
    CHECK(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::stuck; }));
    for (const pid_t pid : frozen) ::kill(pid, SIGCONT);
    CHECK(cluster.until(a, [](const Facts& f) { return f.status == PgStatus::running && !f.end.empty(); }));
}

TEST_CASE("the timeouts of replication follow the cluster's node_timeout by reload") {
    Cluster cluster(1);
    cluster.bring_up();
    TestNode& a = cluster[1];
    CHECK(a.ask("SHOW wal_sender_timeout") == "2500ms");
    const std::string rule = a.ask("SHOW synchronous_standby_names");
    a.control->follow_node_timeout(Millis{7000});
    CHECK(cluster.until(
        a, [&](const Facts&) { return a.ask("SHOW wal_sender_timeout") == "7s"; }, 5000));
    CHECK(a.ask("SHOW wal_receiver_timeout") == "7s");
    CHECK(a.ask("SHOW synchronous_standby_names") == rule);
    // And they stay with what is written next.
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(0, {})}));
    CHECK(a.ask("SHOW wal_sender_timeout") == "7s");
    REQUIRE(cluster.perform(a, Stop{StopMode::fast}));
    a.control->follow_node_timeout(Millis{4000});
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    CHECK(a.ask("SHOW wal_sender_timeout") == "4s");
}

TEST_CASE("a server counts as open to clients only when it has loaded their lines") {
    Cluster cluster(1);
    TestNode& a = cluster[1];
    REQUIRE(cluster.perform(a, Initialise{cluster.layout(a)}));
    REQUIRE(cluster.perform(a, StartPrimary{cluster.layout(a)}));
    REQUIRE(cluster.perform(a, ApplyRule{cluster.layout(a), cluster.rule(0, {})}));
    a.launcher.signal(SIGSTOP);
    CHECK_FALSE(cluster.perform(a, OpenToClients{cluster.layout(a), cluster.rule(0, {})}));
    CHECK_FALSE(cluster.facts(a).open_to_clients);
    a.launcher.signal(SIGCONT);
    REQUIRE(cluster.until(a, [](const Facts& f) { return f.launcher_connected; }));
    CHECK_FALSE(cluster.facts(a).open_to_clients);
    REQUIRE(cluster.perform(a, OpenToClients{cluster.layout(a), cluster.rule(0, {})}));
    CHECK(cluster.facts(a).open_to_clients);
}

}  // namespace pgaf::test
