// The keeper's end of the launcher's socket (common/launcher_protocol.h): keeps the connection, sends requests, tells
// of events. Knows nothing of goals, configuration files or SQL. Everything runs on the executor that it is given,
// which has to be one strand (or an io_context with one thread); no call may come from elsewhere.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "common/model/goal.h"
#include "common/result.h"

namespace pgaf::keeper {

/// How the postmaster ended (R13: told only when all that it left behind is gone and reaped).
struct PostmasterExit {
    /// "exit code 1", "signal 9": as wait() said.
    std::string status;
    /// PostgreSQL's own shutdown went to its end (exit code 0) and no escalation was needed on the way.
    bool clean = false;
    /// The last lines of its standard error (at most 20), oldest first: why a start failed.
    std::vector<std::string> last_lines;
    /// The launcher stopped it because its deadline had passed (R8).
    bool expired = false;
};

/// What is known of the launcher, kept up to date by its events.
struct LauncherView {
    bool connected = false;
    /// Random id of the launcher's life: another one means that the launcher was started again.
    std::string life;
    std::string data_dir;
    std::string bin_dir;
    /// "15.13": version of the programs in bin_dir.
    std::string pg_version;
    /// Pid in the launcher's pid namespace; 0 when the postmaster does not run. A stale value while not connected.
    pid_t postmaster = 0;
    /// A start was asked for (by whomever) and is not answered yet: the server is neither stopped nor known by a pid.
    bool starting = false;
    /// Exits of the postmaster, as far as this client knows: grows over the launcher's own restarts too (each counts as
    /// one, since the postmaster dies with its launcher), so that a permit {boot, exits} (R9) never fits twice.
    std::uint64_t exits = 0;
    /// The launcher was told to end: hand over, then let_go().
    bool leaving = false;
    /// The latest exit, when there was one in this life of the launcher.
    std::optional<PostmasterExit> last_exit;
};

struct LauncherEvent {
    enum class Kind { connected, disconnected, started, start_failed, exited, leaving, deadline_expired };
    Kind kind = Kind::connected;
    /// For `exited`.
    PostmasterExit exit;
};

/// One of PostgreSQL's own programs, see launcher::programs.
struct Program {
    std::string name;
    std::vector<std::string> args;
    /// PG*, LC_*, LANG, LANGUAGE, TZ and TMPDIR only; the launcher's own PG* variables are not passed on.
    std::map<std::string, std::string> env;
};

/// How far a stop had to go.
struct StopOutcome {
    /// The postmaster's shutdown went to its end with all walsenders alive: a clean switchover may count on it.
    bool clean = false;
    /// "exit code 0", or "not running" when there was nothing to stop.
    std::string status;
};

class LauncherClient {
  public:
    /// Called with a line of a program's output; `stream` is "stdout" or "stderr". Longer lines come in pieces of 8
    /// KiB.
    using OnLine = std::function<void(std::string_view stream, std::string_view text)>;

    LauncherClient(boost::asio::any_io_executor strand, std::string socket_path);
    ~LauncherClient();
    LauncherClient(const LauncherClient&) = delete;
    LauncherClient& operator=(const LauncherClient&) = delete;

    /// Called for each event, after view() has been brought up to date. Set before keep_connected() runs.
    void on_event(std::function<void(const LauncherEvent&)> callback);
    /// Connects, and reconnects for ever; ends when it is cancelled or the client is closed. To be co_spawned once.
    boost::asio::awaitable<void> keep_connected();
    /// Ends keep_connected() and every call under way.
    void close();

    [[nodiscard]] const LauncherView& view() const;
    /// Why there is no connection just now, for people; empty when there is one.
    [[nodiscard]] const std::string& trouble() const;

    // Every call below answers an error at once when there is no connection, and when the connection is lost while it
    // waits. Each can be cancelled through Asio's cancellation slot; the launcher then goes on with it, except for
    // run(). A start alone is not over before its answer: until then nobody may say that the server is stopped (R4).

    /// Starts the postmaster: `postgres -D <data folder> <args>`. Answers its pid once it was forked and executed; a
    /// postmaster that ends soon after (port in use, bad setting) is an ordinary `exited` event with its last lines.
    boost::asio::awaitable<Result<pid_t>> start(std::vector<std::string> args = {});
    /// Answers when the postmaster and all that it left are gone. After `limit` of a fast stop the walsenders that
    /// still wait for their standbys are ended, then the server is stopped immediately.
    boost::asio::awaitable<Result<StopOutcome>> stop(StopMode mode, std::optional<Millis> limit = std::nullopt);
    /// SIGHUP to the postmaster; answers when it was sent.
    boost::asio::awaitable<Result<>> reload();
    /// SIGTERM to a child of the postmaster (a WAL receiver, a walsender); answers when it is gone, also when it was
    /// gone before. With a limit, an error when it is still there by then.
    boost::asio::awaitable<Result<>> end_process(pid_t pid, std::optional<Millis> limit = std::nullopt);
    /// Runs a program to its end and answers its exit code (128 + n for signal n). Cancelled: the program is ended
    /// (with every process of its group), and the call answers an error only once it is gone.
    boost::asio::awaitable<Result<int>> run(Program program, OnLine on_line);
    /// Asks for what view() shows, and brings it up to date.
    boost::asio::awaitable<Result<LauncherView>> status();
    /// The handover is done, or there is nothing to hand over.
    boost::asio::awaitable<Result<>> let_go();
    /// R8: PostgreSQL is stopped immediately unless this is renewed within `limit`, counted from this call; 0: no
    /// limit.
    boost::asio::awaitable<Result<>> deadline(Millis limit);
    /// The same, as a moment of CLOCK_BOOTTIME; 0: none. One that has passed stops it at once.
    boost::asio::awaitable<Result<>> deadline_at(Millis until);

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace pgaf::keeper
