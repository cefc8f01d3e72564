// A response's body that comes into being while its client reads: server-sent events. The server writes what is sent as
// fast as the client takes it; a client that takes too little is let go, so that it costs a bounded amount of memory.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>

namespace pgaf::http {

/// On the server's thread only. Shared between who sends and the server that writes.
class Stream {
  public:
    using Chunk = std::shared_ptr<const std::string>;

    /// More than this not yet written ends the stream.
    explicit Stream(std::size_t most_waiting = std::size_t{1} << 20U) : most_waiting_(most_waiting) {}

    /// Many streams may share a chunk. Nothing happens to a stream that is over.
    void send(Chunk chunk);
    void send(std::string text) { send(std::make_shared<const std::string>(std::move(text))); }
    /// The stream ends when what was sent is written.
    void end();
    /// The client is gone, was too slow, or end() was called.
    [[nodiscard]] bool over() const { return over_; }
    /// Sent and not written yet.
    [[nodiscard]] std::size_t waiting() const { return bytes_; }

    // For the server.
    /// Called when there is something to do: to write, or to end.
    void on_wake(std::function<void()> wake) { wake_ = std::move(wake); }
    /// The next chunk to write; nothing when none waits.
    [[nodiscard]] Chunk take();
    /// Ends it at once: what waits is dropped.
    void close();

  private:
    std::size_t most_waiting_;
    std::deque<Chunk> chunks_;
    std::size_t bytes_ = 0;
    bool over_ = false;
    std::function<void()> wake_;
};

}  // namespace pgaf::http
