// Ends single children of the postmaster on the keeper's word (a WAL receiver for a fence, a walsender of R14):
// SIGTERM, then the answer as soon as the process is gone.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>

#include "common/result.h"
#include "keeper/launcher/event_loop.h"

namespace pgaf::launcher {

class ChildEnder {
  public:
    explicit ChildEnder(EventLoop& loop) : loop_(loop) {}
    ~ChildEnder();
    ChildEnder(const ChildEnder&) = delete;
    ChildEnder& operator=(const ChildEnder&) = delete;

    /// Fine when there is no such process; an error when it is no child of `postmaster`, or still there at the limit.
    void end(pid_t postmaster, pid_t pid, std::optional<Millis> limit, std::function<void(Result<>)> answer);
    /// Nobody is left to be answered.
    void forget_all();

  private:
    struct Waiting {
        Fd process;
        EventLoop::TimerId timer = 0;
        std::function<void(Result<>)> answer;
    };
    void finish(std::uint64_t number, Result<> result);

    EventLoop& loop_;
    std::map<std::uint64_t, Waiting> waiting_;
    std::uint64_t next_ = 1;
};

}  // namespace pgaf::launcher
