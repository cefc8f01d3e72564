// get and set: of nodes and of the cluster.
#include "fake_monitor.h"

namespace pgaf::ctl {
namespace {

using Catch::Contains;
using Json = nlohmann::ordered_json;

TEST_CASE("Settings of a node are shown") {
    const FakeMonitor monitor;
    const Run run{monitor.address()};
    CHECK(run({"get", "node", "candidate-priority", "node2"}).out == "90\n");
    CHECK(run({"get", "node", "candidate-priority", "--name", "node3"}).out == "80\n");
    CHECK(run({"get", "node", "replication-quorum", "node2"}).out == "true\n");
    CHECK(Json::parse(run({"get", "node", "candidate-priority", "node2", "-o", "json"}).out) ==
          Json{{"cluster", "default"}, {"node", "node2"}, {"setting", "candidate-priority"}, {"value", 90}});
    const auto none = run({"get", "node", "candidate-priority", "node9"});
    CHECK(none.code == 1);
    CHECK(none.err == "pgafctl: cluster default has no node 'node9'; it has: node1, node2, node3\n");
}

TEST_CASE("Settings of a node are changed") {
    FakeMonitor monitor;
    monitor.done_message = "candidate priority of node2 is 0: it will not be promoted";
    const Run run{monitor.address()};
    const auto ran = run({"set", "node", "candidate-priority", "node2", "0"});
    CHECK(ran.code == 0);
    CHECK(ran.out == monitor.done_message + "\n");
    CHECK(monitor.requests().back() == "SetNode cluster: \"default\" node: \"node2\" candidate_priority: 0");
    CHECK(run({"set", "node", "replication-quorum", "--name", "node2", "no", "--dry-run"}).code == 0);
    CHECK(monitor.requests().back() ==
          "SetNode cluster: \"default\" node: \"node2\" replication_quorum: false dry_run: true");
    CHECK(Json::parse(run({"set", "node", "candidate-priority", "set", "7", "-o", "json"}).out) ==
          Json{{"ok", true}, {"message", monitor.done_message}, {"dry_run", false}});
    CHECK(monitor.requests().back() == "SetNode cluster: \"default\" node: \"set\" candidate_priority: 7");
}

TEST_CASE("A value that cannot be meant is a usage error that says what is allowed") {
    const FakeMonitor monitor;
    const Run run{monitor.address()};
    for (const auto* value : {"101", "high", "1.5", "9999999999", ""}) {
        const auto ran = run({"set", "node", "candidate-priority", "node2", value});
        CHECK(ran.code == 2);
        CHECK_THAT(ran.err, Contains("0 (never a candidate) to 100"));
    }
    CHECK_THAT(run({"set", "node", "replication-quorum", "node2", "maybe"}).err, Contains("allowed: true, false"));
    for (const std::vector<std::string>& args : {std::vector<std::string>{"set", "node", "candidate-priority", "node2"},
                                                 {"set", "node", "candidate-priority", "node2", "5", "6"},
                                                 {"get", "node", "candidate-priority"},
                                                 {"get", "node", "candidate-priority", "a", "b"},
                                                 {"set", "cluster", "number-sync-standbys"},
                                                 {"get", "cluster"},
                                                 {"set", "node", "colour", "node2", "red"}})
        CHECK(run(args).code == 2);
    CHECK(monitor.requests().empty());
}

TEST_CASE("Settings of the cluster, with either spelling") {
    FakeMonitor monitor;
    const Run run{monitor.address()};
    CHECK(run({"get", "cluster", "number-sync-standbys"}).out == "1\n");
    CHECK(run({"get", "cluster", "number_sync_standbys"}).out == "1\n");
    CHECK(Json::parse(run({"get", "cluster", "node-timeout-ms", "-o", "json"}).out) ==
          Json{{"cluster", "default"}, {"setting", "node-timeout-ms"}, {"value", "2500"}});
    const auto none = run({"get", "cluster", "colour"});
    CHECK(none.code == 1);
    CHECK_THAT(none.err, Contains("there is no setting 'colour'; there are: number-sync-standbys, node-timeout-ms"));

    CHECK(run({"set", "cluster", "number_sync_standbys", "2"}).code == 0);
    CHECK(monitor.requests().back() ==
          "SetCluster cluster: \"default\" setting: \"number-sync-standbys\" value: \"2\"");
    monitor.status = {failed_precondition, "2 standbys in the quorum are needed and there is 1; add a node first"};
    const auto refused = run({"set", "cluster", "number-sync-standbys", "2"});
    CHECK(refused.code == 1);
    CHECK(refused.err == "pgafctl: 2 standbys in the quorum are needed and there is 1; add a node first\n");
}

}  // namespace
}  // namespace pgaf::ctl
