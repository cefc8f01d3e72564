// What the steps share: the local PostgreSQL as configuration, launcher, data folder and what is remembered of the run
// that is under way. Everything is on the keeper's one strand.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/log.h"
#include "keeper/postgres/connection.h"
#include "keeper/postgres/data_dir.h"
#include "keeper/postgres/disk_probe.h"
#include "keeper/postgres/launcher_client.h"
#include "keeper/postgres/make.h"
#include "keeper/postgres/session_probe.h"
#include "keeper/postgres/settings.h"
#include "keeper/postgres/wake.h"
#include "keeper/postgres/wal_scan.h"

namespace pgaf::keeper {

using Progress = std::function<void(std::string)>;

/// What a fence has found out: it holds until the server gets an upstream, is promoted or exits.
struct FencedEnd {
    WalEnd scanned;
    /// The maximum of receive, replay and the scan.
    Lsn end;
};

/// Remembered of one run of the server (one postmaster), by this run of the keeper.
struct RunMemory {
    pid_t postmaster = 0;
    /// Under the closed rule since it began: no commit can have been acknowledged by anyone's mistake (R6).
    bool closed_all_along = false;
    /// What the keeper has put into synchronous_standby_names; not set: it has not, in this run of its own.
    std::optional<std::string> standby_names;
    std::optional<FencedEnd> fenced;
};

class Node : public std::enable_shared_from_this<Node> {
  public:
    Node(PostgresConfig configuration, boost::asio::any_io_executor on_strand);

    /// The postmaster lives, as the launcher says.
    [[nodiscard]] bool up() const { return launcher.view().connected && launcher.view().postmaster != 0; }
    /// Why a step can't begin: the launcher is out of reach, or the postmaster does not live although it should.
    [[nodiscard]] Result<> need_launcher() const;
    [[nodiscard]] Result<> need_running() const;
    [[nodiscard]] Result<> need_stopped() const;
    /// What is remembered of the present run; nothing of an earlier one.
    RunMemory& run();

    /// Why synchronous_standby_names, as found, is not what the keeper has put there; empty: it is (R3).
    [[nodiscard]] std::string alien_rule(const std::string& found);

    /// A new connection as the superuser.
    Async<Result<std::shared_ptr<Connection>>> connect(Millis limit = Millis{5000});
    /// Writes pgaf.conf, reloads, and waits until new connections show what it says. Answers the one that did.
    Async<Result<std::shared_ptr<Connection>>> put_in_force(Variable variable);
    /// Writes pg_hba.conf and pg_ident.conf, and reloads if the server runs.
    Async<Result<>> set_access(Layout known, bool open_to_clients);
    Result<> know(const Layout& known);

    /// The timeouts of replication follow the cluster's node_timeout; a server that runs reloads them.
    void follow_node_timeout(Millis node_timeout);

    /// Takes the WAL receiver of this name away or gives it one: settings for an upstream; empty: none.
    [[nodiscard]] Result<Variable> following(const Layout& known, const NodeName& upstream, std::string rule) const;

    /// Runs what blocks (reading WAL, copying files) on the one file thread. `f` has to have a name of its own: g++ 12
    /// destroys a lambda that is written into a co_await expression twice.
    template <class F>
    auto blocking(F f) -> Async<decltype(f())> {
        using T = decltype(f());
        co_return co_await boost::asio::co_spawn(
            file_thread.get_executor(), [](F work) -> Async<T> { co_return work(); }(std::move(f)),
            boost::asio::use_awaitable);
    }

    const PostgresConfig config;
    const boost::asio::any_io_executor strand;
    LauncherClient launcher;
    DataDir data;
    DiskProbe disk;
    SessionProbe sessions;
    /// Rung by every event of the launcher.
    Bell changed;
    Layout layout;
    std::map<NodeName, Lsn> peer_positions;
    /// Of the stopped server, as the last look at it saw them (WalEnd::unfinished): removed by its next start.
    std::vector<std::string> unfinished;
    boost::asio::thread_pool file_thread{1};

  private:
    Async<Result<std::shared_ptr<Connection>>> wait_in_force(Variable wanted);
    Async<Error> explain_not_in_force(std::shared_ptr<Connection> connection, Variable wanted, Variable found);

    Async<void> reload_timeouts();

    RunMemory run_;
    /// The server that runs may still have the timeouts from before.
    bool timeouts_due_ = false;
    bool timeouts_under_way_ = false;
};

/// Runs one of PostgreSQL's programs through the launcher; an error carries its last lines. `on_line` may be empty.
Async<Result<>> run_program(Node& node, Program program, LauncherClient::OnLine on_line);

}  // namespace pgaf::keeper
