// The Unix socket that the keeper connects to: one connection at a time, lines in, lines out, everything bounded.
// Knows nothing of what the lines mean.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/line_buffer.h"
#include "common/log.h"
#include "common/result.h"
#include "keeper/launcher/event_loop.h"

namespace pgaf::launcher {

/// Longest path that fits into a socket address.
inline constexpr std::size_t max_socket_path = 107;

class KeeperLink {
  public:
    struct Callbacks {
        std::function<void()> opened;
        /// `replaced`: by a newer connection, whose `opened` follows.
        std::function<void(bool replaced)> closed;
        std::function<void(std::string_view line)> line;
        /// Whether programs should be read from: false while the keeper does not read what it is sent.
        std::function<void(bool)> room;
    };

    KeeperLink(EventLoop& loop, std::string path, Callbacks callbacks, Log log);
    ~KeeperLink();
    KeeperLink(const KeeperLink&) = delete;
    KeeperLink& operator=(const KeeperLink&) = delete;

    /// Makes the folder (0700) where it is missing, and the socket (0600). A socket that a dead launcher left is
    /// replaced; one that a living launcher listens on (it holds a lock beside it) is an error.
    Result<> listen();

    [[nodiscard]] bool connected() const { return static_cast<bool>(connection_); }
    /// Ignored without a connection: who connects later gets a hello that says it all.
    void send(const std::string& line);
    /// Handles what has arrived, without waiting for the loop to come round (R8: a renewal may lie in the socket).
    void read_now();
    void disconnect(const std::string& why, bool replaced = false);
    /// Writes what can be written at once: before the launcher ends.
    void flush();

  private:
    Result<> prepare_folder() const;
    Result<> lock_socket();
    Result<> remove_stale_socket() const;
    void accept_one();
    void on_connection_event(std::uint32_t events);
    void update_interest();

    EventLoop& loop_;
    std::string path_;
    Callbacks callbacks_;
    Log log_;
    Fd lock_;
    Fd listener_;
    Fd connection_;
    LineBuffer lines_;
    std::string unsent_;
    bool wants_output_ = false;
    bool roomy_ = true;
};

}  // namespace pgaf::launcher
