// R13: kills whatever uses the data folder and is nobody's, and tells when nothing of it is left. Waits by pidfd; never
// by time. Knows nothing of why.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "common/log.h"
#include "keeper/launcher/event_loop.h"
#include "keeper/launcher/proc_scan.h"

namespace pgaf::launcher {

class Sweeper {
  public:
    /// `spared` tells the process groups of programs under way; `reap` collects the launcher's dead children.
    Sweeper(EventLoop& loop, const FolderUsers& users, std::function<std::set<pid_t>()> spared,
            std::function<void()> reap, Log log);
    ~Sweeper();
    Sweeper(const Sweeper&) = delete;
    Sweeper& operator=(const Sweeper&) = delete;

    /// `done` is called when nothing is left, at once if so from the start. One sweep at a time.
    /// `spare_logger`: PostgreSQL's logging collector gets a moment to write its last lines; it acknowledges nothing.
    void sweep(bool spare_logger, std::function<void()> done);
    /// What the latest sweep has seen: a running postmaster that no launcher has started; 0: none.
    [[nodiscard]] pid_t foreign_postmaster() const { return foreign_; }
    [[nodiscard]] bool under_way() const { return done_ != nullptr; }

  private:
    void look();
    bool kill_what_is_left();
    void gone(pid_t pid);
    void forget_all();

    EventLoop& loop_;
    const FolderUsers& users_;
    std::function<std::set<pid_t>()> spared_;
    std::function<void()> reap_;
    Log log_;
    std::function<void()> done_;
    bool spare_logger_ = false;
    pid_t foreign_ = 0;
    /// Seen by the latest look, for the log.
    std::string pids_;
    /// What is being waited for. At most max_waited: the rest is found by the next look.
    std::map<pid_t, Fd> waited_;
    EventLoop::TimerId logger_timer_ = 0;
    EventLoop::TimerId complain_timer_ = 0;
};

}  // namespace pgaf::launcher
