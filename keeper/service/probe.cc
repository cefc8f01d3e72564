#include "keeper/service/probe.h"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <memory>

namespace pgaf::keeper {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

/// Length 8 and the code of an SSLRequest. PostgreSQL answers it with one byte ('S' or 'N'), or with an error.
constexpr std::array<unsigned char, 8> ssl_request{0, 0, 0, 8, 4, 210, 22, 47};

/// Shared with the attempt, which may outlive the look: resolving a name can't be broken off.
struct Look {
    explicit Look(const asio::any_io_executor& strand) : socket(strand), resolver(strand), over(strand) {}
    tcp::socket socket;
    tcp::resolver resolver;
    asio::steady_timer over;
    PortState found = PortState::silent;
    bool late = false;
};

asio::awaitable<PortState> ask(const std::shared_ptr<Look> look, std::string host, std::uint16_t port) {
    boost::system::error_code failed;
    auto token = asio::redirect_error(asio::use_awaitable, failed);
    tcp::resolver::results_type where;
    if (const auto address = asio::ip::make_address(host, failed); !failed) {
        where = tcp::resolver::results_type::create(tcp::endpoint(address, port), host, {});
    } else {
        where = co_await look->resolver.async_resolve(host, std::to_string(port), token);
        if (failed || look->late) co_return PortState::silent;
    }
    co_await asio::async_connect(look->socket, where, token);
    if (failed) co_return failed == asio::error::connection_refused ? PortState::refused : PortState::silent;
    co_await asio::async_write(look->socket, asio::buffer(ssl_request), token);
    if (failed) co_return PortState::silent;
    std::array<char, 1> answer{};
    co_await asio::async_read(look->socket, asio::buffer(answer), token);
    co_return failed ? PortState::silent : PortState::answers;
}

}  // namespace

asio::awaitable<PortState> probe_port(asio::any_io_executor strand, std::string host, std::uint16_t port,
                                      Millis limit) {
    const auto look = std::make_shared<Look>(strand);
    look->over.expires_after(std::chrono::milliseconds(limit.v));
    asio::co_spawn(
        strand,
        [](std::shared_ptr<Look> l, std::string h, std::uint16_t p) -> asio::awaitable<void> {
            const PortState found = co_await ask(l, std::move(h), p);
            if (!l->late) l->found = found;
            l->over.expires_at(std::chrono::steady_clock::time_point::min());
        }(look, std::move(host), port),
        asio::detached);
    boost::system::error_code rung;
    co_await look->over.async_wait(asio::redirect_error(asio::use_awaitable, rung));
    look->late = true;
    boost::system::error_code ignored;  // closing a socket that was never open is no error worth telling
    look->socket.close(ignored);
    co_return look->found;
}

}  // namespace pgaf::keeper
