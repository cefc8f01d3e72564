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
#include <thread>

#include "keeper/postgres/session_probe.h"
#include "tests/support/live.h"

namespace pgaf::keeper {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol;

struct Server {
    /// Takes whoever comes, and does not answer: a postmaster that stands still.
    void take_all() {
        acceptor.emplace(io, Socket::endpoint(dir / ".s.PGSQL.5432"));
        take_next();
    }
    void take_next() {
        acceptor->async_accept([this](const boost::system::error_code& failed, Socket::socket accepted) {
            if (failed) return;
            ++came;
            peer.emplace(std::move(accepted));
            if (refuses) refuse();
            take_next();
        });
    }
    /// As PostgreSQL does without a slot left.
    void refuse() {
        refuses = true;
        if (!peer) return;
        // One thread for both ends: it must not wait for what the other one has not sent yet.
        asio::async_read(*peer, asio::buffer(start), [this](const boost::system::error_code&, std::size_t) {
            static constexpr char fields[] = "SFATAL\0C53300\0Msorry, too many clients already\0";
            const auto length = static_cast<std::uint8_t>(sizeof(fields) + 4);
            const std::array<std::uint8_t, 5> head{'E', 0, 0, 0, length};
            asio::write(*peer, asio::buffer(head));
            asio::write(*peer, asio::buffer(fields));
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

    [[nodiscard]] bool nobody_gets_in() { return !probe->trouble(limit).empty(); }

    static constexpr Millis limit{600};
    test::TempDir dir;
    asio::io_context io{1};
    std::optional<Socket::acceptor> acceptor;
    std::optional<Socket::socket> peer;
    std::array<char, 8> start{};
    int came = 0;
    bool refuses = false;
    std::optional<SessionProbe> probe{std::in_place, io.get_executor(),
                                      "host=" + dir.path() + " port=5432 user=a sslmode=disable"};
};

}  // namespace

TEST_CASE_METHOD(Server,
                 "session probe: a server that lets nobody in is told after the limit, and not of another one") {
    take_all();
    probe->watch(4711);
    CHECK_FALSE(nobody_gets_in());
    REQUIRE(until([&] { return nobody_gets_in(); }));
    CHECK(came == 1);
    CHECK(probe->trouble(limit) == "no new session for 0 s");
    SECTION("another server") {
        probe->watch(4712);
        CHECK_FALSE(nobody_gets_in());
        CHECK(until([&] { return nobody_gets_in(); }));
        CHECK(came == 2);
    }
    SECTION("none") {
        probe->watch(0);
        CHECK_FALSE(nobody_gets_in());
    }
    SECTION("it goes on; a refusal with an SQLSTATE is an answer") {
        refuse();
        REQUIRE(until([&] { return !nobody_gets_in(); }));
        CHECK(came == 1);
    }
}

TEST_CASE_METHOD(Server, "session probe: an attempt that fails at once says nothing of the server") {
    probe->watch(4711);  // there is no such socket
    for (int i = 0; i < 50; ++i) {
        io.restart();
        io.run_for(std::chrono::milliseconds(20));
        REQUIRE_FALSE(nobody_gets_in());
    }
}

TEST_CASE_METHOD(Server, "session probe: a freeze of the keeper counts for no more than two seconds") {
    take_all();
    probe->watch(4711);
    REQUIRE(until([&] { return came == 1; }));
    CHECK(probe->trouble(Millis{2500}).empty());
    std::this_thread::sleep_for(std::chrono::milliseconds(2600));  // it is asked by nobody
    CHECK(probe->trouble(Millis{2500}).empty());
    CHECK(until([&] { return !probe->trouble(Millis{2500}).empty(); }));
}

TEST_CASE_METHOD(Server, "session probe: it ends with its owner, also in the middle of an attempt") {
    take_all();
    probe->watch(4711);
    REQUIRE(until([&] { return came == 1; }));
    acceptor.reset();
    probe.reset();
    io.restart();
    // By itself the attempt would wait for a minute.
    io.run_for(std::chrono::seconds(20));
    CHECK(io.stopped());
}

}  // namespace pgaf::keeper
