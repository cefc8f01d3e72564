// The monitor's metrics in Prometheus' text format. Gauges are made from the clusters at each scrape, so the series of
// a node that was dropped go away with it; counters and histograms grow as the coordinator tells of things.
#pragma once

#include <memory>
#include <string>

#include "monitor/service/coordinator.h"
#include "monitor/service/meter.h"

namespace pgaf::monitor {

/// On the strand, like the coordinator.
class Metrics : public Meter {
  public:
    Metrics();
    ~Metrics() override;

    void heartbeat(const ClusterName& cluster, const NodeName& node) override;
    void decision(double seconds) override;
    void commit(double seconds) override;
    void takeover(const ClusterName& cluster, const fsm::Takeover& takeover) override;

    /// What /metrics answers. Forgets the counters of nodes that no cluster has any more.
    [[nodiscard]] std::string render(const Coordinator& coordinator);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// A few fixed words for the free text that says why a takeover began, so that the label's values stay few.
[[nodiscard]] std::string reason_label(const std::string& reason);

}  // namespace pgaf::monitor
