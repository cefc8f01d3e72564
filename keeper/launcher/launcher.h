// The launcher as a whole: signals, the keeper's requests, the deadline (R8), leaving. Single-threaded; the parts that
// it puts together know nothing of each other.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/log.h"
#include "common/result.h"
#include "keeper/launcher/child_ender.h"
#include "keeper/launcher/event_loop.h"
#include "keeper/launcher/folder_lock.h"
#include "keeper/launcher/keeper_link.h"
#include "keeper/launcher/messages.h"
#include "keeper/launcher/postmaster.h"
#include "keeper/launcher/programs.h"
#include "keeper/launcher/runs.h"

namespace pgaf::launcher {

struct Settings {
    /// Absolute, without symbolic links; need not exist yet.
    std::string data_dir;
    std::string socket;
    /// Empty: found by the data folder's version.
    std::string bin_dir;
    Millis handover_limit{30'000};
    /// File for PostgreSQL's standard error; empty: the launcher's own.
    std::string log_file;
};

class Launcher {
  public:
    Launcher(std::unique_ptr<EventLoop> loop, Settings settings, Log log);

    /// Locks, clears away what an earlier life has left, listens, and serves until it is told to end.
    Result<> run();

  private:
    Result<> prepare();
    Result<> take_signals();
    void serve();

    void on_signals();
    void on_line(std::string_view line);
    void on_closed(bool replaced);
    void reap();

    void handle(std::uint64_t id, StartRequest request);
    void handle(std::uint64_t id, const StopRequest& request);
    void handle(std::uint64_t id, const ReloadRequest& request);
    void handle(std::uint64_t id, const EndProcessRequest& request);
    void handle(std::uint64_t id, RunRequest request);
    void handle(std::uint64_t id, const KillRunRequest& request);
    void handle(std::uint64_t id, const StatusRequest& request);
    void handle(std::uint64_t id, const LetGoRequest& request);
    void handle(std::uint64_t id, const DeadlineRequest& request);

    /// Whether programs and a server may start at all just now.
    [[nodiscard]] Result<> may_start() const;
    void answer(std::uint64_t id, const Result<>& result);
    [[nodiscard]] HelloInfo hello() const;
    [[nodiscard]] bool deadline_over() const { return deadline_ && EventLoop::now() >= *deadline_; }
    void check_deadline();

    void leave();
    void stop_and_end(bool immediate);
    void fail(Error error);

    std::unique_ptr<EventLoop> loop_;
    Settings settings_;
    Log log_;
    std::string life_;
    FolderLock lock_;
    FolderUsers users_;
    Programs programs_;
    Binaries binaries_;
    ServerLog server_log_;
    Runs runs_;
    Sweeper sweeper_;
    Postmaster postmaster_;
    ChildEnder child_ender_;
    KeeperLink link_;
    Fd signals_;
    /// Connections so far: an answer to one that has gone must not reach the next.
    std::uint64_t connection_ = 0;

    std::optional<Millis> deadline_;
    EventLoop::TimerId deadline_timer_ = 0;
    bool leaving_ = false;
    bool ending_ = false;
    EventLoop::TimerId handover_timer_ = 0;
    std::optional<Error> failure_;
};

}  // namespace pgaf::launcher
