// The probe of new sessions: nobody who answers is told after the limit, a refusal is an answer, and another server
// starts afresh. The server is a socket of the test's own.
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <optional>

#include "keeper/postgres/session_probe.h"
#include "tests/support/live.h"

namespace pgaf::keeper {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol;

struct Server {
    /// Refuses whoever comes, as PostgreSQL does without a slot left.
    void refuse_all() {
        acceptor.emplace(io, Socket::endpoint(dir / ".s.PGSQL.5432"));
        refuse_next();
    }
    void refuse_next() {
        acceptor->async_accept([this](const boost::system::error_code& failed, Socket::socket accepted) {
            if (failed) return;
            ++refused;
            peer.emplace(std::move(accepted));
            // One thread for both ends: it must not wait for what the other one has not sent yet.
            asio::async_read(*peer, asio::buffer(start), [this](const boost::system::error_code&, std::size_t) {
                static constexpr char fields[] = "SFATAL\0C53300\0Msorry, too many clients already\0";
                const auto length = static_cast<std::uint8_t>(sizeof(fields) + 4);
                const std::array<std::uint8_t, 5> head{'E', 0, 0, 0, length};
                asio::write(*peer, asio::buffer(head));
                asio::write(*peer, asio::buffer(fields));
                refuse_next();
            });
        });
    }
    bool until(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            io.restart();
            io.run_one_for(std::chrono::milliseconds(20));
        }
        return true;
    }
    ~Server() {
        probe.reset();
        acceptor.reset();
        io.restart();
        io.run_for(std::chrono::seconds(20));
    }

    test::TempDir dir;
    asio::io_context io{1};
    std::optional<Socket::acceptor> acceptor;
    std::optional<Socket::socket> peer;
    std::array<char, 8> start{};
    int refused = 0;
    std::optional<SessionProbe> probe{std::in_place, io.get_executor(),
                                      "host=" + dir.path() + " port=5432 user=a sslmode=disable", Millis{900}};
};

}  // namespace

TEST_CASE_METHOD(Server, "session probe: nobody gets in, is told after the limit, and not of another server") {
    CHECK(probe->trouble().empty());
    probe->watch(4711);
    CHECK(probe->trouble().empty());
    REQUIRE(until([&] { return !probe->trouble().empty(); }));
    CHECK_THAT(probe->trouble(), Catch::StartsWith("no new session for 1 s: connecting: ") &&
                                     Catch::Contains("No such file or directory"));
    SECTION("another server") {
        probe->watch(4712);
        CHECK(probe->trouble().empty());
        CHECK(until([&] { return !probe->trouble().empty(); }));
    }
    SECTION("none") {
        probe->watch(0);
        CHECK(probe->trouble().empty());
    }
    SECTION("a refusal with an SQLSTATE is an answer") {
        refuse_all();
        REQUIRE(until([&] { return refused > 0 && probe->trouble().empty(); }));
    }
}

TEST_CASE_METHOD(Server, "session probe: it ends with its owner, also in the middle of an attempt") {
    acceptor.emplace(io, Socket::endpoint(dir / ".s.PGSQL.5432"));
    Socket::socket peer(io);
    bool came = false;
    acceptor->async_accept(peer, [&](const boost::system::error_code&) { came = true; });
    probe->watch(4711);
    REQUIRE(until([&] { return came; }));
    acceptor.reset();
    probe.reset();
    io.restart();
    // By itself the attempt would wait for 5 s.
    io.run_for(std::chrono::seconds(4));
    CHECK(io.stopped());
}

}  // namespace pgaf::keeper
