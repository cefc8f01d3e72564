// Monitors that are absent, silent, restarted, or one of several.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "fake_monitor.h"
#include "tests/support/slowness.h"

namespace pgaf::ctl {
namespace {

using Catch::Contains;

/// A port of loopback that takes connections (the kernel does) and never says a word: a frozen monitor. Or, without
/// listening, one that refuses.
class Port {
  public:
    explicit Port(bool listening) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
        if (listening) REQUIRE(::listen(fd_, 8) == 0);
        REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        text_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    }
    ~Port() {
        if (answering_.joinable()) {
            ::shutdown(fd_, SHUT_RDWR);
            answering_.join();
        }
        ::close(fd_);
    }
    /// Answers each connection with these words, and closes it.
    void answer(const std::string& words) {
        answering_ = std::thread([this, words] {
            for (int client = 0; (client = ::accept(fd_, nullptr, nullptr)) >= 0; ::close(client))
                (void)::send(client, words.data(), words.size(), MSG_NOSIGNAL);
        });
    }
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    [[nodiscard]] const std::string& text() const { return text_; }

  private:
    int fd_;
    std::string text_;
    std::thread answering_;
};

TEST_CASE("No monitor: 3, with each address and why") {
    const Port refusing(false);
    const auto ran = Run{refusing.text()}({"show", "state"});
    CHECK(ran.code == 3);
    CHECK(ran.out.empty());
    CHECK(ran.err == "pgafctl: no monitor can be reached:\n  " + refusing.text() +
                         ": Connection refused\nis it running? Name others with --monitor HOST:PORT or PGAF_MONITOR\n");
    for (const std::vector<std::string>& args : {std::vector<std::string>{"perform", "switchover"},
                                                 {"show", "events", "--follow"},
                                                 {"show", "state", "--watch"},
                                                 {"set", "cluster", "number-sync-standbys", "1"},
                                                 {"drop", "node", "n", "--yes"}})
        CHECK(Run{refusing.text()}(args).code == 3);
}

TEST_CASE("A port that is no monitor's gRPC: 3, and which port is meant") {
    Port http(true);
    http.answer("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    const auto ran = Run{http.text()}({"show", "state"});
    CHECK(ran.code == 3);
    CHECK_THAT(ran.err, Contains(http.text() + ": no monitor's gRPC") && Contains("`listen`, usually 5431"));
}

TEST_CASE("Several monitors are tried in turn, from the flag or the environment") {
    const Port refusing(false);
    const FakeMonitor monitor;
    CHECK(Run{refusing.text() + "," + monitor.address()}({"show", "uri"}).code == 0);
    const Run by_environment{.monitors = "",
                             .environment = {{"PGAF_MONITOR", refusing.text() + ", " + monitor.address()}}};
    CHECK(by_environment({"show", "uri"}).code == 0);
    CHECK(Run{.monitors = "", .environment = {{"PGAF_MONITOR", "nonsense:x"}}}({"show", "uri"}).code == 2);
}

TEST_CASE("A monitor that breaks off is replaced by the next one, but no command is sent twice") {
    FakeMonitor broken;
    broken.status = {unavailable, "shutting down"};
    FakeMonitor good;
    good.updates = {result(true, "done")};
    const Run run{broken.address() + "," + good.address()};
    CHECK(run({"show", "state"}).code == 0);
    CHECK(run({"set", "node", "candidate-priority", "node2", "5", "--dry-run"}).code == 0);
    const auto changed = run({"set", "node", "candidate-priority", "node2", "5"});
    CHECK(changed.code == 3);
    CHECK_THAT(changed.err, Contains("broke off: shutting down") && Contains("may still be going on"));
    CHECK(run({"perform", "switchover"}).code == 3);
    CHECK(good.requests().size() == 2);
}

TEST_CASE("A frozen monitor: the connection never gets ready") {
    const Port frozen(true);
    const auto begun = std::chrono::steady_clock::now();
    const auto ran = Run{frozen.text()}({"--timeout", "300ms", "show", "state"});
    CHECK(ran.code == 3);
    CHECK_THAT(ran.err, Contains("it does not answer"));
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(3) * pgaf::test::slowness);
}

TEST_CASE("A slow answer: 4, with what may still go on") {
    FakeMonitor monitor;
    monitor.delay_ms = 5000;
    const Run run{monitor.address()};
    const auto asked = run({"--timeout", "200ms", "show", "state"});
    CHECK(asked.code == 4);
    CHECK_THAT(asked.err, Contains("no answer from the monitor at " + monitor.address() + " within 200 ms"));
    const auto changing = run({"--timeout", "200ms", "perform", "switchover"});
    CHECK(changing.code == 4);
    CHECK_THAT(changing.err, Contains("may still be going on") && Contains("show events"));
}

TEST_CASE("An unknown cluster: 1, with the monitor's own words") {
    FakeMonitor monitor;
    monitor.status = {not_found, "there is no cluster 'nosuch'; there is: default"};
    for (const std::vector<std::string>& args :
         {std::vector<std::string>{"show", "state"}, {"perform", "switchover"}, {"get", "cluster", "x"}}) {
        auto with_cluster = args;
        with_cluster.insert(with_cluster.end(), {"--cluster", "nosuch"});
        const auto ran = Run{monitor.address()}(with_cluster);
        CHECK(ran.code == 1);
        CHECK(ran.err == "pgafctl: there is no cluster 'nosuch'; there is: default\n");
    }
}

TEST_CASE("Following goes on when the monitor was restarted, from where it was") {
    auto first = std::make_unique<FakeMonitor>();
    const int port = first->port();
    const auto address = first->address();
    first->events = {event(1, "node1", "one", "first")};
    first->delay_ms = 60000;
    Ran ran;
    std::thread follower([&] { ran = Run{address}({"show", "events", "-f", "-o", "json", "--limit", "7"}); });
    while (first->requests().empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    first.reset();
    FakeMonitor second(port);
    second.events = {event(1, "node1", "one", "first"), event(2, "node1", "two", "second")};
    second.status = {failed_precondition, "enough"};
    follower.join();
    CHECK(ran.code == 1);
    CHECK(std::count(ran.out.begin(), ran.out.end(), '\n') == 2);
    CHECK_THAT(ran.out, Contains("\"seq\":1,") && Contains("\"seq\":2,"));
    CHECK_THAT(ran.err, Contains("trying again"));
    CHECK(second.requests().front() == "WatchEvents cluster: \"default\" after: 1");
}

TEST_CASE("Versions and help need no monitor") {
    const Run run{};
    CHECK(run({"version"}).out == "pgafctl " PGAF_VERSION "\n");
    CHECK(run({"--version"}).out == "pgafctl " PGAF_VERSION "\n");
    const auto help = run({"perform", "--help"});
    CHECK(help.code == 0);
    CHECK_THAT(help.out, Contains("switchover") && Contains("failover") && Contains("promotion"));
}

}  // namespace
}  // namespace pgaf::ctl
