// The monitor's metrics. Gauges are made from the clusters at each scrape; counters and histograms grow as the
// coordinator tells of things. What a scrape costs on the strand is collecting numbers; it becomes text elsewhere.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/metrics/family.h"
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
    void event(const ClusterName& cluster, const std::string& kind) override;
    void takeover(const ClusterName& cluster, const fsm::Takeover& takeover) override;

    /// Forgets the counters of nodes that no cluster has any more.
    [[nodiscard]] metrics::Families collect(const Coordinator& coordinator);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Answers of the HTTP server by status code. On its thread only.
class HttpCounts {
  public:
    void answered(unsigned code) { ++answers_[code]; }
    [[nodiscard]] const std::map<unsigned, std::uint64_t>& answers() const { return answers_; }

  private:
    std::map<unsigned, std::uint64_t> answers_;
};

/// What /metrics answers: what was collected, and what is known without the strand. On the HTTP thread.
[[nodiscard]] std::string metrics_text(metrics::Families families, const HttpCounts& http);

}  // namespace pgaf::monitor
