#include "monitor/http/metrics.h"

#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace pgaf::monitor {
namespace {

using prometheus::ClientMetric;
using prometheus::Histogram;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

const Histogram::BucketBoundaries work_buckets{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                               0.025,  0.05,    0.1,    0.25,  1,      2.5};
const Histogram::BucketBoundaries takeover_buckets{0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.7, 1, 2, 3.5, 5, 10, 30, 60};

double seconds(Millis time) {
    return static_cast<double>(time.v) / 1000.0;
}

/// A family of gauges or counters under construction.
class Family {
  public:
    Family(std::string name, std::string help, MetricType type = MetricType::Gauge) {
        family_.name = std::move(name);
        family_.help = std::move(help);
        family_.type = type;
    }
    void add(Labels labels, double value) {
        ClientMetric metric;
        metric.label = std::move(labels);
        metric.gauge.value = value;
        metric.counter.value = value;
        family_.metric.push_back(std::move(metric));
    }
    void add(Labels labels, const Histogram& histogram) {
        ClientMetric metric = histogram.Collect();
        metric.label = std::move(labels);
        family_.metric.push_back(std::move(metric));
    }
    void give_to(std::vector<MetricFamily>& all) {
        if (!family_.metric.empty()) all.push_back(std::move(family_));
    }

  private:
    MetricFamily family_;
};

/// The gauges of nodes.
struct NodeFamilies {
    Family up{"pgaf_node_up", "1 when the node's keeper is connected and its PostgreSQL runs and answers"};
    Family state{"pgaf_node_state", "1 for the state that the node is in, 0 for the others"};
    Family role{"pgaf_node_role", "1 for the role that the node has, 0 for the other"};
    Family timeline{"pgaf_node_timeline", "Timeline that the node's PostgreSQL is on"};
    Family position{"pgaf_node_wal_position_bytes", "Flushed end of the node's WAL, as a byte position"};
    Family lag_bytes{"pgaf_replication_lag_bytes", "WAL that the standby has not flushed yet"};
    Family lag_seconds{"pgaf_replication_lag_seconds", "Replay lag of the standby as its primary measures it"};

    void add(const fsm::Heart& heart, const ClusterName& cluster, const fsm::NodeSummary& node);
    void give_to(std::vector<MetricFamily>& all) {
        for (Family* family : {&up, &state, &role, &timeline, &position, &lag_bytes, &lag_seconds})
            family->give_to(all);
    }
};

void NodeFamilies::add(const fsm::Heart& heart, const ClusterName& cluster, const fsm::NodeSummary& node) {
    const Labels labels{{"cluster", cluster.v}, {"node", node.name.v}};
    const auto with = [&](const char* name, std::string_view value) {
        Labels more = labels;
        more.push_back({name, std::string(value)});
        return more;
    };
    const auto view = heart.views().find(node.name);
    const bool runs = view != heart.views().end() && view->second.connected && view->second.report &&
                      view->second.report->status == PgStatus::running;
    up.add(labels, runs ? 1 : 0);
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<NodeState>>(
        [&](auto d) { state.add(with("state", d.name), d.value == node.state ? 1 : 0); });
    role.add(with("role", "primary"), node.primary ? 1 : 0);
    role.add(with("role", "standby"), node.primary ? 0 : 1);
    timeline.add(labels, node.timeline.v);
    position.add(labels, static_cast<double>(node.lsn.v));
    if (node.lag_bytes) lag_bytes.add(labels, static_cast<double>(*node.lag_bytes));
    if (node.lag) lag_seconds.add(labels, seconds(*node.lag));
}

/// The gauges of clusters.
struct ClusterFamilies {
    Family epoch{"pgaf_cluster_epoch", "The cluster's epoch: one more for each election or switchover"};
    Family has_primary{"pgaf_cluster_has_primary", "1 when a primary takes writes"};
    Family ready{"pgaf_cluster_failover_ready",
                 "1 when the primary could be lost now and the cluster would go on by itself"};
    Family sync{"pgaf_cluster_sync_standbys", "Standbys in the newest sync rule"};

    void add(const fsm::Summary& summary) {
        const Labels labels{{"cluster", summary.cluster.v}};
        epoch.add(labels, static_cast<double>(summary.epoch.v));
        has_primary.add(labels, summary.has_writable_primary ? 1 : 0);
        ready.add(labels, summary.failover_ready ? 1 : 0);
        int members = 0;
        for (const auto& node : summary.nodes) members += node.in_sync_rule ? 1 : 0;
        sync.add(labels, members);
    }
    void give_to(std::vector<MetricFamily>& all) {
        for (Family* family : {&epoch, &has_primary, &ready, &sync}) family->give_to(all);
    }
};

}  // namespace

std::string reason_label(const std::string& reason) {
    struct Word {
        const char* part;
        const char* label;
    };
    // The heart's sentences name nodes; what is left without the names is one of these.
    static constexpr std::array words{
        Word{"PostgreSQL exited", "postgres_exited"},
        Word{" is lost", "node_lost"},
        Word{" can't write", "disk"},
        Word{" cut off from its standbys", "cut_off"},
        Word{" can't be promoted", "promotion_failed"},
        Word{" answers no query", "postgres_stuck"},
        Word{"data folder", "data_folder_lost"},
        Word{"shutting down", "machine_shutdown"},
        Word{"maintenance", "maintenance"},
        Word{"dropped", "drop_node"},
        Word{"an operator", "operator"},
    };
    for (const Word& word : words) {
        if (reason.find(word.part) != std::string::npos) return word.label;
    }
    return "other";
}

struct Metrics::Impl {
    std::map<std::pair<ClusterName, NodeName>, std::uint64_t> heartbeats;
    std::map<std::tuple<ClusterName, std::string, std::string>, std::uint64_t> takeovers;
    std::map<std::tuple<ClusterName, std::string, std::string>, std::unique_ptr<Histogram>> durations;
    Histogram decisions{work_buckets};
    Histogram commits{work_buckets};

    void observe(const ClusterName& cluster, const std::string& kind, const char* phase, Millis time) {
        auto& histogram = durations[{cluster, kind, phase}];
        if (!histogram) histogram = std::make_unique<Histogram>(takeover_buckets);
        histogram->Observe(seconds(time));
    }
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

void Metrics::takeover(const ClusterName& cluster, const fsm::Takeover& takeover) {
    ++impl_->takeovers[{cluster, takeover.kind, reason_label(takeover.reason)}];
    impl_->observe(cluster, takeover.kind, "detection", takeover.detection);
    impl_->observe(cluster, takeover.kind, "fencing", takeover.fencing);
    impl_->observe(cluster, takeover.kind, "promotion", takeover.promotion);
    impl_->observe(cluster, takeover.kind, "total",
                   Millis{takeover.detection.v + takeover.fencing.v + takeover.promotion.v});
}

std::string Metrics::render(const Coordinator& coordinator) {
    std::vector<MetricFamily> all;
    NodeFamilies nodes;
    ClusterFamilies clusters;
    std::erase_if(impl_->heartbeats, [&](const auto& entry) {
        const fsm::Heart* heart = coordinator.find(entry.first.first);
        return !heart || !heart->record().nodes.contains(entry.first.second);
    });
    for (const ClusterName& name : coordinator.names()) {
        const fsm::Heart& heart = *coordinator.find(name);
        const fsm::Summary summary = coordinator.summary(heart);
        clusters.add(summary);
        for (const auto& node : summary.nodes) nodes.add(heart, name, node);
    }
    nodes.give_to(all);
    clusters.give_to(all);

    Family heartbeats{"pgaf_heartbeats_total", "Reports taken from the node's keeper", MetricType::Counter};
    for (const auto& [key, count] : impl_->heartbeats) {
        heartbeats.add({{"cluster", key.first.v}, {"node", key.second.v}}, static_cast<double>(count));
    }
    heartbeats.give_to(all);
    Family takeovers{"pgaf_failovers_total", "Failovers and switchovers that this monitor process has seen end",
                     MetricType::Counter};
    for (const auto& [key, count] : impl_->takeovers) {
        const auto& [cluster, kind, reason] = key;
        takeovers.add({{"cluster", cluster.v}, {"kind", kind}, {"reason", reason}}, static_cast<double>(count));
    }
    takeovers.give_to(all);
    Family durations{"pgaf_failover_duration_seconds", "How long failovers and switchovers took, by phase",
                     MetricType::Histogram};
    for (const auto& [key, histogram] : impl_->durations) {
        const auto& [cluster, kind, phase] = key;
        durations.add({{"cluster", cluster.v}, {"kind", kind}, {"phase", phase}}, *histogram);
    }
    durations.give_to(all);
    Family decisions{"pgaf_decision_duration_seconds", "Time that a step of a cluster's state machine takes",
                     MetricType::Histogram};
    decisions.add({}, impl_->decisions);
    decisions.give_to(all);
    Family commits{"pgaf_store_commit_seconds", "Time that a transaction of the store takes", MetricType::Histogram};
    commits.add({}, impl_->commits);
    commits.give_to(all);
    Family leader{"pgaf_monitor_is_leader", "1 when this monitor decides"};
    leader.add({}, coordinator.deciding() ? 1 : 0);
    leader.give_to(all);
    Family build{"pgaf_build_info", "1, with the version of the program"};
    build.add({{"version", PGAF_VERSION}}, 1);
    build.give_to(all);
    return prometheus::TextSerializer().Serialize(all);
}

}  // namespace pgaf::monitor
