// A family of metrics under construction, and the text that Prometheus reads. For what is made anew at each scrape from
// what a program knows, so that the series of what has gone go with it. Not for what counts: keep the numbers, and hand
// them in.
#pragma once

#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "common/ids.h"

namespace pgaf::metrics {

using Labels = std::vector<prometheus::ClientMetric::Label>;
using Families = std::vector<prometheus::MetricFamily>;

[[nodiscard]] inline double seconds(Millis time) {
    return static_cast<double>(time.v) / 1000.0;
}

class Family {
  public:
    /// Gauges, unless another type is named.
    Family(std::string name, std::string help, prometheus::MetricType type = prometheus::MetricType::Gauge);

    void add(Labels labels, double value);
    void add(Labels labels, const prometheus::Histogram& histogram);
    /// One that has no series is left out: HELP and TYPE alone say nothing.
    void give_to(Families& all);

  private:
    prometheus::MetricFamily family_;
};

/// The same labels and more.
[[nodiscard]] Labels with(Labels labels, std::initializer_list<prometheus::ClientMetric::Label> more);

/// Prometheus' text format 0.0.4, and what to call it in Content-Type.
[[nodiscard]] std::string text(const Families& all);
inline constexpr const char* content_type = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace pgaf::metrics
