// What the service tells whoever counts and times. Knows nothing of Prometheus.
#pragma once

#include "common/ids.h"
#include "monitor/fsm/heart.h"

namespace pgaf::monitor {

class Meter {
  public:
    virtual ~Meter() = default;
    /// A report was taken from a node that the cluster's record names.
    virtual void heartbeat(const ClusterName&, const NodeName&) {}
    /// A step of a heart took this long.
    virtual void decision(double /*seconds*/) {}
    /// A transaction of the store took this long.
    virtual void commit(double /*seconds*/) {}
    /// An event was logged.
    virtual void event(const ClusterName&, const std::string& /*kind*/) {}
    /// A failover or switchover has ended.
    virtual void takeover(const ClusterName&, const fsm::Takeover&) {}
};

}  // namespace pgaf::monitor
