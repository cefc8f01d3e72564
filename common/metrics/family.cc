#include "common/metrics/family.h"

#include <prometheus/text_serializer.h>

#include <utility>

namespace pgaf::metrics {

Family::Family(std::string name, std::string help, prometheus::MetricType type) {
    family_.name = std::move(name);
    family_.help = std::move(help);
    family_.type = type;
}

void Family::add(Labels labels, double value) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    // Only the one of the family's type is written.
    metric.gauge.value = value;
    metric.counter.value = value;
    family_.metric.push_back(std::move(metric));
}

void Family::add(Labels labels, const prometheus::Histogram& histogram) {
    prometheus::ClientMetric metric = histogram.Collect();
    metric.label = std::move(labels);
    family_.metric.push_back(std::move(metric));
}

void Family::give_to(Families& all) {
    if (!family_.metric.empty()) all.push_back(std::move(family_));
}

Labels with(Labels labels, std::initializer_list<prometheus::ClientMetric::Label> more) {
    labels.insert(labels.end(), more.begin(), more.end());
    return labels;
}

std::string text(const Families& all) {
    return prometheus::TextSerializer().Serialize(all);
}

}  // namespace pgaf::metrics
