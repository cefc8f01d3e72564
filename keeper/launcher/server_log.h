// Where the postmaster's standard error goes: straight into a file (the launcher never writes for PostgreSQL then, so a
// stuck disk can't hold it up), or through the launcher to its own standard error. Keeps the last lines either way, for
// the keeper to say why a start failed.
#pragma once

#include <string>
#include <vector>

#include "common/result.h"
#include "keeper/launcher/event_loop.h"

namespace pgaf::launcher {

class ServerLog {
  public:
    /// `file`: appended to; empty: the launcher's standard error.
    ServerLog(EventLoop& loop, std::string file) : loop_(loop), file_(std::move(file)) {}
    ~ServerLog();
    ServerLog(const ServerLog&) = delete;
    ServerLog& operator=(const ServerLog&) = delete;

    /// A descriptor for the standard error of a postmaster that is about to start. What was said before is forgotten.
    Result<Fd> open();
    /// What the postmaster has said since then: the last lines, at most 20 and 8 KiB.
    [[nodiscard]] std::vector<std::string> last_lines();

  private:
    void on_readable();
    void pass_on();
    void wait_for_room(bool wait);

    EventLoop& loop_;
    std::string file_;
    /// Without a file: the reading end of the pipe, what is still to be passed on, and the end of what was said.
    Fd pipe_;
    std::string unwritten_;
    std::string tail_;
    bool waiting_for_room_ = false;
    /// With a file: where this run of the postmaster begins.
    long long begin_ = 0;
};

/// The last lines of a text, at most `count`; without a first line that `text` holds only in part.
[[nodiscard]] std::vector<std::string> last_lines_of(const std::string& text, std::size_t count, bool first_is_partial);

}  // namespace pgaf::launcher
