#include "common/http/server.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <list>
#include <optional>
#include <set>

#include "common/http/target.h"
#include "common/net.h"

namespace pgaf::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto server_name = "pgaf/" PGAF_VERSION;

using Message = beast::http::response<beast::http::string_body>;
using Ask = beast::http::request<beast::http::empty_body>;
using Parser = beast::http::request_parser<beast::http::empty_body>;

struct Connection {
    explicit Connection(tcp::socket socket) : stream(std::move(socket)) {}
    beast::tcp_stream stream;
    /// For a request, or for the rest of one.
    bool waits = false;
    /// It has a limit of its own, and keeps its place.
    bool streams = false;
    /// It has been told to make room.
    bool leaves = false;
};

/// An answer, and what follows it.
struct Reply {
    Message message;
    std::shared_ptr<Stream> stream = {};
};

/// Wraps a coroutine's error code: failures of one connection are its peer's business and end that connection only.
auto into(error_code& ec) {
    return asio::redirect_error(asio::use_awaitable, ec);
}

Message plain(unsigned version, beast::http::status status, std::string text) {
    Message message(status, version);
    message.set(beast::http::field::content_type, "text/plain; charset=utf-8");
    message.body() = std::move(text) + "\n";
    return message;
}

std::map<std::string, std::string> headers_of(const Ask& request) {
    std::map<std::string, std::string> headers;
    for (const auto& field : request) {
        std::string name(field.name_string());
        for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        headers.emplace(std::move(name), std::string(field.value()));
    }
    return headers;
}

Reply answer(const Ask& request, const Handler& handler) {
    using beast::http::verb;
    const verb method = request.method();
    if (method != verb::get && method != verb::head && method != verb::options) {
        Message message =
            plain(request.version(), beast::http::status::method_not_allowed, "only GET, HEAD and OPTIONS");
        message.set(beast::http::field::allow, "GET, HEAD, OPTIONS");
        return {std::move(message)};
    }
    const auto target = parse_target(std::string_view(request.target().data(), request.target().size()));
    if (!target) return {plain(request.version(), beast::http::status::bad_request, "not a path")};

    Response response =
        handler(Request{std::string(request.method_string()), target->path, target->query, headers_of(request)});
    Message message(beast::http::int_to_status(response.status), request.version());
    message.result(response.status);
    message.set(beast::http::field::content_type, response.content_type);
    message.set(beast::http::field::cache_control, "no-store");
    // What an answer is, its type says: no browser is to guess.
    message.set("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : response.headers) message.set(name, value);
    // Only of a HEAD the answer may name the length of a body that does not follow.
    if (method == verb::options)
        message.set(beast::http::field::allow, "GET, HEAD, OPTIONS");
    else
        message.body() = std::move(response.body);
    if (response.stream && method != verb::get) response.stream->close();
    return {std::move(message), method == verb::get ? std::move(response.stream) : nullptr};
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
    Impl(asio::io_context& context, Handler to_call, Limits bounds, Answered to_tell)
        : acceptor(context),
          pause(context),
          handler(std::move(to_call)),
          limits(bounds),
          answered(std::move(to_tell)) {}

    tcp::acceptor acceptor;
    asio::steady_timer pause;
    Handler handler;
    Limits limits;
    Answered answered;
    /// Those that have waited longest come first.
    std::list<Connection> connections;
    std::set<std::shared_ptr<Stream>> streams;
    bool stopped = false;

    void stop() {
        stopped = true;
        error_code ignored;  // closing can only fail on what is closed already
        acceptor.close(ignored);
        pause.cancel();
        for (auto& connection : connections) connection.stream.cancel();
        for (const auto& stream : std::exchange(streams, {})) stream->close();
    }

    /// One that waits goes, else one that does not take its answer. False: all others are streams.
    bool make_room() {
        const auto first = [this](auto which) { return std::find_if(connections.begin(), connections.end(), which); };
        auto slow = first([](const Connection& c) { return c.waits && !c.leaves; });
        if (slow == connections.end()) slow = first([](const Connection& c) { return !c.streams && !c.leaves; });
        if (slow == connections.end()) return false;
        slow->leaves = true;
        slow->stream.cancel();
        return true;
    }

    static asio::awaitable<void> accept_loop(std::shared_ptr<Impl> self);
    static asio::awaitable<void> serve(std::shared_ptr<Impl> self, std::list<Connection>::iterator connection);
    asio::awaitable<bool> serve_one(std::list<Connection>::iterator connection, beast::flat_buffer& buffer);
    asio::awaitable<bool> write(beast::tcp_stream& stream, Message message, bool with_body, bool keep_alive);
    asio::awaitable<void> write_stream(beast::tcp_stream& connection, Message message, std::shared_ptr<Stream> stream);
    asio::awaitable<void> write_chunks(beast::tcp_stream& connection, Stream& stream);
};

asio::awaitable<void> Server::Impl::accept_loop(std::shared_ptr<Impl> self) {
    while (!self->stopped) {
        error_code ec;
        tcp::socket socket = co_await self->acceptor.async_accept(into(ec));
        if (self->stopped) co_return;
        if (ec) {
            // Out of file descriptors, mostly: an accept would fail again at once, so give the others time to end.
            self->pause.expires_after(std::chrono::milliseconds(100));
            co_await self->pause.async_wait(into(ec));
            continue;
        }
        // A newcomer that finds no room sees a closed connection at once instead of waiting in the dark.
        if (self->connections.size() >= self->limits.max_connections && !self->make_room()) continue;
        const auto connection = self->connections.emplace(self->connections.end(), std::move(socket));
        asio::co_spawn(self->acceptor.get_executor(), serve(self, connection), asio::detached);
    }
}

asio::awaitable<void> Server::Impl::serve(std::shared_ptr<Impl> self, std::list<Connection>::iterator connection) {
    beast::flat_buffer buffer(self->limits.max_request_bytes);
    while (!self->stopped && !connection->leaves && co_await self->serve_one(connection, buffer)) {
    }
    error_code ignored;  // the peer may have closed first
    connection->stream.socket().shutdown(tcp::socket::shutdown_both, ignored);
    self->connections.erase(connection);
}

/// Reads a request and answers it. False ends the connection.
asio::awaitable<bool> Server::Impl::serve_one(std::list<Connection>::iterator connection, beast::flat_buffer& buffer) {
    beast::tcp_stream& stream = connection->stream;
    Parser parser;
    parser.header_limit(limits.max_request_bytes);
    parser.body_limit(0);
    error_code ec;
    connections.splice(connections.end(), connections, connection);  // make_room() takes the first
    connection->waits = true;
    stream.expires_after(limits.request_timeout);
    co_await beast::http::async_read(stream, buffer, parser, into(ec));
    connection->waits = false;
    if (ec == beast::http::error::header_limit || ec == beast::http::error::buffer_overflow) {
        co_return co_await write(
            stream, plain(11, beast::http::status::request_header_fields_too_large, "request too large"), true, false);
    }
    if (ec == beast::http::error::body_limit || ec == beast::http::error::unexpected_body) {
        co_return co_await write(stream, plain(11, beast::http::status::payload_too_large, "no body is wanted"), true,
                                 false);
    }
    if (ec.category() == make_error_code(beast::http::error::end_of_stream).category() &&
        ec != beast::http::error::end_of_stream && ec != beast::http::error::partial_message) {
        co_return co_await write(stream, plain(11, beast::http::status::bad_request, "not HTTP"), true, false);
    }
    if (ec) co_return false;  // closed, reset or timed out
    const auto& request = parser.get();
    Reply reply = answer(request, handler);
    if (reply.stream && streams.size() >= limits.max_streams) {
        reply.stream->close();
        reply = {plain(request.version(), beast::http::status::service_unavailable,
                       "too many open streams; close some, or ask without a stream")};
        reply.message.set(beast::http::field::retry_after, "5");
    }
    if (reply.stream) {
        connection->streams = true;
        co_await write_stream(stream, std::move(reply.message), std::move(reply.stream));
        co_return false;
    }
    co_return co_await write(stream, std::move(reply.message), request.method() != beast::http::verb::head,
                             request.keep_alive());
}

asio::awaitable<bool> Server::Impl::write(beast::tcp_stream& stream, Message message, bool with_body, bool keep_alive) {
    if (answered) answered(message.result_int());
    message.set(beast::http::field::server, server_name);
    message.keep_alive(keep_alive);
    message.prepare_payload();  // the length that a GET would have, for HEAD too
    beast::http::response_serializer<beast::http::string_body> serializer(message);
    error_code ec;
    stream.expires_after(limits.write_timeout);
    if (with_body) {
        co_await beast::http::async_write(stream, serializer, into(ec));
    } else {
        serializer.split(true);
        co_await beast::http::async_write_header(stream, serializer, into(ec));
    }
    co_return !ec && keep_alive;
}

/// The body ends where the connection does, which clients of every version understand.
asio::awaitable<void> Server::Impl::write_stream(beast::tcp_stream& connection, Message message,
                                                 std::shared_ptr<Stream> stream) {
    streams.insert(stream);
    if (answered) answered(message.result_int());
    message.set(beast::http::field::server, server_name);
    message.keep_alive(false);
    beast::http::response_serializer<beast::http::string_body> serializer(message);
    serializer.split(true);
    error_code ec;
    connection.expires_after(limits.write_timeout);
    co_await beast::http::async_write_header(connection, serializer, into(ec));
    if (!ec) co_await write_chunks(connection, *stream);
    stream->on_wake({});
    stream->close();
    streams.erase(stream);
}

asio::awaitable<void> Server::Impl::write_chunks(beast::tcp_stream& connection, Stream& stream) {
    asio::steady_timer more(connection.get_executor(), asio::steady_timer::time_point::max());
    stream.on_wake([&more] { more.cancel(); });
    while (!stopped) {
        error_code ec;
        if (const auto chunk = stream.take()) {
            connection.expires_after(limits.write_timeout);
            co_await asio::async_write(connection, asio::buffer(*chunk), into(ec));
            if (ec) co_return;  // gone, or too slow
        } else if (stream.over()) {
            co_return;
        } else {
            co_await more.async_wait(into(ec));  // woken by a cancel
        }
    }
}

Result<std::unique_ptr<Server>> Server::listen(asio::io_context& context, const std::string& address, Handler handler,
                                               Limits limits, Answered answered) {
    const auto where = parse_host_port(address);
    if (!where) return where.error().in("HTTP listen address");
    const auto failed = [&](const char* what, const error_code& ec) {
        return error("HTTP server: " + std::string(what) + " " + address + ": " + ec.message() +
                     (ec == asio::error::address_in_use
                          ? "; another program listens there: stop it or set another http_listen"
                          : ""));
    };
    error_code ec;
    tcp::resolver resolver(context);
    const auto found = resolver.resolve(where->host, std::to_string(where->port),
                                        tcp::resolver::passive | tcp::resolver::numeric_service, ec);
    if (ec || found.empty()) return failed("cannot resolve", ec);
    auto impl = std::make_shared<Impl>(context, std::move(handler), limits, std::move(answered));
    const tcp::endpoint endpoint = found.begin()->endpoint();
    impl->acceptor.open(endpoint.protocol(), ec);
    if (ec) return failed("cannot open a socket for", ec);
    impl->acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
    if (ec) return failed("cannot set up a socket for", ec);
    impl->acceptor.bind(endpoint, ec);
    if (ec) return failed("cannot listen on", ec);
    impl->acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) return failed("cannot listen on", ec);
    asio::co_spawn(context, Impl::accept_loop(impl), asio::detached);
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::Server(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() {
    impl_->stop();
}
void Server::stop() {
    impl_->stop();
}
std::uint16_t Server::port() const {
    error_code ec;
    const auto endpoint = impl_->acceptor.local_endpoint(ec);
    return ec ? 0 : endpoint.port();
}

}  // namespace pgaf::http
