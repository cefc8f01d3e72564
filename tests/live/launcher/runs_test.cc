// PostgreSQL's programs in the launcher's hands, bad flags and folders, and peers that talk nonsense.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "common/launcher_protocol.h"
#include "tests/live/launcher/fixture.h"

using namespace pgaf;
using namespace pgaf::test;

namespace {

/// A run that can be cancelled, and what has come of it.
struct Run {
    explicit Run(LauncherTest& of) : test(of) {}
    /// The client must not tell anything to what is gone.
    ~Run() {
        if (!ended) test.keeper.reset();
    }
    LauncherTest& test;
    std::optional<Result<int>> ended;
    std::vector<std::string> lines;
    boost::asio::cancellation_signal cancel;

    void begin(keeper::Program program) {
        auto request =
            test.keeper->client->run(std::move(program), [this](std::string_view stream, std::string_view text) {
                lines.push_back(std::string(stream) + ": " + std::string(text));
            });
        boost::asio::co_spawn(
            test.keeper->io, std::move(request),
            boost::asio::bind_cancellation_slot(
                cancel.slot(), [this](std::exception_ptr, Result<int> result) { ended = std::move(result); }));
    }
};

/// A program that runs until it is ended: it follows the WAL of a server that writes none.
keeper::Program endless(const std::string& data) {
    for (const auto& entry : std::filesystem::directory_iterator(data + "/pg_wal"))
        if (entry.path().filename().string().size() == 24)
            return {"pg_waldump", {"--follow", "-p", data + "/pg_wal", entry.path().filename()}, {}};
    throw std::runtime_error("no WAL");
}

/// The launcher's child that runs this program.
pid_t child_named(pid_t launcher, const std::string& name) {
    for (const auto pid : children_of(launcher))
        if (read_text("/proc/" + std::to_string(pid) + "/comm") == name + "\n" && lives(pid)) return pid;
    return 0;
}

/// A peer that sends what it likes; answers what it got until the connection was closed, or one line.
std::string say(const std::string& socket, const std::string& text, std::size_t lines) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket.copy(address.sun_path, sizeof address.sun_path - 1);
    std::string got;
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
        for (std::size_t at = 0; at < text.size();) {
            const auto put = ::send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
            if (put <= 0) break;
            at += static_cast<std::size_t>(put);
        }
        timeval limit{10, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        char buffer[4096];
        while (static_cast<std::size_t>(std::count(got.begin(), got.end(), '\n')) < lines) {
            const auto count = ::recv(fd, buffer, sizeof buffer, 0);
            if (count < 0) got += "(" + std::string(std::strerror(errno)) + ")";
            if (count <= 0) break;
            got.append(buffer, static_cast<std::size_t>(count));
        }
    }
    ::close(fd);
    return got;
}

}  // namespace

TEST_CASE_METHOD(LauncherTest, "a data folder is made by the launcher's initdb, its output told line by line") {
    launch();
    keeper = connect();
    CHECK_FALSE(keeper->answer(keeper->client->start()));  // there is nothing to start yet
    Run initdb(*this);
    initdb.begin({"initdb", {"-D", data, "-U", "postgres", "-A", "trust", "-N"}, {{"LC_ALL", "C"}}});
    REQUIRE(keeper->until([&] { return initdb.ended.has_value(); }));
    CHECK(initdb.ended->value() == 0);
    CHECK_THAT(initdb.lines, Catch::VectorContains(std::string("stdout: creating subdirectories ... ok")));
    CHECK_THAT(initdb.lines, Catch::VectorContains(
                                 std::string("stdout: The database cluster will be initialized with locale \"C\".")));

    // Its failure, and why.
    Run again(*this);
    again.begin({"initdb", {"-D", data}, {}});
    REQUIRE(keeper->until([&] { return again.ended.has_value(); }));
    CHECK(again.ended->value() == 1);
    CHECK_THAT(again.lines,
               Catch::VectorContains("stderr: initdb: error: directory \"" + data + "\" exists but is not empty"));
    start_postgres();
    // R13's other side: nothing writes into the folder of a running server.
    const auto refused = keeper->answer(keeper->client->run({"pg_rewind", {"-D", data}, {}}, nullptr));
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Catch::Contains("PostgreSQL runs"));
}

TEST_CASE_METHOD(LauncherTest, "much output comes whole and in order, to a keeper that is slow as well") {
    set_up();
    start_postgres();
    session()->ask("create table t as select i from generate_series(1, 20000) i");
    session()->ask("select pg_switch_wal()");
    const auto wal = endless(data).args.back();
    const auto direct = run_command({postgres_bin() + "/pg_waldump", data + "/pg_wal/" + wal});
    Run dump(*this);
    dump.begin({"pg_waldump", {data + "/pg_wal/" + wal}, {}});
    // What the launcher may keep for a slow reader is far less than this.
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    REQUIRE(keeper->until([&] { return dump.ended.has_value(); }));
    // Compared without line ends: some of its lines are longer than what is sent in one piece.
    std::string told;
    std::size_t longest = 0;
    for (const auto& line : dump.lines) {
        told += line.substr(std::string("stdout: ").size());
        longest = std::max(longest, line.size());
    }
    CHECK(longest == launcher::max_output_bytes + std::string("stdout: ").size());
    auto expected = direct.output;
    std::erase(expected, '\n');
    CHECK(expected.size() > 2'000'000);
    CHECK((told == expected));
}

TEST_CASE_METHOD(LauncherTest, "a program that is cancelled is gone when the call returns") {
    set_up();
    Run run(*this);
    run.begin(endless(data));
    pid_t pid = 0;
    REQUIRE(keeper->until([&] { return (pid = child_named(launcher.pid(), "pg_waldump")) != 0; }));
    run.cancel.emit(boost::asio::cancellation_type::terminal);
    REQUIRE(keeper->until([&] { return run.ended.has_value(); }));
    CHECK_FALSE(lives(pid));
    REQUIRE_FALSE(*run.ended);
    CHECK_THAT(run.ended->error().message, Catch::Contains("cancelled"));

    // One that does not listen, too.
    Run stopped(*this);
    stopped.begin(endless(data));
    REQUIRE(keeper->until([&] { return (pid = child_named(launcher.pid(), "pg_waldump")) != 0; }));
    ::kill(pid, SIGSTOP);
    stopped.cancel.emit(boost::asio::cancellation_type::terminal);
    REQUIRE(keeper->until([&] { return stopped.ended.has_value(); }));
    CHECK_FALSE(lives(pid));
}

TEST_CASE_METHOD(LauncherTest, "a program does not outlive the connection that asked for it, nor the launcher") {
    set_up();
    Run run(*this);
    run.begin(endless(data));
    pid_t pid = 0;
    REQUIRE(keeper->until([&] { return (pid = child_named(launcher.pid(), "pg_waldump")) != 0; }));
    SECTION("the keeper goes") {
        keeper.reset();
    }
    SECTION("the launcher is killed") {
        launcher.signal(SIGKILL);
        REQUIRE(keeper->until([&] { return run.ended.has_value(); }));
        CHECK_THAT(run.ended->error().message, Catch::Contains("connection to the launcher is lost"));
    }
    SECTION("the launcher is told to end") {
        launcher.signal(SIGINT);
    }
    CHECK(eventually([&] { return !lives(pid); }));
}

TEST_CASE_METHOD(LauncherTest, "other programs are refused") {
    set_up();
    const auto refused = keeper->answer(keeper->client->run({"psql", {}, {}}, nullptr));
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Catch::Contains("psql: program has to be one of initdb"));
}

TEST_CASE_METHOD(LauncherTest, "nonsense on the socket is answered or disconnected, and hurts nothing") {
    make_data();
    launch();
    REQUIRE(launcher_says("event=serving"));
    struct stat entry {};
    REQUIRE(::stat(socket.c_str(), &entry) == 0);
    CHECK((entry.st_mode & 0777) == 0600);
    REQUIRE(::stat((dir / "run").c_str(), &entry) == 0);
    CHECK((entry.st_mode & 0777) == 0700);

    CHECK_THAT(say(socket, "nonsense\n", 2),
               Catch::Contains("{\"error\":\"not a JSON object\",\"id\":0,\"ok\":false}"));
    CHECK_THAT(say(socket, "{\"id\":7,\"op\":\"fly\"}\n", 2), Catch::Contains("\"id\":7,\"ok\":false"));
    CHECK_THAT(say(socket, std::string(1000, '\0') + "\n\xff\n", 3), Catch::Contains("not a JSON object"));
    // Closed after the hello, and not after ten seconds.
    const auto overlong = say(socket, std::string(launcher::max_line_bytes + 1, 'x'), 2);
    CHECK(std::count(overlong.begin(), overlong.end(), '\n') == 1);
    CHECK(overlong.find('(') == std::string::npos);
    CHECK_THAT(launcher_output(), Catch::Contains("a line that is too long"));
    keeper = connect();
    CHECK(keeper->answer(keeper->client->status()));
}

TEST_CASE_METHOD(LauncherTest, "bad flags and folders: one clear error") {
    const auto says = [&](std::vector<std::string> flags) {
        flags.insert(flags.begin(), program("pgaf-launcher"));
        return run_command(flags);
    };
    const auto fails = [&](int code, const std::vector<std::string>& flags, const std::string& words) {
        const auto outcome = says(flags);
        INFO(outcome.output);
        CHECK(outcome.code == code);
        CHECK_THAT(outcome.output, Catch::Contains(words));
    };
    fails(2, {}, "--pgdata");
    fails(2, {"--pgdata", "relative", "--socket", socket}, "not an absolute path");
    fails(2, {"--pgdata", data, "--socket", "/" + std::string(107, 's')}, "too long for a socket");
    fails(2, {"--pgdata", data, "--socket", socket, "--handover-limit", "-1"}, "handover_limit");
    fails(2, {"--pgdata", data, "--socket", socket, "--nonsense"}, "nonsense");
    fails(1, {"--pgdata", data, "--socket", socket, "--bin-dir", "/nowhere"},
          "no PostgreSQL server program at /nowhere/postgres");
    fails(1, {"--pgdata", "/nowhere/data", "--socket", socket},
          "cannot create the lock file /nowhere/data.pgaf-launcher.lock");
    write_text(dir / "file", "");
    fails(1, {"--pgdata", dir / "file", "--socket", socket}, "is no folder");
    fails(1, {"--pgdata", data, "--socket", dir / "file"}, "is no socket");

    std::filesystem::create_directory(data);
    write_text(data + "/PG_VERSION", "12\n");
    fails(1, {"--pgdata", data, "--socket", socket}, "PostgreSQL 12 is too old");
    write_text(data + "/PG_VERSION", "97\n");
    fails(1, {"--pgdata", data, "--socket", socket}, "no programs of PostgreSQL 97");
    fails(1, {"--pgdata", data, "--socket", socket, "--bin-dir", postgres_bin()}, "give the right --bin-dir");
    write_text(data + "/PG_VERSION", "elephant\n");
    fails(1, {"--pgdata", data, "--socket", socket}, "holds no PostgreSQL version");

    std::filesystem::create_directory(dir / "open");
    std::filesystem::permissions(dir / "open", std::filesystem::perms(0777));
    std::filesystem::remove_all(data);
    fails(1, {"--pgdata", data, "--socket", dir / "open/s"}, "chmod 0700");
}
