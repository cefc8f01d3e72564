// The keeper's metrics in Prometheus' text format: its own, and PostgreSQL's figures as they were last collected. Made
// from memory; nothing is asked for a scrape.
#pragma once

#include <prometheus/histogram.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "keeper/postgres/disk_space.h"
#include "keeper/postgres/stats_reader.h"
#include "keeper/service/loop.h"

namespace pgaf::keeper {

/// On the strand.
class Metrics {
  public:
    /// What is asked for at each scrape; null and empty: not known.
    struct World {
        std::function<const PostgresStats*()> stats;
        std::function<std::optional<DiskSpace>()> disk;
    };
    explicit Metrics(World world);

    /// A report was acknowledged after this.
    void answered(std::chrono::nanoseconds after);
    [[nodiscard]] std::string render(const LoopView& view) const;

  private:
    World world_;
    prometheus::Histogram latency_;
};

}  // namespace pgaf::keeper
