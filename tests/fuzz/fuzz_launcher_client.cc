// What a launcher says to the keeper: the keeper's end of the socket, with the bytes as everything that comes on one
// connection. It takes in what it understands, and a connection that ends is told of.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include "keeper/postgres/launcher_client.h"
#include "tests/fuzz/fuzz.h"

namespace asio = boost::asio;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using Stream = asio::local::stream_protocol;
    static const pgaf::fuzz::Folder folder;
    const auto path = folder.path("launcher.sock");
    std::filesystem::remove(path);

    asio::io_context context(1);
    Stream::acceptor acceptor(context, Stream::endpoint(path));
    Stream::socket peer(context);
    std::uint64_t exits = 0;
    pgaf::keeper::LauncherClient client(context.get_executor(), path);
    client.on_event([&](const pgaf::keeper::LauncherEvent&) {
        pgaf::fuzz::require(client.view().exits >= exits, "exits are never fewer");
        exits = client.view().exits;
    });
    asio::co_spawn(context, client.keep_connected(), asio::detached);
    bool sent = false;
    acceptor.async_accept(peer, [&](const boost::system::error_code& failed) {
        pgaf::fuzz::require(!failed, "the client connects");
        acceptor.close();
        asio::async_write(peer, asio::buffer(data, size), [&](const boost::system::error_code&, std::size_t) {
            boost::system::error_code ignored;
            peer.shutdown(asio::socket_base::shutdown_send, ignored);
        });
        // The client hangs up once it has read to the end, or on a line that it does not understand.
        peer.async_wait(asio::socket_base::wait_error, [&](const boost::system::error_code&) { sent = true; });
    });
    while (!sent && context.run_one() > 0) {
    }
    client.close();
    context.run();
    return 0;
}
