// The way to the monitor, as the loop sees it: so that tests and the simulator can put something else behind it. Knows
// nothing of gRPC. Everything runs on the keeper's one strand.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <string>

#include "common/model/cluster_view.h"
#include "common/model/goal.h"
#include "common/model/report.h"

namespace pgaf::keeper {

/// The monitor has heard a report.
struct Ack {
    std::uint64_t seq = 0;
    /// Where each node's flushed WAL ends.
    std::map<NodeName, Lsn> positions;
    /// 0: not said.
    Millis heartbeat;
    Millis node_timeout;
    /// The answer carries this node's lease: it is the cluster's primary, as far as the monitor has decided (R8).
    bool lease = false;
    /// How far the monitor's record has come; without a life: not said.
    StoreMark mark{};
    /// The monitor does not know whether its record is the newest: it hears, and decides nothing (R11).
    bool in_doubt = false;
};

/// The monitor asks to look at another node's PostgreSQL.
struct Probe {
    std::uint64_t probe = 0;
    NodeName target;
    std::string host;
    std::uint16_t port = 0;
    Millis limit;
};

class Link {
  public:
    /// Called on the strand. Every call but `opened`, `lost` and `view` is a sign of life of the monitor.
    struct Receiver {
        /// A session begins: the hello is on its way, and a report should follow at once.
        std::function<void()> opened;
        std::function<void(const Ack&)> ack;
        std::function<void(const Goal&)> goal;
        std::function<void(const Probe&)> probe;
        /// The monitor serves this keeper not, and says why. Tried again later, more slowly.
        std::function<void(const std::string&)> refused;
        /// The session has ended, or could not be opened. It is opened again by itself.
        std::function<void(const std::string&)> lost;
        /// For those who ask this keeper about its cluster; never a sign of life: nothing is decided on it.
        std::function<void(const ClusterView&)> view;
    };

    virtual ~Link() = default;
    /// Sets who listens. Once, before the first open().
    virtual void listen(Receiver receiver) = 0;
    /// Opens a session under this name, and again for ever when it ends; one that is open is ended first.
    virtual void open(const Hello& hello) = 0;
    /// Without a session they are dropped: the next session begins with a new report. Of reports that could not be sent
    /// yet, only the newest is.
    virtual void send(const Report& report) = 0;
    virtual void send(const ProbeResult& result) = 0;
    /// Ends it all; returns when nothing will call back any more.
    virtual boost::asio::awaitable<void> close() = 0;
};

}  // namespace pgaf::keeper
