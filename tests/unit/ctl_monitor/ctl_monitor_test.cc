// pgafctl against a real monitor whose three nodes do at once what they are told: both keep to one contract.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "ctl/pgafctl.h"
#include "tests/unit/monitor/keepers.h"

namespace pgaf::test {
namespace {

using Catch::Contains;
using Json = nlohmann::json;

struct Ran {
    int code = -1;
    std::string out;
    std::string err;
};

class Operator {
  public:
    Operator() {
        REQUIRE(eventually([&] { return monitor_.state().failover_ready() && monitor_.state().healthy(); }));
    }

    Ran run(std::vector<std::string> args) {
        std::istringstream in;
        std::ostringstream out;
        std::ostringstream err;
        ctl::Terminal terminal{.in = in, .out = out, .err = err};
        args.insert(args.begin(),
                    {"--monitor", "127.0.0.1:" + std::to_string(monitor_.grpc_port()), "--timeout", "20"});
        const int code = ctl::run(args, {}, terminal);
        return {code, out.str(), err.str()};
    }
    /// Runs what has to succeed.
    std::string did(std::vector<std::string> args) {
        const Ran ran = run(std::move(args));
        INFO(ran.out << ran.err);
        REQUIRE(ran.code == 0);
        return ran.out;
    }
    Json json(std::vector<std::string> args) {
        args.insert(args.end(), {"-o", "json"});
        return Json::parse(did(std::move(args)));
    }
    std::string primary() { return json({"show", "state"})["primary"]; }
    void wait_until_healthy() {
        REQUIRE(eventually([&] { return json({"show", "state"})["healthy"] == true; }));
    }

  private:
    RunningMonitor monitor_;
    FakeCluster cluster_{monitor_, {"node1", "node2", "node3"}};
};

TEST_CASE("State, settings, standby names and URI of a healthy cluster") {
    Operator op;
    const auto table = op.did({"show", "state"});
    CHECK_THAT(table,
               Contains("healthy   failover: ready (") && Contains("* node1") && Contains("secondary  secondary"));
    const auto state = op.json({"show", "state"});
    CHECK(state["nodes"].size() == 3);
    CHECK(state["has_writable_primary"] == true);
    CHECK(state["phase"] == "steady");
    CHECK_THAT(op.did({"show", "standby-names"}), Contains("ANY 1 (\"pgaf_default_node2_"));
    CHECK_THAT(op.did({"show", "uri"}), Contains("/postgres?target_session_attrs=read-write"));
    for (const auto* name : {"number-sync-standbys", "heartbeat-ms", "node-timeout-ms", "failover-limit"})
        CHECK_THAT(op.did({"show", "settings"}), Contains(name));
}

TEST_CASE("A switchover tells its steps and what it cost; the next one may go back") {
    Operator op;
    const auto tried = op.did({"perform", "switchover", "--to", "node2", "--dry-run"});
    CHECK_THAT(tried, Contains("would switch over from node1 to node2"));
    CHECK(op.primary() == "node1");
    const auto told = op.did({"perform", "switchover", "--to", "node2"});
    CHECK_THAT(told, Catch::Matches("(.|\n)*\nswitchover done: node2 is primary, writes paused for \\d+\\.\\d+ s\n"));
    CHECK_THAT(told, Contains("switchover from node1 to node2"));
    CHECK(op.primary() == "node2");
    op.wait_until_healthy();
    const auto back = op.json({"perform", "promotion", "--name", "node1"});
    CHECK(back["ok"] == true);
    CHECK(back["write_pause_ms"].is_number());
    CHECK_FALSE(back["events"].empty());
    CHECK(op.primary() == "node1");
    const auto events = op.json({"show", "events"})["events"];
    CHECK(std::count_if(events.begin(), events.end(),
                        [](const Json& e) { return e["kind"] == "switchover_finished"; }) == 2);
}

TEST_CASE("What the monitor refuses ends in 1, with its reason") {
    Operator op;
    const auto refused = [&](std::vector<std::string> args) {
        const Ran ran = op.run(std::move(args));
        CHECK(ran.code == 1);
        CHECK(ran.out.empty());
        return ran.err;
    };
    CHECK_THAT(refused({"perform", "switchover", "--to", "node9"}), Contains("node1, node2, node3"));
    CHECK_THAT(refused({"perform", "switchover", "--to", "Node 2"}), Contains("not a node name"));
    CHECK_THAT(refused({"enable", "maintenance", "--name", "node1"}), Contains("--allow-failover"));
    CHECK_THAT(refused({"set", "cluster", "number-sync-standbys", "7"}), Contains("needs 8 nodes"));
    CHECK_THAT(refused({"set", "cluster", "colour", "red"}), Contains("colour"));
    CHECK_THAT(refused({"show", "state", "--cluster", "nosuch"}), Contains("'nosuch'") && Contains("default"));
    CHECK_THAT(refused({"set", "cluster", "node-timeout-ms", "301", "--dry-run"}), Contains("4 heartbeats"));
}

TEST_CASE("Settings are changed and shown again; a dry run changes nothing") {
    Operator op;
    op.did({"set", "node", "candidate-priority", "node2", "70"});
    CHECK(op.did({"get", "node", "candidate-priority", "node2"}) == "70\n");
    op.did({"set", "node", "replication-quorum", "--name", "node3", "no"});
    CHECK(op.did({"get", "node", "replication-quorum", "node3"}) == "false\n");
    op.did({"set", "cluster", "heartbeat-ms", "400", "--dry-run"});
    CHECK(op.did({"get", "cluster", "heartbeat-ms"}) == "500\n");
    op.did({"set", "cluster", "heartbeat_ms", "400"});
    CHECK(op.did({"get", "cluster", "heartbeat-ms"}) == "400\n");
}

TEST_CASE("Maintenance of a standby, and a dropped node") {
    Operator op;
    CHECK_THAT(op.did({"enable", "maintenance", "--name", "node3"}), Contains("node3 is in maintenance"));
    CHECK_THAT(op.did({"show", "state"}), Contains("maintenance"));
    op.did({"disable", "maintenance", "--name", "node3"});
    op.wait_until_healthy();
    const Ran asked = op.run({"drop", "node", "node3"});
    CHECK(asked.code == 5);
    CHECK_THAT(op.did({"drop", "node", "node3", "--yes"}), Contains("node3 was dropped"));
    CHECK(op.json({"show", "state"})["nodes"].size() == 2);
}

}  // namespace
}  // namespace pgaf::test
