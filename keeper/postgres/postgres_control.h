// The door between the keeper's loop and the local PostgreSQL. The loop sees this interface only, so that the
// simulator can put a model of PostgreSQL behind it. Every call runs on the keeper's one strand and never blocks it;
// at most one of the changing calls runs at a time (the loop sees to that), observe() may run beside it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "common/model/goal.h"
#include "common/result.h"
#include "keeper/postgres/disk_space.h"
#include "keeper/reconcile/facts.h"
#include "keeper/reconcile/step.h"

namespace pgaf::keeper {

template <class T>
using Async = boost::asio::awaitable<T>;

class PostgresControl {
  public:
    virtual ~PostgresControl() = default;

    /// Looks at the launcher, the data folder and the server, over one connection that is kept open. Never starts
    /// anything. A fact that could not be found out is left "not known" and its reason said in Facts::trouble.
    /// `mark`: on a primary a small WAL message is written first, flushed, and waits for no standby (R8).
    virtual Async<Facts> observe(bool mark) = 0;

    /// Carries out one step of the reconciler. `progress` is called with a text for people as a long step goes on.
    /// Cancelled through Asio's cancellation slot: a program under way is ended, a half-made data folder stays marked.
    virtual Async<Result<>> perform(const Step& step, std::function<void(std::string)> progress) = 0;

    /// Called (on the strand) as soon as the postmaster has exited in the sense of R13, the launcher has been asked
    /// to end, or the connection to the launcher has come or gone: the loop then observes at once.
    virtual void on_change(std::function<void()> callback) = 0;

    /// Answers Facts::leaving: the handover is done, or there is nothing to hand over; the launcher may end.
    virtual Async<Result<>> let_go() = 0;

    /// The launcher stops PostgreSQL immediately at this moment of CLOCK_BOOTTIME unless it is told another one; 0:
    /// none (R8).
    virtual Async<Result<>> hold_deadline(Millis until) = 0;

    /// Where each peer's flushed WAL ends, as the monitor last said (Ack::positions): a standby's slots for its peers
    /// advance to there with one of the next observations, so that they keep what a peer still lacks and nothing more.
    virtual void peers_at(std::map<NodeName, Lsn> positions) = 0;

    /// The cluster's node_timeout (Ack::node_timeout): PostgreSQL's own timeouts of replication follow it, by reload.
    virtual void follow_node_timeout(Millis node_timeout) = 0;

    /// The look under way reads the WAL of a stopped server, from its last checkpoint on: that may take minutes, and
    /// one that is given up would begin again where this one began.
    [[nodiscard]] virtual bool reads_wal() const { return false; }

    /// For metrics: of the data folder's disk, not long ago. Nothing: not known.
    [[nodiscard]] virtual std::optional<DiskSpace> disk_space() const { return std::nullopt; }
};

}  // namespace pgaf::keeper
