// A small HTTP/1.1 server for what machines ask of monitor and keeper: health checks, metrics, state as JSON. GET, HEAD
// and OPTIONS only, and answers that go on as streams; everything about it is bounded. Knows nothing of what it serves.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/http/stream.h"
#include "common/result.h"

namespace boost::asio {
class io_context;
}

namespace pgaf::http {

struct Request {
    std::string method;  ///< GET, HEAD or OPTIONS
    std::string path;    ///< decoded, without the query
    std::map<std::string, std::string> query;
    /// Names in lower case; of one that is repeated, the first.
    std::map<std::string, std::string> headers = {};
};

struct Response {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;
    /// Beside those that the server sets itself. Cache-Control takes the place of its "no-store".
    std::vector<std::pair<std::string, std::string>> headers = {};
    /// The body, when it comes bit by bit: the connection serves nothing else from then on. `body` is empty then.
    std::shared_ptr<Stream> stream = {};
};

/// Called on the io_context's thread, so it answers from memory and never waits. HEAD and OPTIONS get the status alone;
/// the server drops the body, and closes the stream.
using Handler = std::function<Response(const Request&)>;

struct Limits {
    /// Above it the one that has waited longest for a request makes room, so that idle clients don't keep health checks
    /// out; when none waits, one that does not take its answer. Streams stay.
    std::size_t max_connections = 64;
    /// Connections that may be streams at the same time, so that health checks always find a place.
    std::size_t max_streams = 32;
    /// Of request line and headers together.
    std::uint32_t max_request_bytes = 8192;
    /// From the first byte waited for to the last header.
    std::chrono::milliseconds request_timeout{10000};
    /// For an answer; of a stream, for each chunk.
    std::chrono::milliseconds write_timeout{10000};
};

/// Called with the status of each answer, on the io_context's thread.
using Answered = std::function<void(unsigned status)>;

/// Serves on the given io_context until it is destroyed. Create, stop and destroy it on that context's thread, or while
/// the context does not run.
class Server {
  public:
    /// `address` is host:port, [ipv6]:port; port 0 takes a free one. An error says which address, and why.
    static Result<std::unique_ptr<Server>> listen(boost::asio::io_context& context, const std::string& address,
                                                  Handler handler, Limits limits = {}, Answered answered = {});
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] std::uint16_t port() const;
    /// Takes no more connections and closes those that are open.
    void stop();

  private:
    struct Impl;
    explicit Server(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace pgaf::http
