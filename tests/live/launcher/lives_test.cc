// Who may die and come back without PostgreSQL noticing, and who takes it along: keeper, launcher, a second launcher,
// the supervisor's SIGTERM, and the deadline (R8).
#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include "tests/live/launcher/fixture.h"

using namespace pgaf;
using namespace pgaf::test;
using Kind = LauncherEvent::Kind;

TEST_CASE_METHOD(LauncherTest, "a keeper comes and goes, the postmaster stays") {
    set_up();
    const auto pid = start_postgres();
    const auto sql = session();
    for (int i = 0; i < 3; ++i) {
        keeper.reset();
        CHECK(sql->ask("select 1") == "1");
        keeper = connect();
        CHECK(keeper->client->view().postmaster == pid);
        CHECK(keeper->client->view().exits == 0);
    }
    // A newer connection replaces the older one, which then is told, and comes back: only one of them at a time.
    auto second = connect();
    CHECK(keeper->take(Kind::disconnected));
    keeper.reset();
    CHECK(second->until_connected());
    CHECK(second->answer(second->client->status()).value().postmaster == pid);
    CHECK(sql->ask("select 1") == "1");
}

TEST_CASE_METHOD(LauncherTest, "what happened while no keeper was there is in the next hello") {
    set_up();
    const auto pid = start_postgres();
    keeper.reset();
    ::kill(pid, SIGKILL);
    REQUIRE(launcher_says("event=postmaster_exited"));
    keeper = connect();
    CHECK(keeper->client->view().postmaster == 0);
    CHECK(keeper->client->view().exits == 1);
    REQUIRE(keeper->client->view().last_exit);
    CHECK(keeper->client->view().last_exit->status == "signal 9");
}

/// A start that is under way for at least one round of the launcher's loop: something of an earlier life has to be
/// killed first. Asked for by a keeper that another one replaces before the answer.
struct StartLeftBehind : LauncherTest {
    void ask_and_be_replaced() {
        leftover = Child({"/usr/bin/env", "PGAF_LAUNCHED_FOR=" + data, "sleep", "1000"});
        const auto environment = "/proc/" + std::to_string(leftover.pid()) + "/environ";
        REQUIRE(eventually([&] { return read_text(environment).find("PGAF_LAUNCHED_FOR") != std::string::npos; }));
        launcher.signal(SIGSTOP);
        boost::asio::co_spawn(keeper->io, keeper->client->start(server_args()), [](std::exception_ptr, const auto&) {});
        REQUIRE(keeper->until([&] { return keeper->client->view().starting; }));
        next = std::make_unique<Keeper>(socket);
        next->on_event = [this](const LauncherEvent& event) {
            if (event.kind == Kind::connected) greeted = next->client->view();
        };
        REQUIRE(next->until([&] { return next->client->trouble().find("does not say hello") != std::string::npos; }));
        launcher.signal(SIGCONT);
        REQUIRE(next->until([&] { return greeted.has_value(); }));
    }
    Child leftover;
    std::unique_ptr<Keeper> next;
    std::optional<keeper::LauncherView> greeted;
};

TEST_CASE_METHOD(StartLeftBehind, "a start outlives the keeper that asked for it, and the next one is told (R4)") {
    set_up();
    ask_and_be_replaced();
    CHECK(greeted->postmaster == 0);
    CHECK(greeted->starting);
    REQUIRE(next->take(Kind::started));
    CHECK(next->client->view().postmaster != 0);
    CHECK_FALSE(next->client->view().starting);
    CHECK(next->client->view().exits == 0);
    CHECK(eventually([&] { return takes_connections(); }));
}

TEST_CASE_METHOD(StartLeftBehind, "a start that fails after its keeper has gone is told as well") {
    set_up({"--log", dir / "none/postgres.log"});
    ask_and_be_replaced();
    CHECK(greeted->starting);
    REQUIRE(next->take(Kind::start_failed));
    CHECK(next->client->view().postmaster == 0);
    CHECK_FALSE(next->client->view().starting);
}

TEST_CASE_METHOD(LauncherTest, "a killed launcher takes PostgreSQL along, and its life counts as an exit") {
    set_up();
    start_postgres();
    const auto sql = session();
    launcher.signal(SIGKILL);
    REQUIRE(launcher.wait() == 128 + SIGKILL);
    CHECK(keeper->take(Kind::disconnected));
    CHECK(eventually([this] { return in_data().empty(); }));
    CHECK_FALSE(keeper->answer(keeper->client->start()));
    CHECK_THAT(keeper->client->trouble(), Catch::Contains("launcher"));

    const auto life = keeper->client->view().life;
    launch();
    REQUIRE(keeper->until_connected());
    CHECK(keeper->client->view().life != life);
    CHECK(keeper->client->view().postmaster == 0);
    // R9: a permit that named the exits seen before fits no more.
    CHECK(keeper->client->view().exits == 1);
    start_postgres();
    REQUIRE(keeper->answer(keeper->client->stop(StopMode::fast)));
    CHECK(keeper->client->view().exits == 2);
}

TEST_CASE_METHOD(LauncherTest, "R13: what a launcher's life has left is gone before the next one says hello") {
    set_up();
    const auto marker = dir / "archiving";
    const auto pid = start_postgres(
        {"-c", "archive_mode=on", "-c", "archive_command=echo $$ > " + marker + "; cd /; exec sleep 1000"});
    session()->ask("select pg_switch_wal() from pg_create_restore_point('x')");
    REQUIRE(eventually([&] { return !read_text(marker).empty(); }));
    const pid_t command = std::atoi(read_text(marker).c_str());
    const auto busy = busy_session();
    // Both at once: nobody tells the backend to end, and it looks at nothing but its loop.
    launcher.signal(SIGSTOP);
    ::kill(pid, SIGKILL);
    launcher.signal(SIGKILL);
    REQUIRE(launcher.wait() == 128 + SIGKILL);
    REQUIRE(lives(busy->backend()));
    REQUIRE(lives(command));
    // Who only stands in the folder is none of PostgreSQL's.
    const Child bystander({"/usr/bin/env", "-C", data, "sleep", "1000"});
    REQUIRE(eventually([&] { return processes_in(data).size() > 1; }));

    std::optional<std::vector<pid_t>> left;
    keeper->on_event = [&](const LauncherEvent& event) {
        if (event.kind != Kind::connected) return;
        left = in_data();
        if (lives(command)) left->push_back(command);
    };
    launch();
    REQUIRE(keeper->until([&] { return left.has_value(); }));
    CHECK(*left == std::vector<pid_t>{bystander.pid()});
}

TEST_CASE_METHOD(LauncherTest, "one launcher for a data folder, by whatever path it is reached") {
    set_up();
    const auto pid = start_postgres();
    const auto link = dir / "link";
    REQUIRE(::symlink(data.c_str(), link.c_str()) == 0);
    for (const auto& path : {data, link, dir.path() + "/run/../data/"}) {
        const auto second =
            run_command({program("pgaf-launcher"), "--pgdata", path, "--socket", dir / "run/second.sock"});
        CHECK(second.code == 1);
        CHECK_THAT(second.output,
                   Catch::StartsWith("pgaf-launcher: another pgaf-launcher serves the data folder " + data));
        CHECK(std::count(second.output.begin(), second.output.end(), '\n') == 1);
    }
    // As a container would see it that shares the folder and nothing beside it.
    ::unlink((data + ".pgaf-launcher.lock").c_str());
    CHECK(run_command({program("pgaf-launcher"), "--pgdata", data, "--socket", dir / "run/second.sock"}).code == 1);
    // Nor before there is a folder.
    LauncherTest early;
    early.launch();
    early.keeper = early.connect();
    CHECK(run_command({program("pgaf-launcher"), "--pgdata", early.data, "--socket", early.dir / "run/second.sock"})
              .code == 1);
    // Nor one socket for two launchers.
    const auto other = run_command({program("pgaf-launcher"), "--pgdata", dir / "other", "--socket", socket});
    CHECK(other.code == 1);
    CHECK_THAT(other.output, Catch::Contains("another pgaf-launcher listens on " + socket));
    // None of them has taken the first one's keeper away.
    CHECK_FALSE(keeper->take(Kind::disconnected, 200));
    const auto status = keeper->answer(keeper->client->status());
    REQUIRE(status);
    CHECK(status->postmaster == pid);
}

TEST_CASE_METHOD(LauncherTest, "SIGTERM: the keeper may hand over first") {
    set_up({"--handover-limit", "1"});
    start_postgres();
    launcher.signal(SIGTERM);
    REQUIRE(keeper->take(Kind::leaving));
    CHECK(keeper->client->view().leaving);
    CHECK(session()->ask("select 1") == "1");

    SECTION("it lets go, also after PostgreSQL was stopped, and nothing is started any more") {
        REQUIRE(keeper->answer(keeper->client->stop(StopMode::fast)));
        const auto refused = keeper->answer(keeper->client->start(server_args()));
        REQUIRE_FALSE(refused);
        CHECK_THAT(refused.error().message, Catch::Contains("about to end"));
        // The end of WAL can still be read.
        CHECK(keeper->answer(keeper->client->run({"pg_controldata", {data}, {}}, nullptr)).value() == 0);
        CHECK(keeper->answer(keeper->client->let_go()));
    }
    SECTION("it lets go while PostgreSQL runs: a fast stop") {
        CHECK(keeper->answer(keeper->client->let_go()));
        CHECK(keeper->take(Kind::exited)->exit.clean);
    }
    SECTION("it says nothing: a fast stop at the limit") {
        CHECK(keeper->take(Kind::exited)->exit.clean);
    }
    SECTION("a second SIGTERM skips the wait") {
        const auto begin = std::chrono::steady_clock::now();
        launcher.signal(SIGTERM);
        REQUIRE(keeper->take(Kind::exited));
        CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(900));
    }
    SECTION("the keeper goes away: a fast stop") {
        keeper.reset();
    }
    CHECK(launcher.wait() == 0);
    CHECK(in_data().empty());
    CHECK(launcher_output().find("PostgreSQL is stopped without a checkpoint") == std::string::npos);
}

TEST_CASE_METHOD(LauncherTest, "without a keeper, and on SIGINT and SIGQUIT, the launcher stops PostgreSQL at once") {
    set_up({"--handover-limit", "3600"});
    start_postgres();
    const int number = GENERATE(SIGTERM, SIGINT, SIGQUIT);
    if (number == SIGTERM) {
        keeper.reset();
        // The launcher has seen that it is gone.
        REQUIRE(launcher_says("event=keeper_disconnected"));
    }
    launcher.signal(number);
    CHECK(launcher.wait() == 0);
    CHECK(in_data().empty());
    CHECK_THAT(launcher_output(), Catch::Contains("database system is shut down"));
    CHECK(::access(socket.c_str(), F_OK) != 0);
}

TEST_CASE_METHOD(LauncherTest, "R8: a deadline that is not renewed stops PostgreSQL immediately") {
    set_up();
    start_postgres();
    SECTION("the keeper is there") {
        REQUIRE(keeper->answer(keeper->client->deadline(Millis{300})));
        REQUIRE(keeper->take(Kind::deadline_expired));
        REQUIRE(keeper->take(Kind::exited));
        CHECK(keeper->client->view().exits == 1);
        CHECK(keeper->client->view().last_exit->expired);
        // The next server is under no deadline until it gets one.
        start_postgres();
        CHECK_FALSE(keeper->take(Kind::exited, 600));
        REQUIRE(keeper->answer(keeper->client->stop(StopMode::immediate)));
        REQUIRE(keeper->take(Kind::exited));
        CHECK_FALSE(keeper->client->view().last_exit->expired);
    }
    SECTION("a server that was started after the one that it was for") {
        REQUIRE(keeper->answer(keeper->client->deadline(Millis{2000})));
        REQUIRE(keeper->answer(keeper->client->stop(StopMode::immediate)));
        REQUIRE(keeper->take(Kind::exited));
        // Nor one that was asked for before the keeper had heard of the exit.
        CHECK_FALSE(keeper->answer(keeper->client->deadline(Millis{500})));
        start_postgres();
        CHECK_FALSE(keeper->take(Kind::exited, 2500));
    }
    SECTION("the keeper is gone") {
        REQUIRE(keeper->answer(keeper->client->deadline(Millis{500})));
        keeper.reset();
        CHECK(eventually([this] { return in_data().empty(); }, 5000));
    }
    SECTION("renewed, or taken back, it stops nothing") {
        for (int i = 0; i < 5; ++i) {
            REQUIRE(keeper->answer(keeper->client->deadline(Millis{400})));
            CHECK_FALSE(keeper->take(Kind::exited, 200));
        }
        REQUIRE(keeper->answer(keeper->client->deadline(Millis{0})));
        CHECK_FALSE(keeper->take(Kind::exited, 800));
        CHECK(session()->ask("select 1") == "1");
    }
}

TEST_CASE_METHOD(LauncherTest, "R8: after a freeze the launcher looks at the clock first") {
    set_up();
    start_postgres();
    REQUIRE(keeper->answer(keeper->client->deadline(Millis{400})));
    std::optional<bool> renewed;
    const auto renew = [&](Millis limit) {
        boost::asio::co_spawn(keeper->io, keeper->client->deadline(limit),
                              [&](std::exception_ptr, Result<> result) { renewed = result.has_value(); });
        CHECK_FALSE(keeper->until([&] { return renewed.has_value(); }, 50));  // it goes out, and is not answered
    };
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the launcher waits for what comes next
    launcher.signal(SIGSTOP);
    SECTION("a renewal that lay in the socket has run out as well: it froze with the rest") {
        renew(Millis{2000});
        std::this_thread::sleep_for(std::chrono::milliseconds(2200));
        launcher.signal(SIGCONT);
        // Not 2 s after it was read.
        CHECK(keeper->take(Kind::exited, 1500));
        CHECK_THAT(launcher_output(), Catch::Contains("event=deadline_expired"));
    }
    SECTION("only the launcher stood still: a renewal that still holds is seen first") {
        std::this_thread::sleep_for(std::chrono::milliseconds(600));
        renew(Millis{60'000});
        launcher.signal(SIGCONT);
        REQUIRE(keeper->until([&] { return renewed.has_value(); }));
        CHECK(renewed == true);
        CHECK_FALSE(keeper->take(Kind::exited, 500));
        CHECK(session()->ask("select 1") == "1");
    }
}
