// What keepers are told about their whole cluster: what is in it, how often it is made, and its bounds.
#include "monitor/service/cluster_views.h"
#include "common/wire/convert.h"
#include "pgaf/v1/keeper.pb.h"
#include "tests/unit/monitor/coordinator_bench.h"

using namespace pgaf;
using namespace pgaf::monitor;
using namespace pgaf::monitor::test;

namespace {

const ClusterName cluster_name{"default"};

struct ViewBench : Bench {
    ViewBench() {
        for (const char* name : {"node1", "node2", "node3"}) add(name);
        settle();
    }
    ClusterView view() { return must(wire::from_wire(*views().of(cluster_name).message)); }
    ClusterViews& views() {
        if (!made) made = std::make_unique<ClusterViews>(*coordinator, [this] { return time; });
        return *made;
    }
    void later(std::chrono::milliseconds by) { time += by; }
    ClusterViews::Clock::time_point time{};
    std::unique_ptr<ClusterViews> made;
};

Event event(const char* kind, std::uint64_t epoch, const char* node, const char* message, std::int64_t at) {
    Event e;
    e.unix_ms = at;
    e.entry.kind = kind;
    e.entry.epoch = Epoch{epoch};
    e.entry.node = NodeName{node};
    e.entry.message = message;
    return e;
}

}  // namespace

TEST_CASE("a view has members, the first primary and the settings") {
    ViewBench bench;
    const ClusterView view = bench.view();
    REQUIRE(view.members.size() == 3);
    const ClusterMember* primary = find_member(view, NodeName{"node1"});
    const ClusterMember* standby = find_member(view, NodeName{"node2"});
    REQUIRE(primary);
    REQUIRE(standby);
    CHECK(primary->primary);
    CHECK_FALSE(primary->in_sync_rule);
    CHECK(primary->state == NodeState::primary);
    CHECK_FALSE(primary->lag_bytes);
    CHECK_FALSE(standby->primary);
    CHECK(standby->in_sync_rule);
    CHECK(standby->state == NodeState::secondary);
    CHECK(standby->status == PgStatus::running);
    CHECK(standby->streaming);
    CHECK(standby->connected);
    CHECK(standby->lag_bytes == 0U);
    CHECK(standby->incarnation == bench.nodes.last(NodeName{"node2"}).incarnation);
    REQUIRE(view.history.size() == 1);
    CHECK(view.history[0].timeline == Timeline{1});
    CHECK(view.history[0].node.v == "node1");
    CHECK_FALSE(view.settings.empty());
}

TEST_CASE("a failover shows who was promoted, where the timeline was left, when and why") {
    ViewBench bench;
    CHECK(bench.view().history.size() == 1);
    bench.nodes.kill_postgres(NodeName{"node1"});
    bench.settle();
    bench.later(ClusterViews::interval);
    const ClusterView view = bench.view();
    REQUIRE(view.history.size() == 2);
    const Promotion& last = view.history[1];
    CHECK(last.parent == view.history[0].timeline);
    CHECK(last.timeline > last.parent);
    CHECK(last.epoch == view.epoch);
    CHECK(last.node == bench.summary().primary);
    CHECK_FALSE(last.lsn.empty());
    CHECK(last.unix_ms > 1'600'000'000'000);
    CHECK_THAT(last.reason, Catch::Contains("failover from node1"));
    // A monitor that starts again knows it from its event log.
    bench.made.reset();
    bench.start();
    CHECK(bench.view().history == view.history);
}

TEST_CASE("a view is made once in a while, and is a new one only when something has changed") {
    ViewBench bench;
    const auto first = bench.views().of(cluster_name);
    CHECK(first.number != 0);
    bench.later(ClusterViews::interval);
    CHECK(bench.views().of(cluster_name).number == first.number);
    bench.nodes.kill_postgres(NodeName{"node3"});
    bench.report("node3");
    CHECK(bench.views().of(cluster_name).number == first.number);  // not yet time
    bench.later(ClusterViews::interval);
    const auto second = bench.views().of(cluster_name);
    CHECK(second.number > first.number);
    CHECK(second.message != first.message);
    // Of a node whose keeper is gone nothing is said about its server.
    bench.coordinator->close(bench.sessions.at(NodeName{"node2"}));
    bench.later(ClusterViews::interval);
    const ClusterMember gone = *find_member(bench.view(), NodeName{"node2"});
    CHECK_FALSE(gone.connected);
    CHECK(gone.status == PgStatus::unknown);
    CHECK_FALSE(gone.streaming);
    CHECK(bench.views().of(ClusterName{"other"}).number == 0);
}

TEST_CASE("a view is bounded in all its lists, and small") {
    Bench bench;
    bench.add("node1");
    bench.settle();
    const fsm::Heart* heart = bench.coordinator->find(cluster_name);
    fsm::Summary summary = bench.summary();
    for (auto& node : summary.nodes) node.host = std::string(10 * view_text_max, 'h');
    for (std::size_t i = 0; i < 2 * view_members_max; ++i) summary.nodes.push_back(summary.nodes.front());
    Chronicle chronicle;
    const std::string long_text(10 * view_text_max, 'x');
    for (std::uint64_t epoch = 1; epoch <= 3 * view_promotions_max; ++epoch)
        chronicle.note(event("failover_started", epoch, "node1", long_text.c_str(), 5));
    CHECK(chronicle.find(Epoch{1}) == nullptr);
    REQUIRE(chronicle.find(Epoch{3 * view_promotions_max}) != nullptr);
    const ClusterView view = make_view(*heart, summary, chronicle);
    CHECK(view.members.size() == view_members_max);
    CHECK(wire::to_wire(view).ByteSizeLong() < 200'000);
}

TEST_CASE("the chronicle puts an epoch's events together, whatever else is logged") {
    Chronicle chronicle;
    chronicle.note(event("failover_started", 3, "node1", "failover from node1: disk", 100));
    chronicle.note(event("node_chosen", 3, "node2", "node2 is promoted to timeline 4", 200));
    chronicle.note(event("sync_rule_changing", 3, "node3", "other", 250));
    chronicle.note(event("failover_finished", 3, "node2", "node2 takes writes in epoch 3", 300));
    chronicle.note(event("setting_changed", 3, "node1", "other", 900));
    const auto* entry = chronicle.find(Epoch{3});
    REQUIRE(entry);
    CHECK(entry->node.v == "node2");
    CHECK(entry->reason == "failover from node1: disk");
    CHECK(entry->unix_ms == 300);
    CHECK(chronicle.find(Epoch{4}) == nullptr);
}
