// The postmaster's life: start, stop with its escalation, exit (R13). Its parent is this process. Knows nothing of the
// socket, and decides nothing: it does what it is asked.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/log.h"
#include "keeper/launcher/event_loop.h"
#include "keeper/launcher/messages.h"
#include "keeper/launcher/programs.h"
#include "keeper/launcher/server_log.h"
#include "keeper/launcher/sweeper.h"

namespace pgaf::launcher {

class Postmaster {
  public:
    /// `exited` is called when all is gone and reaped, before those who asked for the stop are answered.
    Postmaster(EventLoop& loop, Sweeper& sweeper, ServerLog& server_log, const FolderUsers& users, std::string data_dir,
               std::function<void()> exited, Log log);
    ~Postmaster();
    Postmaster(const Postmaster&) = delete;
    Postmaster& operator=(const Postmaster&) = delete;

    /// After a sweep: whatever an earlier life has left is gone when the server starts. The caller has seen to it that
    /// it is stopped and that no sweep is under way.
    void start(const Binaries& binaries, std::vector<std::string> args, std::function<void(Result<pid_t>)> answer);
    /// Answers when all is gone. May be asked again while a stop is under way: immediate is stronger than fast.
    void stop(bool immediate, std::optional<Millis> limit, std::function<void(const ExitInfo&)> answer);
    /// R8: stops it immediately; its exit says why.
    void expire();
    Result<> reload();
    /// The launcher has reaped this child. False: it is not the postmaster.
    bool reaped(pid_t pid, int status);

    /// 0 when nothing of it is left: until then it does not count as stopped (R13), though it may take no signals any
    /// more.
    [[nodiscard]] pid_t pid() const { return pid_; }
    /// Nothing runs and nothing is being cleared away: a start may begin.
    [[nodiscard]] bool stopped() const { return state_ == State::stopped; }
    /// A start was asked for and is not executed yet: pid() is still 0.
    [[nodiscard]] bool starting() const { return state_ == State::starting; }
    [[nodiscard]] std::uint64_t exits() const { return exits_; }
    [[nodiscard]] const std::optional<ExitInfo>& last_exit() const { return last_exit_; }

  private:
    /// starting: a sweep before the start; clearing: the sweep after the exit.
    enum class State { stopped, starting, running, clearing };
    /// How far a stop has gone.
    enum class Force { none, fast, end_walsenders, immediate, kill };

    Result<pid_t> launch(const Binaries& binaries, const std::vector<std::string>& args);
    void apply(Force force);
    void apply_later(Millis delay, Force force);
    void end_walsenders();
    void all_gone();
    [[nodiscard]] ExitInfo not_running() const;

    EventLoop& loop_;
    Sweeper& sweeper_;
    ServerLog& server_log_;
    const FolderUsers& users_;
    std::string data_dir_;
    std::function<void()> exited_;
    Log log_;

    State state_ = State::stopped;
    pid_t pid_ = 0;
    int status_ = 0;
    Force force_ = Force::none;
    bool expired_ = false;
    EventLoop::TimerId escalation_ = 0;
    Millis escalates_at_{0};
    std::vector<std::function<void(const ExitInfo&)>> waiting_;
    std::uint64_t exits_ = 0;
    std::optional<ExitInfo> last_exit_;
};

/// What to say of a server that somebody else runs on the data folder.
[[nodiscard]] Error foreign_server(const std::string& data_dir, pid_t pid);

}  // namespace pgaf::launcher
