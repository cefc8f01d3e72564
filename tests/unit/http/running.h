// A server on a thread of its own, and a client that sees each byte.
#pragma once

#include <sys/socket.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <stdexcept>
#include <string>
#include <thread>

#include "common/http/server.h"

namespace pgaf::test {

namespace asio = boost::asio;
using asio::ip::tcp;

/// A server on a thread of its own.
struct Running {
    explicit Running(http::Handler handler, http::Limits limits = {}, http::Answered answered = {}) {
        auto made = http::Server::listen(context, "127.0.0.1:0", std::move(handler), limits, std::move(answered));
        if (!made) throw std::runtime_error(made.error().message);
        server = std::move(*made);
        port = server->port();
        thread = std::thread([this] { context.run(); });
    }
    ~Running() {
        asio::post(context, [this] { server.reset(), work.reset(); });
        thread.join();
    }
    asio::io_context context;
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    std::unique_ptr<http::Server> server;
    std::uint16_t port = 0;
    std::thread thread;
};

struct Client {
    explicit Client(std::uint16_t port) : socket(context) {
        socket.connect({asio::ip::address_v4::loopback(), port});
        // A test that waits for ever says nothing; reads below go through the native handle, which honours this.
        const timeval limit{5, 0};
        ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    void send(const std::string& text) {
        boost::system::error_code ignored;  // the server may have hung up already: the read shows it
        asio::write(socket, asio::buffer(text), ignored);
    }
    /// Reads up to and with `end`, or until the server closes.
    std::string read_until(const std::string& end) {
        std::string text;
        char c = 0;
        while (text.find(end) == std::string::npos && ::recv(socket.native_handle(), &c, 1, 0) == 1) text.push_back(c);
        return text;
    }
    std::string read_all() { return read_until(std::string("\0never", 6)); }
    /// Whether the server has closed: recv gives 0, not a timeout.
    bool closed() {
        char c = 0;
        const auto got = ::recv(socket.native_handle(), &c, 1, 0);
        return got == 0 || (got < 0 && errno == ECONNRESET);
    }
    asio::io_context context;
    tcp::socket socket;
};

inline std::string ask(std::uint16_t port, const std::string& request) {
    Client client(port);
    client.send(request);
    return client.read_all();
}

inline std::string line(const std::string& method, const std::string& target) {
    return method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
}

}  // namespace pgaf::test
