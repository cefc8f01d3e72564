// Answers that go on: what is sent arrives while it is sent, and readers that are gone or too slow cost nothing for
// long.
#include "common/http/stream.h"

#include <catch2/catch.hpp>
#include <future>

#include "tests/unit/http/running.h"

using namespace pgaf;
using namespace pgaf::test;

namespace {

/// A server whose /stream goes on; the newest stream is kept, to be used on the server's thread.
struct Streaming {
    explicit Streaming(http::Limits limits = {}, std::size_t most_waiting = std::size_t{1} << 20U)
        : running(
              [this, most_waiting](const http::Request& request) {
                  http::Response response{200, "text/event-stream", {}};
                  if (request.path != "/stream") return response;
                  response.stream = newest = std::make_shared<http::Stream>(most_waiting);
                  all.push_back(newest);
                  newest->send("begin\n");
                  return response;
              },
              limits) {}
    /// Runs on the server's thread, and returns what it returns.
    template <class F>
    auto there(F what) {
        std::packaged_task<decltype(what())()> task(std::move(what));
        auto result = task.get_future();
        asio::post(running.context, [&task] { task(); });
        return result.get();
    }
    bool over() {
        return there([this] { return newest->over(); });
    }
    /// Waits until it is over: the server sees that when it writes.
    bool soon_over() {
        for (int i = 0; i < 500; ++i) {
            if (there([this] { return newest->send(std::string(1000, 'x') + "\n"), newest->over(); })) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }
    std::shared_ptr<http::Stream> newest;
    std::vector<std::shared_ptr<http::Stream>> all;
    Running running;
};

const std::string get_stream = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";

}  // namespace

TEST_CASE("a stream arrives bit by bit, and ends when its sender says so") {
    Streaming server;
    Client client(server.running.port);
    client.send(get_stream);
    CHECK_THAT(client.read_until("begin\n"),
               Catch::StartsWith("HTTP/1.1 200 OK\r\n") && Catch::Contains("Content-Type: text/event-stream\r\n") &&
                   Catch::Contains("Cache-Control: no-store\r\n") && Catch::Contains("Connection: close\r\n") &&
                   !Catch::Contains("Content-Length"));
    server.there([&] { return server.newest->send("one\n"), 0; });
    CHECK(client.read_until("\n") == "one\n");
    server.there([&] { return server.newest->send("two\n"), server.newest->end(), server.newest->send("three\n"), 0; });
    CHECK(client.read_all() == "two\n");
}

TEST_CASE("HEAD of a stream gives the headers and ends it") {
    Streaming server;
    CHECK_THAT(ask(server.running.port, line("HEAD", "/stream")),
               Catch::StartsWith("HTTP/1.1 200 OK") && Catch::EndsWith("\r\n\r\n"));
    CHECK(server.over());
}

TEST_CASE("a client that goes is noticed, and gives its place back") {
    http::Limits limits;
    limits.max_streams = 1;
    Streaming server(limits);
    {
        Client client(server.running.port);
        client.send(get_stream);
        client.read_until("begin\n");
        const auto refused = ask(server.running.port, line("GET", "/stream"));
        CHECK_THAT(refused, Catch::StartsWith("HTTP/1.1 503 ") && Catch::Contains("Retry-After: 5\r\n") &&
                                Catch::Contains("too many open streams"));
        CHECK(server.over());  // the one that was refused
        // Others are served beside it.
        CHECK_THAT(ask(server.running.port, line("GET", "/")), Catch::StartsWith("HTTP/1.1 200 "));
    }
    // Its place is free once the server has tried to write to it.
    std::string again;
    for (int i = 0; i < 500 && again.empty(); ++i) {
        server.there([&] { return server.all.front()->send(": alive\n\n"), 0; });
        Client next(server.running.port);
        next.send(get_stream);
        const auto head = next.read_until("\n");
        if (head.find(" 200 ") != std::string::npos) again = next.read_until("begin\n");
    }
    CHECK_THAT(again, Catch::EndsWith("begin\n"));
}

TEST_CASE("a reader that is too slow is let go, and costs no more than the bound") {
    http::Limits limits;
    limits.write_timeout = std::chrono::milliseconds(300);
    Streaming server(limits, 64 * 1024);
    Client client(server.running.port);
    client.send(get_stream);
    client.read_until("begin\n");
    // It reads nothing more. What the kernel holds for it is soon full.
    std::size_t most = 0;
    bool over = false;
    for (int i = 0; i < 20000 && !over; ++i) {
        server.there([&] {
            server.newest->send(std::string(8192, 'x'));
            most = std::max(most, server.newest->waiting());
            return over = server.newest->over();
        });
    }
    CHECK(over);
    CHECK(most <= 64 * 1024);
    CHECK_THAT(ask(server.running.port, line("GET", "/")), Catch::StartsWith("HTTP/1.1 200 "));
}

TEST_CASE("a reader that stands still is let go after the time for a write") {
    http::Limits limits;
    limits.write_timeout = std::chrono::milliseconds(200);
    Streaming server(limits, std::size_t{64} << 20U);
    Client client(server.running.port);
    client.send(get_stream);
    client.read_until("begin\n");
    server.there([&] { return server.newest->send(std::string(std::size_t{32} << 20U, 'x')), 0; });
    CHECK(server.soon_over());
}

TEST_CASE("stopping the server ends its streams") {
    auto server = std::make_unique<Streaming>();
    Client client(server->running.port);
    client.send(get_stream);
    client.read_until("begin\n");
    const auto stream = server->newest;
    server.reset();
    CHECK(client.closed());
    CHECK(stream->over());
}
