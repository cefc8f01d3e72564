// The HTTP server of monitor and keeper, over a real connection: whatever is sent, there is one whole answer of
// HTTP/1.1 or the connection ends, and the handler sees only what the interface promises (method, path from the root).
// Answers to paths of odd length come bit by bit, as server-sent events do.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "common/http/server.h"
#include "common/http/target.h"
#include "tests/fuzz/fuzz.h"

namespace asio = boost::asio;
using pgaf::fuzz::require;

namespace {

pgaf::http::Response answer(const pgaf::http::Request& request) {
    require(request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS", "a method it knows");
    require(!request.path.empty() && request.path.front() == '/', "a path from the root");
    if (request.path.size() % 2 == 0) return {.status = 200, .content_type = "text/plain", .body = request.path};
    const auto stream = std::make_shared<pgaf::http::Stream>();
    for (const auto& [name, value] : request.headers) stream->send(name + ": " + value + "\n");
    stream->end();
    return {.status = 200, .content_type = "text/event-stream", .body = {}, .headers = {}, .stream = stream};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static asio::io_context context(1);
    static const auto server = pgaf::http::Server::listen(context, "127.0.0.1:0", answer);
    require(static_cast<bool>(server), "a port on loopback");

    if (const auto target = pgaf::http::parse_target(pgaf::fuzz::as_text(data, size)))
        require(!target->path.empty() && target->path.front() == '/', "a target is a path from the root");

    asio::ip::tcp::socket client(context);
    client.connect({asio::ip::address_v4::loopback(), (*server)->port()});
    std::string got;
    bool ended = false;
    asio::async_write(client, asio::buffer(data, size), [&](const boost::system::error_code&, std::size_t) {
        boost::system::error_code ignored;
        client.shutdown(asio::socket_base::shutdown_send, ignored);
    });
    asio::async_read(client, asio::dynamic_buffer(got),
                     [&](const boost::system::error_code&, std::size_t) { ended = true; });
    context.restart();
    while (!ended && context.run_one() > 0) {
    }
    require(got.empty() || got.rfind("HTTP/1.", 0) == 0, "an answer is HTTP");
    // Closed hard, so that a million inputs leave no million ports behind.
    client.set_option(asio::socket_base::linger(true, 0));
    client.close();
    context.poll();
    return 0;
}
