// The postmaster's life in the launcher's hands: start, stop, exit (R13), and why it could not start.
#include <libpq-fe.h>

#include <csignal>

#include "tests/live/launcher/fixture.h"

using namespace pgaf;
using namespace pgaf::test;
using Kind = LauncherEvent::Kind;

TEST_CASE_METHOD(LauncherTest, "PostgreSQL starts on the keeper's word only, and stops clean") {
    set_up();
    CHECK(keeper->client->view().postmaster == 0);
    CHECK(keeper->client->view().data_dir == data);
    CHECK(keeper->client->view().bin_dir == postgres_bin());
    CHECK(in_data().empty());

    const auto pid = start_postgres();
    CHECK(keeper->client->view().postmaster == pid);
    CHECK(session()->ask("show data_directory") == data);
    const auto twice = keeper->answer(keeper->client->start());
    REQUIRE_FALSE(twice);
    CHECK_THAT(twice.error().message, Catch::Contains("PostgreSQL runs (pid " + std::to_string(pid) + ")"));

    const auto stopped = keeper->answer(keeper->client->stop(StopMode::fast));
    REQUIRE(stopped);
    CHECK(stopped->clean);
    CHECK(stopped->status == "exit code 0");
    CHECK(in_data().empty());
    CHECK(keeper->client->view().postmaster == 0);
    CHECK(keeper->client->view().exits == 1);
    REQUIRE(keeper->take(Kind::exited));

    const auto again = keeper->answer(keeper->client->stop(StopMode::fast));
    REQUIRE(again);
    CHECK(again->status == "not running");
    CHECK_FALSE(keeper->answer(keeper->client->reload()));
}

TEST_CASE_METHOD(LauncherTest, "a reload reaches the server") {
    set_up();
    start_postgres();
    const auto sql = session();
    CHECK(sql->ask("show work_mem") == "4MB");
    write_text(data + "/postgresql.auto.conf", "work_mem = '7MB'\n");
    REQUIRE(keeper->answer(keeper->client->reload()));
    CHECK(eventually([&] { return session()->ask("show work_mem") == "7MB"; }));
}

TEST_CASE_METHOD(LauncherTest, "R13: a killed postmaster has exited only when its busy backend is gone and reaped") {
    set_up();
    const auto pid = start_postgres();
    const auto busy = busy_session();
    REQUIRE(in_data().size() > 5);

    std::optional<std::vector<pid_t>> left;
    std::optional<std::vector<pid_t>> unreaped;
    keeper->on_event = [&](const LauncherEvent& event) {
        if (event.kind != Kind::exited) return;
        left = in_data();
        unreaped = children_of(launcher.pid());
    };
    REQUIRE(lives(busy->backend()));
    ::kill(pid, SIGKILL);
    const auto event = keeper->take(Kind::exited);
    REQUIRE(event);
    CHECK(event->exit.status == "signal 9");
    CHECK_FALSE(event->exit.clean);
    REQUIRE(left);
    CHECK(left->empty());
    CHECK(unreaped->empty());
    CHECK(keeper->client->view().exits == 1);

    // Nobody has to delete postmaster.pid for the next start.
    start_postgres();
    CHECK(session()->ask("select 1") == "1");
}

TEST_CASE_METHOD(LauncherTest, "R13: what an archive command has started is gone before the exit is told") {
    set_up();
    const auto marker = dir / "archiving";
    const auto pid = start_postgres(
        {"-c", "archive_mode=on", "-c", "archive_command=echo $$ > " + marker + "; cd /; exec sleep 1000"});
    session()->ask("select pg_switch_wal() from pg_create_restore_point('x')");
    REQUIRE(eventually([&] { return !read_text(marker).empty(); }));
    const pid_t command = std::atoi(read_text(marker).c_str());
    REQUIRE(lives(command));
    std::optional<bool> lived;
    keeper->on_event = [&](const LauncherEvent& event) {
        if (event.kind == Kind::exited) lived = lives(command);
    };
    ::kill(pid, SIGKILL);
    REQUIRE(keeper->take(Kind::exited));
    CHECK(lived == false);
}

TEST_CASE_METHOD(LauncherTest, "an immediate stop ends a server that does not react") {
    set_up();
    const auto pid = start_postgres();
    ::kill(pid, SIGSTOP);
    const auto stopped = keeper->answer(keeper->client->stop(StopMode::immediate));
    REQUIRE(stopped);
    CHECK(stopped->status == "signal 9");
    CHECK_FALSE(stopped->clean);
    CHECK(in_data().empty());
}

TEST_CASE_METHOD(LauncherTest, "a fast stop goes on until its limit, then ends the walsenders that wait") {
    set_up();
    start_postgres({"-c", "wal_level=replica", "-c", "wal_sender_timeout=60s"});
    // A standby that is frozen: it has asked for WAL, reads nothing and confirms nothing.
    const auto frozen = session("replication=true");
    const auto from = session()->ask("select pg_current_wal_lsn()");
    PGresult* streaming = PQexec(frozen->raw(), ("START_REPLICATION PHYSICAL " + from).c_str());
    REQUIRE(PQresultStatus(streaming) == PGRES_COPY_BOTH);
    PQclear(streaming);

    SECTION("with a limit") {
        const auto stopped = keeper->answer(keeper->client->stop(StopMode::fast, Millis{500}));
        REQUIRE(stopped);
        // The shutdown went to its end, but no standby has confirmed it: no clean handover.
        CHECK_FALSE(stopped->clean);
        CHECK_THAT(launcher_output(), Catch::Contains("walsenders=1"));
        CHECK_THAT(launcher_output(), Catch::Contains("terminating connection due to administrator command"));
        CHECK(in_data().empty());
    }
    SECTION("without one it waits, and an immediate stop takes over") {
        std::vector<std::string> order;
        bool both = false;
        const auto stop = [&](StopMode mode, const char* name) -> boost::asio::awaitable<void> {
            const auto outcome = co_await keeper->client->stop(mode);
            order.push_back(outcome ? std::string(name) + (outcome->clean ? " clean" : "") : outcome.error().message);
            both = order.size() == 2;
        };
        boost::asio::co_spawn(keeper->io, stop(StopMode::fast, "fast"), [](std::exception_ptr) {});
        CHECK_FALSE(keeper->until([&] { return !order.empty(); }, 1000));
        boost::asio::co_spawn(keeper->io, stop(StopMode::immediate, "immediate"), [](std::exception_ptr) {});
        REQUIRE(keeper->until([&] { return both; }));
        CHECK(order == std::vector<std::string>{"fast", "immediate"});
    }
}

TEST_CASE_METHOD(LauncherTest, "a start that fails says why") {
    const auto log = dir / "postgres.log";
    const bool to_file = GENERATE(true, false);
    set_up(to_file ? std::vector<std::string>{"--log", log} : std::vector<std::string>{});
    REQUIRE(keeper->answer(keeper->client->start({"-c", "shared_buffers=nonsense"})));
    const auto event = keeper->take(Kind::exited);
    REQUIRE(event);
    CHECK(event->exit.status == "exit code 1");
    REQUIRE_FALSE(event->exit.last_lines.empty());
    CHECK_THAT(event->exit.last_lines.back(), Catch::Contains("shared_buffers"));
    CHECK_THAT(read_text(to_file ? log : output), Catch::Contains("invalid value for parameter \"shared_buffers\""));

    // The next start tells of itself only.
    REQUIRE(keeper->answer(keeper->client->start({"-c", "port=99999"})));
    const auto second = keeper->take(Kind::exited);
    REQUIRE(second);
    for (const auto& line : second->exit.last_lines) CHECK_THAT(line, !Catch::Contains("shared_buffers"));
    CHECK(keeper->client->view().exits == 2);
    CHECK(keeper->answer(keeper->client->status()).value().last_exit->last_lines == second->exit.last_lines);
}

TEST_CASE_METHOD(LauncherTest, "a server that somebody started by hand is neither joined nor killed") {
    set_up();
    std::vector<std::string> command{postgres_bin() + "/postgres", "-D", data};
    for (const auto& arg : server_args()) command.push_back(arg);
    const Child foreign(command, dir / "foreign.log");
    REQUIRE(eventually([&] { return takes_connections(); }));

    const auto refused = keeper->answer(keeper->client->start(server_args()));
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message,
               Catch::Contains("(pid " + std::to_string(foreign.pid()) + ")") && Catch::Contains("pg_ctl stop"));

    // Nor by a launcher that starts beside it.
    keeper.reset();
    launcher.signal(SIGTERM);
    REQUIRE(launcher.wait() == 0);
    launch();
    CHECK(launcher.wait() == 1);
    CHECK_THAT(launcher_output(), Catch::Contains("that pgaf has not started runs on " + data));
    CHECK(lives(foreign.pid()));
    CHECK(session()->ask("select 1") == "1");
}

TEST_CASE_METHOD(LauncherTest, "end_process ends a child of the postmaster, and nothing else") {
    set_up();
    const auto pid = start_postgres({"-c", "wal_level=replica"});
    const auto sender = session("replication=true");
    REQUIRE_FALSE(sender->ask("IDENTIFY_SYSTEM").empty());
    const auto walsender =
        std::atoi(session()->ask("select pid from pg_stat_activity where backend_type = 'walsender'").c_str());
    REQUIRE(walsender == sender->backend());
    REQUIRE(lives(walsender));

    REQUIRE(keeper->answer(keeper->client->end_process(walsender)));
    CHECK_FALSE(lives(walsender));
    // Gone already: what was asked for is so.
    CHECK(keeper->answer(keeper->client->end_process(walsender)));
    for (const auto other : {::getpid(), launcher.pid(), pid}) {
        const auto refused = keeper->answer(keeper->client->end_process(other));
        REQUIRE_FALSE(refused);
        CHECK_THAT(refused.error().message, Catch::Contains("is no child of the postmaster"));
    }
    CHECK(session()->ask("select 1") == "1");

    // One that can't end now: a stopped process takes its SIGTERM later.
    const auto stuck = session();
    ::kill(stuck->backend(), SIGSTOP);
    const auto late = keeper->answer(keeper->client->end_process(stuck->backend(), Millis{300}));
    ::kill(stuck->backend(), SIGCONT);
    REQUIRE_FALSE(late);
    CHECK_THAT(late.error().message, Catch::Contains("has not ended in time"));
}
