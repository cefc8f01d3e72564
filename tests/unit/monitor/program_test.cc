// The program pgaf-monitor as operators meet it: exit codes, one clear error, and a store that outlives kill -9.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>

#include "tests/unit/monitor/keepers.h"
#include "tests/unit/store/support.h"

using namespace pgaf;
using namespace pgaf::test;

namespace {

/// The program with its standard error in a file, killed when it is not waited for.
class Program {
  public:
    Program(const TemporaryFolder& folder, std::vector<std::string> arguments)
        : log_(folder.file("log-" + std::to_string(++programs_))) {
        arguments.insert(arguments.begin(), {PGAF_MONITOR_PROGRAM, "run"});
        pid_ = ::fork();
        if (pid_ != 0) return;
        const int fd = ::open(log_.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
        ::dup2(fd, 2);
        std::vector<char*> argv;
        for (auto& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        ::execv(argv[0], argv.data());
        ::_exit(99);
    }
    ~Program() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    void signal(int number) const { ::kill(pid_, number); }
    /// The exit code; -1 after a signal.
    int wait() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    [[nodiscard]] std::string log() const {
        std::ifstream in(log_);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    /// Waits for the line that says on which ports it listens; the HTTP port, 0 when it does not come.
    [[nodiscard]] std::uint16_t http_port() const {
        std::uint16_t port = 0;
        eventually([&] {
            const std::string text = log();
            const auto at = text.find("http_port=");
            if (at != std::string::npos) port = static_cast<std::uint16_t>(std::stoi(text.substr(at + 10)));
            return port != 0;
        });
        return port;
    }

  private:
    static inline int programs_ = 0;
    std::string log_;
    pid_t pid_ = -1;
};

std::vector<std::string> on_free_ports(const std::string& store) {
    return {"--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--store", store};
}

}  // namespace

TEST_CASE("it serves until a signal, then exits with 0") {
    const int number = GENERATE(SIGTERM, SIGINT);
    TemporaryFolder folder;
    Program program(folder, on_free_ports(folder.file("m.db")));
    const auto port = program.http_port();
    REQUIRE(port != 0);
    CHECK_THAT(http_get(port, "/readyz"), Catch::StartsWith("HTTP/1.1 200 "));
    program.signal(number);
    CHECK(program.wait() == 0);
}

TEST_CASE("SIGHUP reads the configuration anew, and ends nothing") {
    TemporaryFolder folder;
    const std::string file = folder.file("monitor.toml");
    const auto write = [&](const std::string& text) { std::ofstream(file) << text; };
    write("log_level = \"info\"\n");
    auto arguments = on_free_ports(folder.file("m.db"));
    arguments.insert(arguments.end(), {"--config", file});
    Program program(folder, arguments);
    const auto port = program.http_port();
    REQUIRE(port != 0);
    const auto says = [&](const std::string& what) {
        return eventually([&] { return program.log().find(what) != std::string::npos; });
    };
    write("log_level = \"loud\"\n");
    program.signal(SIGHUP);
    CHECK(says("event=reload_failed"));
    write("log_level = \"debug\"\nmax_clusters = 5\n");
    program.signal(SIGHUP);
    CHECK(says("holds for log_level; for max_clusters it holds after a restart of the program"));
    CHECK_THAT(http_get(port, "/readyz"), Catch::StartsWith("HTTP/1.1 200 "));
    // Told again as long as it is so; what was taken is no news any more.
    program.signal(SIGHUP);
    CHECK(says("nothing that can change while the program runs has changed; for max_clusters it"));
    program.signal(SIGTERM);
    CHECK(program.wait() == 0);
}

TEST_CASE("a killed one is followed by one in a newer term; two at once are refused") {
    TemporaryFolder folder;
    TemporaryFolder other;
    Program first(folder, on_free_ports(folder.file("m.db")));
    const auto port = first.http_port();
    REQUIRE(port != 0);
    {
        Program second(other, on_free_ports(folder.file("m.db")));
        CHECK(second.wait() == 1);
        CHECK_THAT(second.log(), Catch::Contains("another pgaf-monitor (process"));
        Program third(other, {"--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:" + std::to_string(port),
                              "--store", other.file("m.db")});
        CHECK(third.wait() == 1);
        CHECK_THAT(third.log(), Catch::StartsWith("pgaf-monitor: HTTP server: cannot listen on"));
    }
    first.signal(SIGKILL);
    CHECK(first.wait() == -1);
    Program next(folder, on_free_ports(folder.file("m.db")));
    REQUIRE(next.http_port() != 0);
    CHECK_THAT(next.log(), Catch::Contains("term=2"));
}

TEST_CASE("bad options are all said at once, with exit code 2") {
    TemporaryFolder folder;
    Program program(folder, {"--listen", "nowhere", "--store", "here.db", "--heartbeat-ms", "1"});
    CHECK(program.wait() == 2);
    CHECK_THAT(program.log(),
               Catch::Contains("listen") && Catch::Contains("absolute path") && Catch::Contains("heartbeat_ms"));
    Program timeout(folder, {"--heartbeat-ms", "1000", "--node-timeout-ms", "2000"});
    CHECK(timeout.wait() == 2);
    CHECK_THAT(timeout.log(), Catch::Contains("at least 4 heartbeats"));
}

TEST_CASE("a store that is none is refused with exit code 1") {
    TemporaryFolder folder;
    std::ofstream(folder.file("m.db")) << "this is a letter to my grandmother, long enough to be taken for a file";
    Program program(folder, on_free_ports(folder.file("m.db")));
    CHECK(program.wait() == 1);
    CHECK_THAT(program.log(), Catch::Contains("not a pgaf store"));
}
