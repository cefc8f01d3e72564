// The monitor's HTTP side over loopback: health, metrics that follow the cluster, JSON.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "monitor/http/routes.h"
#include "tests/unit/monitor/keepers.h"

using namespace pgaf;
using namespace pgaf::test;

namespace {

nlohmann::json body(const std::string& answer) {
    return nlohmann::json::parse(answer.substr(answer.find("\r\n\r\n") + 4));
}

}  // namespace

TEST_CASE("health, clusters and events as JSON") {
    RunningMonitor monitor;
    CHECK_THAT(http_get(monitor.http_port(), "/healthz"), Catch::StartsWith("HTTP/1.1 200 "));
    CHECK_THAT(http_get(monitor.http_port(), "/readyz"), Catch::StartsWith("HTTP/1.1 200 "));
    CHECK(body(http_get(monitor.http_port(), "/api/v1/clusters"))["clusters"].empty());
    FakeCluster cluster(monitor, {"node1", "node2"});
    const auto clusters = body(http_get(monitor.http_port(), "/api/v1/clusters"))["clusters"];
    REQUIRE(clusters.size() == 1);
    const auto one = body(http_get(monitor.http_port(), "/api/v1/clusters/default"));
    CHECK(one["healthy"] == true);
    CHECK(one["primary"] == "node1");
    CHECK(one["epoch"] == 1);
    CHECK(one["nodes"][1]["state"] == "secondary");
    CHECK_THAT(one["nodes"][1]["lsn"].get<std::string>(), Catch::StartsWith("0/3"));
    CHECK(one["nodes"][0]["lag_bytes"].is_null());
    CHECK(one["nodes"][1]["lag_bytes"].is_number());
    const auto events = body(http_get(monitor.http_port(), "/api/v1/clusters/default/events?limit=2"))["events"];
    REQUIRE(events.size() == 2);
    CHECK(events[1]["seq"] == monitor.state().last_event());
    CHECK(body(http_get(monitor.http_port(), "/api/v1/clusters/default/events?after=2"))["events"][0]["seq"] == 3);

    CHECK_THAT(http_get(monitor.http_port(), "/api/v1/clusters/default/events?limit=many"),
               Catch::StartsWith("HTTP/1.1 400 "));
    CHECK_THAT(http_get(monitor.http_port(), "/api/v1/clusters/other"), Catch::StartsWith("HTTP/1.1 404 "));
    CHECK_THAT(http_get(monitor.http_port(), "/api/v1/clusters/default/x"), Catch::StartsWith("HTTP/1.1 404 "));
    CHECK_THAT(http_get(monitor.http_port(), "/nothing"), Catch::StartsWith("HTTP/1.1 404 "));
}

TEST_CASE("metrics follow the cluster") {
    RunningMonitor monitor;
    FakeCluster cluster(monitor, {"node1", "node2", "node3"});
    const auto metrics = [&] { return http_get(monitor.http_port(), "/metrics"); };
    const auto up = metrics();
    for (const char* line :
         {"pgaf_node_up{cluster=\"default\",node=\"node1\"} 1\n",
          "pgaf_node_state{cluster=\"default\",node=\"node2\",state=\"secondary\"} 1\n",
          "pgaf_node_state{cluster=\"default\",node=\"node2\",state=\"primary\"} 0\n",
          "pgaf_node_role{cluster=\"default\",node=\"node1\",role=\"primary\"} 1\n",
          "pgaf_node_timeline{cluster=\"default\",node=\"node1\"} 1\n",
          "pgaf_replication_lag_bytes{cluster=\"default\",node=\"node3\"} ",
          "pgaf_replication_lag_seconds{cluster=\"default\",node=\"node3\"} 0.002",
          "pgaf_cluster_epoch{cluster=\"default\"} 1\n", "pgaf_cluster_has_primary{cluster=\"default\"} 1\n",
          "pgaf_cluster_failover_ready{cluster=\"default\"} 1\n", "pgaf_cluster_sync_standbys{cluster=\"default\"} 2\n",
          "pgaf_monitor_is_leader 1\n", "pgaf_build_info{version=\"", "pgaf_decision_duration_seconds_count ",
          "pgaf_store_commit_seconds_bucket{le=\"0.001\"}",
          "pgaf_heartbeats_total{cluster=\"default\",node=\"node3\"} ",
          "pgaf_node_wal_position_bytes{cluster=\"default\",node=\"node1\"} "}) {
        CHECK_THAT(up, Catch::Contains(line));
    }
    CHECK_THAT(up, !Catch::Contains("pgaf_failovers_total"));
    {
        const std::lock_guard lock(cluster.shared.mutex);
        cluster.shared.nodes.kill_postgres(NodeName{"node1"});
    }
    CHECK(eventually([&] { return monitor.state().epoch() == 2 && monitor.state().has_writable_primary(); }));
    const auto after = metrics();
    CHECK_THAT(
        after,
        Catch::Contains("pgaf_failovers_total{cluster=\"default\",kind=\"failover\",reason=\"postgres_exited\"} 1\n"));
    CHECK_THAT(
        after,
        Catch::Contains(
            "pgaf_failover_duration_seconds_count{cluster=\"default\",kind=\"failover\",phase=\"promotion\"} 1\n"));
    CHECK_THAT(after, Catch::Contains("pgaf_cluster_epoch{cluster=\"default\"} 2\n"));

    // The series of a dropped node go away.
    CHECK(eventually([&] { return monitor.state().healthy(); }));
    const auto admin = monitor.admin();
    grpc::ClientContext context;
    v1::OperationRequest request;
    request.set_cluster("default");
    request.set_kind("drop-node");
    request.set_node(monitor.state().primary() == "node3" ? "node2" : "node3");
    const auto stream = admin->Perform(&context, request);
    v1::OperationUpdate update;
    while (stream->Read(&update)) {
    }
    CHECK(stream->Finish().ok());
    CHECK_THAT(metrics(), !Catch::Contains("node=\"" + request.node() + "\""));
}

TEST_CASE("a main loop that does not answer is a failed health check, not a request that hangs") {
    monitor::MemoryStore store;
    monitor::Metrics metrics;
    monitor::Coordinator coordinator(
        {store, metrics, [] { return Millis{1}; }, [](Millis) {}, [](const std::string&) {}}, {}, {});
    std::vector<std::function<void()>> held;
    const auto routes = monitor::make_routes([&](std::function<void()> work) { held.push_back(std::move(work)); },
                                             coordinator, metrics, std::chrono::milliseconds(20));
    CHECK(routes({"GET", "/healthz", {}}).status == 503);
    REQUIRE(held.size() == 1);
    held[0]();  // the late answer finds nobody, and does no harm
}

TEST_CASE("reasons become few labels") {
    CHECK(monitor::reason_label("PostgreSQL exited on node7") == "postgres_exited");
    CHECK(monitor::reason_label("node7 is lost") == "node_lost");
    CHECK(monitor::reason_label("PostgreSQL on node7 can't write") == "disk");
    CHECK(monitor::reason_label("node7 is cut off from its standbys") == "cut_off");
    CHECK(monitor::reason_label("node7 can't be promoted") == "promotion_failed");
    CHECK(monitor::reason_label("PostgreSQL on node7 answers no query") == "postgres_stuck");
    CHECK(monitor::reason_label("switchover asked for by an operator") == "operator");
    CHECK(monitor::reason_label("the machine of node7 is shutting down") == "machine_shutdown");
    CHECK(monitor::reason_label("anything else about node7") == "other");
}
