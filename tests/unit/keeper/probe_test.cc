// A look at another node's PostgreSQL port: refused, silent, answers.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <chrono>

#include "keeper/service/probe.h"
#include "tests/support/slowness.h"

namespace pgaf::keeper {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

PortState probe(asio::io_context& context, const std::string& host, std::uint16_t port, int limit_ms) {
    std::optional<PortState> found;
    asio::co_spawn(context, probe_port(context.get_executor(), host, port, Millis{limit_ms}),
                   [&](std::exception_ptr broken, PortState state) {
                       if (broken) std::rethrow_exception(broken);
                       found = state;
                   });
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5) * pgaf::test::slowness;
    while (!found && std::chrono::steady_clock::now() < end) {
        context.restart();
        context.run_one_for(std::chrono::milliseconds(20));
    }
    REQUIRE(found);
    return *found;
}

}  // namespace

TEST_CASE("a port that nobody listens on refuses") {
    asio::io_context context;
    tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
    const std::uint16_t port = acceptor.local_endpoint().port();
    acceptor.close();
    CHECK(probe(context, "127.0.0.1", port, 1000) == PortState::refused);
    CHECK(probe(context, "localhost", port, 1000) == PortState::refused);
}

TEST_CASE("a stopped process takes the connection and says nothing: silent, within the limit") {
    asio::io_context context;
    tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
    const auto began = std::chrono::steady_clock::now();
    CHECK(probe(context, "127.0.0.1", acceptor.local_endpoint().port(), 200) == PortState::silent);
    const auto took = std::chrono::steady_clock::now() - began;
    CHECK(took >= std::chrono::milliseconds(190));
    CHECK(took < std::chrono::seconds(2) * pgaf::test::slowness);
}

TEST_CASE("whoever answers the SSL request is alive") {
    asio::io_context context;
    tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
    std::array<unsigned char, 8> request{};
    tcp::socket peer(context);
    acceptor.async_accept(peer, [&](boost::system::error_code) {
        asio::async_read(peer, asio::buffer(request),
                         [&](boost::system::error_code, std::size_t) { asio::write(peer, asio::buffer("N", 1)); });
    });
    CHECK(probe(context, "127.0.0.1", acceptor.local_endpoint().port(), 1000) == PortState::answers);
    // Length 8, then 80877103.
    CHECK(request == std::array<unsigned char, 8>{0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F});
}

TEST_CASE("whoever hangs up, and a name that nobody knows, is silent") {
    asio::io_context context;
    tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
    acceptor.async_accept([](boost::system::error_code, tcp::socket peer) { peer.close(); });
    CHECK(probe(context, "127.0.0.1", acceptor.local_endpoint().port(), 1000) == PortState::silent);
    CHECK(probe(context, "no-such-host.invalid", 5432, 300) == PortState::silent);
}

}  // namespace pgaf::keeper
