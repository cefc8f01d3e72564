#include "monitor/http/metrics.h"

#include <map>
#include <tuple>
#include <utility>

#include "common/metrics/process.h"
#include "monitor/http/gauges.h"
#include "monitor/http/reason_label.h"

namespace pgaf::monitor {
namespace {

using metrics::Families;
using metrics::Family;
using metrics::seconds;
using prometheus::Histogram;
using prometheus::MetricType;

const Histogram::BucketBoundaries work_buckets{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                               0.025,  0.05,    0.1,    0.25,  1,      2.5};
const Histogram::BucketBoundaries takeover_buckets{0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.7, 1, 2, 3.5, 5, 10, 30, 60};

}  // namespace

struct Metrics::Impl {
    std::map<std::pair<ClusterName, NodeName>, std::uint64_t> heartbeats;
    std::map<std::pair<ClusterName, std::string>, std::uint64_t> events;
    std::map<std::tuple<ClusterName, std::string, std::string>, std::uint64_t> takeovers;
    std::map<std::tuple<ClusterName, std::string, std::string>, std::unique_ptr<Histogram>> durations;
    Histogram decisions{work_buckets};
    Histogram commits{work_buckets};

    void observe(const ClusterName& cluster, const std::string& kind, const char* phase, Millis time) {
        auto& histogram = durations[{cluster, kind, phase}];
        if (!histogram) histogram = std::make_unique<Histogram>(takeover_buckets);
        histogram->Observe(seconds(time));
    }
    void add_counts(Families& all) const;
    void add_durations(Families& all) const;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::heartbeat(const ClusterName& cluster, const NodeName& node) {
    ++impl_->heartbeats[{cluster, node}];
}
void Metrics::decision(double seconds) {
    impl_->decisions.Observe(seconds);
}
void Metrics::commit(double seconds) {
    impl_->commits.Observe(seconds);
}
void Metrics::event(const ClusterName& cluster, const std::string& kind) {
    ++impl_->events[{cluster, kind}];
}

void Metrics::takeover(const ClusterName& cluster, const fsm::Takeover& takeover) {
    ++impl_->takeovers[{cluster, takeover.kind, reason_label(takeover.reason)}];
    impl_->observe(cluster, takeover.kind, "detection", takeover.detection);
    impl_->observe(cluster, takeover.kind, "fencing", takeover.fencing);
    impl_->observe(cluster, takeover.kind, "promotion", takeover.promotion);
    impl_->observe(cluster, takeover.kind, "total",
                   Millis{takeover.detection.v + takeover.fencing.v + takeover.promotion.v});
}

void Metrics::Impl::add_counts(Families& all) const {
    Family beats{"pgaf_heartbeats_total", "Reports taken from the node's keeper", MetricType::Counter};
    for (const auto& [key, count] : heartbeats)
        beats.add({{"cluster", key.first.v}, {"node", key.second.v}}, static_cast<double>(count));
    beats.give_to(all);
    Family logged{"pgaf_events_total", "Events that this monitor process has logged, by kind", MetricType::Counter};
    for (const auto& [key, count] : events)
        logged.add({{"cluster", key.first.v}, {"kind", key.second}}, static_cast<double>(count));
    logged.give_to(all);
    Family taken{"pgaf_failovers_total", "Failovers and switchovers that this monitor process has seen end",
                 MetricType::Counter};
    for (const auto& [key, count] : takeovers) {
        const auto& [cluster, kind, reason] = key;
        taken.add({{"cluster", cluster.v}, {"kind", kind}, {"reason", reason}}, static_cast<double>(count));
    }
    taken.give_to(all);
}

void Metrics::Impl::add_durations(Families& all) const {
    Family phases{"pgaf_failover_duration_seconds", "How long failovers and switchovers took, by phase",
                  MetricType::Histogram};
    for (const auto& [key, histogram] : durations) {
        const auto& [cluster, kind, phase] = key;
        phases.add({{"cluster", cluster.v}, {"kind", kind}, {"phase", phase}}, *histogram);
    }
    phases.give_to(all);
    Family steps{"pgaf_decision_duration_seconds", "Time that a step of a cluster's state machine takes",
                 MetricType::Histogram};
    steps.add({}, decisions);
    steps.give_to(all);
    Family stores{"pgaf_store_commit_seconds", "Time that a transaction of the store takes", MetricType::Histogram};
    stores.add({}, commits);
    stores.give_to(all);
}

Families Metrics::collect(const Coordinator& coordinator) {
    std::erase_if(impl_->heartbeats, [&](const auto& entry) {
        const fsm::Heart* heart = coordinator.find(entry.first.first);
        return !heart || !heart->record().nodes.contains(entry.first.second);
    });
    Families all;
    add_gauges(all, coordinator);
    impl_->add_counts(all);
    impl_->add_durations(all);
    Family leader{"pgaf_monitor_is_leader", "1 when this monitor decides"};
    leader.add({}, coordinator.deciding() ? 1 : 0);
    Family sessions{"pgaf_monitor_sessions", "Keepers that are connected to this monitor"};
    sessions.add({}, static_cast<double>(coordinator.sessions()));
    Family size{"pgaf_store_size_bytes", "Size of the store's files; 0 when it is kept in memory"};
    size.add({}, static_cast<double>(coordinator.store_size()));
    Family build{"pgaf_build_info", "1, with the program and its version"};
    build.add({{"program", "pgaf-monitor"}, {"version", PGAF_VERSION}}, 1);
    for (Family* family : {&leader, &sessions, &size, &build}) family->give_to(all);
    return all;
}

std::string metrics_text(Families families, const HttpCounts& http) {
    Family requests{"pgaf_http_requests_total", "Requests that this program's HTTP port has answered, by status code",
                    MetricType::Counter};
    for (const auto& [code, count] : http.answers())
        requests.add({{"code", std::to_string(code)}}, static_cast<double>(count));
    requests.give_to(families);
    metrics::add_process(families);
    return metrics::text(families);
}

}  // namespace pgaf::monitor
