// The HTTP server over loopback: methods, headers, keep-alive, and every bound.
#include "common/http/server.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/unit/http/running.h"

using namespace pgaf;
using namespace pgaf::test;

namespace {

http::Response echo(const http::Request& request) {
    if (request.path == "/down") return {503, "application/json", "{\"state\":\"down\"}"};
    if (request.path == "/large") return {200, "text/plain", std::string(64 << 20, 'x')};
    std::string body = request.method + " " + request.path;
    for (const auto& [key, value] : request.query) body += " " + key + "=" + value;
    return {200, "text/plain", body};
}

/// Of this process, server and clients together.
std::size_t open_sockets() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;  // closed since it was listed
        if (std::filesystem::read_symlink(entry, gone).string().starts_with("socket:")) ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("GET gives status, type and body") {
    Running running(echo);
    const auto ok = ask(running.port, line("GET", "/a%20b?lag=1"));
    CHECK_THAT(ok, Catch::StartsWith("HTTP/1.1 200 OK\r\n"));
    CHECK_THAT(ok, Catch::Contains("Content-Type: text/plain\r\n") && Catch::EndsWith("\r\n\r\nGET /a b lag=1"));
    CHECK_THAT(ask(running.port, line("GET", "/down")),
               Catch::StartsWith("HTTP/1.1 503 ") && Catch::EndsWith("{\"state\":\"down\"}"));
}

TEST_CASE("HEAD and OPTIONS give the status without the body") {
    Running running(echo);
    const auto head = ask(running.port, line("HEAD", "/down"));
    CHECK_THAT(head, Catch::StartsWith("HTTP/1.1 503 ") && Catch::EndsWith("\r\n\r\n") &&
                         Catch::Contains("Content-Length: 16\r\n"));
    const auto options = ask(running.port, line("OPTIONS", "/down"));
    CHECK_THAT(options, Catch::StartsWith("HTTP/1.1 503 ") && Catch::EndsWith("\r\n\r\n") &&
                            Catch::Contains("Allow: GET, HEAD, OPTIONS") && Catch::Contains("Content-Length: 0\r\n"));
}

TEST_CASE("a connection serves many requests, pipelined too") {
    Running running(echo);
    Client client(running.port);
    client.send("GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(client.read_until("GET /one"), Catch::EndsWith("GET /one"));
    CHECK_THAT(client.read_until("GET /two"), Catch::EndsWith("GET /two"));
    client.send("HEAD /down HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(client.read_until("\r\n\r\n"), Catch::Contains(" 503 "));
    // Whoever asks for the code alone is not left waiting for a body that does not come.
    client.send("OPTIONS /down HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(client.read_until("\r\n\r\n"), Catch::Contains(" 503 ") && Catch::Contains("Content-Length: 0\r\n"));
    client.send("GET /three HTTP/1.0\r\n\r\n");
    CHECK_THAT(client.read_all(), Catch::EndsWith("GET /three"));
}

TEST_CASE("what is not wanted is refused") {
    Running running(echo);
    CHECK_THAT(ask(running.port, line("DELETE", "/")), Catch::StartsWith("HTTP/1.1 405 ") && Catch::Contains("Allow:"));
    CHECK_THAT(ask(running.port, line("GET", "/%zz")), Catch::StartsWith("HTTP/1.1 400 "));
    CHECK_THAT(ask(running.port, "\x16\x03\x01 this is not HTTP\r\n\r\n"), Catch::StartsWith("HTTP/1.1 400 "));
    CHECK_THAT(ask(running.port, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabcdefghi"),
               Catch::StartsWith("HTTP/1.1 413 "));
    CHECK_THAT(ask(running.port, "GET /" + std::string(9000, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n"),
               Catch::StartsWith("HTTP/1.1 431 "));
    // It still serves.
    CHECK_THAT(ask(running.port, line("GET", "/")), Catch::StartsWith("HTTP/1.1 200 "));
}

TEST_CASE("connections are bounded, and slow ones are let go") {
    http::Limits limits;
    limits.max_connections = 2;
    limits.request_timeout = std::chrono::milliseconds(400);
    Running running(echo, limits);
    Client first(running.port);
    first.send("GET /slow HTTP");
    Client second(running.port);
    second.send("GET /busy HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(second.read_until("GET /busy"), Catch::EndsWith("GET /busy"));
    CHECK(first.closed());  // after the timeout
    CHECK(second.closed());
    CHECK_THAT(ask(running.port, line("GET", "/")), Catch::StartsWith("HTTP/1.1 200 "));
}

TEST_CASE("above the limit who has waited longest makes room, and when none waits, who does not read") {
    http::Limits limits;
    limits.max_connections = 2;
    Running running(echo, limits);
    const auto served = [](Client& client, const char* path) {
        client.send(std::string("GET ") + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
        return client.read_until(std::string("GET ") + path).ends_with(std::string("GET ") + path);
    };
    Client first(running.port);
    CHECK(served(first, "/first"));
    Client second(running.port);
    CHECK(served(second, "/second"));
    // It has waited a shorter time now than the second.
    CHECK(served(first, "/again"));
    Client third(running.port);
    CHECK(served(third, "/third"));
    CHECK(second.closed());
    CHECK(served(first, "/there"));
    CHECK(served(third, "/there"));
    // Both are being answered, and do not read.
    for (Client* client : {&first, &third}) {
        client->send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK_THAT(client->read_until("\r\n\r\n"), Catch::StartsWith("HTTP/1.1 200 "));
    }
    CHECK_THAT(ask(running.port, line("GET", "/")), Catch::StartsWith("HTTP/1.1 200 "));
}

TEST_CASE("one that sends a byte now and then is let go after the same time, and one that does not read") {
    http::Limits limits;
    limits.request_timeout = std::chrono::milliseconds(400);
    {
        Running running(echo, limits);
        Client trickle(running.port);
        trickle.send("GET /trickle HTTP/1.1\r\n");
        const auto hung_up = [&] {
            char c = 0;
            return ::recv(trickle.socket.native_handle(), &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
        };
        for (int i = 0; i < 200 && !hung_up(); ++i) {
            trickle.send("X");
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        CHECK(trickle.closed());
    }
    limits.write_timeout = std::chrono::milliseconds(400);
    Running running(echo, limits);
    const std::size_t before = open_sockets();
    Client deaf(running.port);
    deaf.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(deaf.read_until("\r\n\r\n"), Catch::StartsWith("HTTP/1.1 200 "));
    // The client's own is left.
    for (int i = 0; i < 250 && open_sockets() > before + 1; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(open_sockets() == before + 1);
}

TEST_CASE("streams keep their place, and without another one a newcomer is let go") {
    http::Limits limits;
    limits.max_connections = limits.max_streams = 1;
    const auto stream = std::make_shared<http::Stream>();
    stream->send("first\n");
    Running running([&](const http::Request&) { return http::Response{200, "text/plain", {}, {}, stream}; }, limits);
    Client client(running.port);
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(client.read_until("first\n"), Catch::EndsWith("first\n"));
    CHECK(ask(running.port, line("GET", "/")).empty());
    asio::post(running.context, [&] {
        stream->send("second\n");
        stream->end();
    });
    CHECK(client.read_all() == "second\n");
}

TEST_CASE("headers are bounded all together, and so is a query") {
    Running running(echo);
    std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
    for (int i = 0; i < 300; ++i) many += "X-" + std::to_string(i) + ": " + std::string(40, 'y') + "\r\n";
    CHECK_THAT(ask(running.port, many + "\r\n"), Catch::StartsWith("HTTP/1.1 431 "));
    CHECK_THAT(ask(running.port, line("GET", "/?" + std::string(9000, 'q'))), Catch::StartsWith("HTTP/1.1 431 "));
}

TEST_CASE("a port in use is one clear error") {
    Running running(echo);
    asio::io_context context;
    const auto taken = http::Server::listen(context, "127.0.0.1:" + std::to_string(running.port), echo);
    REQUIRE(taken.has_error());
    CHECK_THAT(taken.error().message,
               Catch::Contains("cannot listen on 127.0.0.1:") && Catch::Contains("another program"));
    CHECK(http::Server::listen(context, "nowhere", echo).has_error());
}

TEST_CASE("stopping closes what is open") {
    auto running = std::make_unique<Running>(echo);
    Client client(running->port);
    client.send("GET /one HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(client.read_until("GET /one"), Catch::EndsWith("GET /one"));
    running.reset();
    CHECK(client.closed());
}

TEST_CASE("a handler sees headers, sets some, and every answer is counted") {
    std::map<unsigned, int> counts;
    {
        Running running(
            [](const http::Request& request) {
                http::Response response{200, "text/plain", request.headers.at("x-asked")};
                response.headers = {{"Cache-Control", "no-cache"}, {"ETag", "\"1\""}};
                return response;
            },
            {}, [&](unsigned status) { ++counts[status]; });
        const auto got = ask(running.port, "GET / HTTP/1.1\r\nHost: x\r\nX-Asked: this\r\nConnection: close\r\n\r\n");
        CHECK_THAT(got, Catch::Contains("Cache-Control: no-cache\r\n") && Catch::Contains("ETag: \"1\"\r\n") &&
                            Catch::Contains("X-Content-Type-Options: nosniff\r\n") && Catch::EndsWith("this") &&
                            !Catch::Contains("no-store"));
        CHECK_THAT(ask(running.port, line("DELETE", "/")), Catch::StartsWith("HTTP/1.1 405 "));
    }
    CHECK(counts == std::map<unsigned, int>{{200, 1}, {405, 1}});
}
