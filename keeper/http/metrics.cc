#include "keeper/http/metrics.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/metrics/family.h"
#include "common/metrics/process.h"
#include "common/wire/convert.h"
#include "keeper/http/conditions.h"
#include "keeper/postgres/stats_queries.h"

namespace pgaf::keeper {
namespace {

using metrics::Families;
using metrics::Family;
using metrics::Labels;
using prometheus::MetricType;

const prometheus::Histogram::BucketBoundaries answer_buckets{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                             0.1,    0.25,  0.5,    1,     2.5,  5};

double number(std::uint64_t value) {
    return static_cast<double>(value);
}
double flag(bool value) {
    return value ? 1 : 0;
}

/// Families of one series, that of this node.
struct Own {
    Families& all;
    const Labels& node;

    void add(const char* name, const char* help, double value, MetricType type = MetricType::Gauge) const {
        Family family{name, help, type};
        family.add(node, value);
        family.give_to(all);
    }
    void count(const char* name, const char* help, std::uint64_t value) const {
        add(name, help, number(value), MetricType::Counter);
    }
};

void add_state(const Own& own, const LoopView& v) {
    const Facts& f = v.facts;
    own.add("pgaf_keeper_up", "The keeper runs", 1);
    own.add("pgaf_keeper_postgres_up", "PostgreSQL runs and takes connections", flag(f.status == PgStatus::running));
    own.add("pgaf_keeper_is_primary", "Read-write, of the newest epoch known, and open to clients",
            flag(is_primary(v)));
    own.add("pgaf_keeper_in_recovery", "PostgreSQL is a standby", flag(f.in_recovery));
    own.add("pgaf_keeper_receiver_streaming", "The WAL receiver streams", flag(f.receiver.streaming));
    own.add("pgaf_keeper_monitor_in_reach", "The monitor was heard within node_timeout", flag(v.run.monitor_in_reach));
    own.add("pgaf_keeper_launcher_connected", "The launcher is in reach", flag(f.launcher_connected));
    own.add("pgaf_keeper_problem", "1 when the keeper shows a problem", flag(!v.problem.empty()));
    own.add("pgaf_keeper_epoch", "The epoch that this node has promised", number(v.promise.promised.epoch.v));
    own.add("pgaf_keeper_timeline", "PostgreSQL's timeline", f.timeline.v);
    own.add("pgaf_keeper_wal_position_bytes", "Flushed end of WAL", number(f.end.v));
    own.add("pgaf_keeper_wal_replayed_bytes", "End of the WAL that was replayed", number(f.replayed.v));
    if (const auto behind = lag(v); behind && f.in_recovery)
        own.add("pgaf_keeper_replication_lag_bytes", "WAL of the primary that was not replayed yet", number(*behind));
    own.count("pgaf_keeper_postgres_exits_total", "Exits of the postmaster that this keeper has seen", f.exits);
    own.count("pgaf_keeper_reports_total", "Reports sent to the monitor", v.reports);
    own.count("pgaf_keeper_steps_total", "Steps carried out, failed ones too", v.steps);
    own.count("pgaf_keeper_failed_steps_total", "Steps that failed", v.failed_steps);
}

/// Of a primary that another node can replace: nobody else has a lease that could run out.
void add_lease(const Own& own, const LoopView& v) {
    if (goal_role(v) != Role::primary || !needs_lease(v.promise)) return;
    const Millis left{lease_until(v.promise, v.run).v - v.run.lease.now.v};
    own.add("pgaf_keeper_lease_remaining_seconds",
            "Time that this primary may go on if it hears neither the monitor nor enough standbys from now on",
            metrics::seconds(std::max(left, Millis{0})));
    own.add("pgaf_keeper_lease_seconds", "The whole length of its lease", metrics::seconds(v.promise.goal->lease));
}

void add_disk(const Own& own, const LoopView& v, const std::optional<DiskSpace>& space) {
    own.add("pgaf_keeper_disk_writable", "0 when the data folder's disk takes no writes", flag(v.facts.disk.empty()));
    if (!space) return;
    own.add("pgaf_keeper_data_disk_free_bytes", "Room on the data folder's disk, for who is not root",
            number(space->free_bytes));
    own.add("pgaf_keeper_data_disk_size_bytes", "Size of the data folder's disk", number(space->size_bytes));
}

/// Names of databases, roles and slots come in any encoding; Prometheus takes UTF-8 only, and no series twice: of one
/// that is none the bytes are spelled out, so that two names stay two.
std::string label_text(const std::string& name) {
    if (wire::wire_text(name) == name) return name;
    constexpr auto digits = "0123456789abcdef";
    std::string text;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80)
            text += c;
        else
            text.append("\\x").append(1, digits[byte >> 4U]).append(1, digits[byte & 0xfU]);
    }
    return text;
}

/// In the order of the table of families, so that two scrapes look alike.
void add_stats(Families& all, const Labels& node, const PostgresStats& stats) {
    Own{all, node}.add("pgaf_postgres_stats_age_seconds",
                       "Age of the figures pgaf_postgres_*, which are collected on a schedule",
                       std::chrono::duration<double>(std::chrono::steady_clock::now() - stats.taken).count());
    std::map<std::string_view, std::vector<const Sample*>> by_family;
    for (const Sample& sample : stats.samples) by_family[sample.family].push_back(&sample);
    for (const StatFamily& known : stat_families()) {
        Family family{known.name, known.help, known.counter ? MetricType::Counter : MetricType::Gauge};
        for (const Sample* sample : by_family[known.name]) {
            Labels labels = node;
            for (const auto& [name, value] : sample->labels) labels.push_back({name, label_text(value)});
            family.add(std::move(labels), sample->value);
        }
        family.give_to(all);
    }
}

}  // namespace

Metrics::Metrics(World world) : world_(std::move(world)), latency_(answer_buckets) {}

void Metrics::answered(std::chrono::nanoseconds after) {
    latency_.Observe(std::chrono::duration<double>(after).count());
}

std::string Metrics::render(const LoopView& v) const {
    const Labels node{{"cluster", v.promise.cluster.v}, {"node", v.promise.node.v}};
    Families all;
    Family build{"pgaf_build_info", "1, with the version of the program"};
    build.add({{"program", "pgaf-keeper"}, {"version", PGAF_VERSION}}, 1);
    build.give_to(all);
    const Own own{all, node};
    add_state(own, v);
    add_lease(own, v);
    add_disk(own, v, world_.disk ? world_.disk() : std::nullopt);
    Family latency{"pgaf_heartbeat_latency_seconds", "From sending a report to the monitor's acknowledgement of it",
                   MetricType::Histogram};
    latency.add(node, latency_);
    latency.give_to(all);
    if (const PostgresStats* stats = world_.stats ? world_.stats() : nullptr) add_stats(all, node, *stats);
    metrics::add_process(all);
    return metrics::text(all);
}

}  // namespace pgaf::keeper
