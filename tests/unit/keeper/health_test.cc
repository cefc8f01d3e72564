// Health endpoints: which code on which path, for each kind of node.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "keeper/http/health.h"

namespace pgaf::keeper {
namespace {

LoopView node(Role role, bool in_recovery) {
    LoopView v;
    v.promise.cluster = ClusterName{"default"};
    v.promise.node = NodeName{"node1"};
    Goal goal;
    goal.role = role;
    goal.assigned = in_recovery ? NodeState::secondary : NodeState::primary;
    v.promise.goal = goal;
    v.promise.promised.epoch = Epoch{4};
    v.run.monitor_in_reach = true;
    v.run.rule_applied = RuleId{3};
    v.facts.status = PgStatus::running;
    v.facts.in_recovery = in_recovery;
    v.facts.open_to_clients = true;
    v.facts.end = Lsn{0x5000};
    v.facts.replayed = Lsn{0x4000};
    v.facts.timeline = Timeline{2};
    v.facts.pg_version = 150005;
    if (in_recovery) {
        v.facts.following = NodeName{"node2"};
        v.facts.receiver = {true, v.facts.following, Millis{3}};
        v.upstream_end = Lsn{0x6000};
    }
    return v;
}

unsigned code(const LoopView& view, const std::string& path, std::map<std::string, std::string> query = {}) {
    return answer(view, {"GET", path, std::move(query)}).status;
}

void check_codes(const LoopView& view, unsigned primary, unsigned replica, unsigned health, unsigned ready) {
    for (const char* path : {"/", "/primary", "/read-write", "/master", "/leader"}) {
        INFO(path);
        CHECK(code(view, path) == primary);
    }
    CHECK(code(view, "/replica") == replica);
    CHECK(code(view, "/read-only") == (primary == 200 || replica == 200 ? 200 : 503));
    CHECK(code(view, "/health") == health);
    CHECK(code(view, "/readiness") == ready);
    CHECK(code(view, "/liveness") == 200);
    CHECK(code(view, "/status") == 200);
    CHECK(code(view, "/patroni") == 200);
    CHECK(code(view, "/metrics") == 200);
}

}  // namespace

TEST_CASE("a primary and a standby") {
    check_codes(node(Role::primary, false), 200, 503, 200, 200);
    check_codes(node(Role::standby, true), 503, 200, 200, 200);
    CHECK(code(node(Role::primary, false), "/nonsense") == 404);
}

TEST_CASE("what runs read-write is no primary when it is fenced, closed, or told something else") {
    check_codes(node(Role::fence, false), 503, 503, 200, 503);
    check_codes(node(Role::standby, false), 503, 503, 200, 503);
    check_codes(node(Role::stop, false), 503, 503, 200, 503);
    LoopView closed = node(Role::primary, false);
    closed.facts.open_to_clients = false;
    check_codes(closed, 503, 503, 200, 503);
    LoopView under_closed_rule = node(Role::primary, false);
    under_closed_rule.run.rule_applied = {};
    under_closed_rule.facts.standby_names = "ANY 1 (\"pgaf closed\")";
    check_codes(under_closed_rule, 503, 503, 200, 503);
    LoopView standby = node(Role::primary, true);
    check_codes(standby, 503, 503, 200, 503);
}

TEST_CASE("what does not run is nothing") {
    LoopView stopped = node(Role::primary, false);
    stopped.facts.status = PgStatus::stopped;
    check_codes(stopped, 503, 503, 503, 503);
    check_codes(LoopView{}, 503, 503, 503, 503);
}

TEST_CASE("a standby's lag and state can be asked for") {
    const LoopView view = node(Role::standby, true);  // 8192 bytes behind
    CHECK(code(view, "/replica", {{"lag", "8192"}}) == 200);
    CHECK(code(view, "/replica", {{"lag", "8kB"}}) == 200);
    CHECK(code(view, "/replica", {{"lag", "8191"}}) == 503);
    CHECK(code(view, "/read-only", {{"lag", "1"}}) == 503);
    CHECK(code(view, "/replica", {{"lag", "ten"}}) == 400);
    CHECK(code(view, "/replica", {{"lag", "10XB"}}) == 400);
    CHECK(code(view, "/replica", {{"replication_state", "streaming"}}) == 200);
    CHECK(code(view, "/replica", {{"tag_zone", "b"}}) == 503);
    LoopView broken = view;
    broken.facts.receiver.streaming = false;
    CHECK(code(broken, "/replica") == 200);
    CHECK(code(broken, "/replica", {{"replication_state", "streaming"}}) == 503);
    CHECK(code(broken, "/readiness") == 503);
    LoopView behind = view;
    behind.upstream_end = Lsn{0x5000 + readiness_lag_bytes};
    CHECK(code(behind, "/readiness") == 503);
    CHECK(code(behind, "/replica") == 200);
    CHECK(parse_bytes("16MB") == 16777216U);
    CHECK_FALSE(parse_bytes("99999999999TB"));
    CHECK_FALSE(parse_bytes("-1"));
}

TEST_CASE("a loop that does not come round is not alive; a monitor that refuses makes it not ready") {
    LoopView view = node(Role::standby, true);
    view.since_progress = Millis{liveness_limit.v + 1};
    CHECK(code(view, "/liveness") == 503);
    view = node(Role::standby, true);
    view.refusal = "node node1 was dropped";
    CHECK(code(view, "/readiness") == 503);
    const auto body = nlohmann::json::parse(answer(view, {"GET", "/readiness", {}}).body);
    CHECK(body["pgaf"]["monitor_refusal"] == "node node1 was dropped");
}

TEST_CASE("status in the words that recipes know, and in ours") {
    const auto primary = nlohmann::json::parse(answer(node(Role::primary, false), {"GET", "/status", {}}).body);
    CHECK(primary["role"] == "primary");
    CHECK(primary["state"] == "running");
    CHECK(primary["server_version"] == 150005);
    CHECK(primary["xlog"]["location"] == 0x5000);
    CHECK(primary["timeline"] == 2);
    CHECK(primary["pgaf"]["epoch"] == 4);
    CHECK(primary["pgaf"]["reported"] == "primary");
    const auto standby = nlohmann::json::parse(answer(node(Role::standby, true), {"GET", "/status", {}}).body);
    CHECK(standby["role"] == "replica");
    CHECK(standby["xlog"]["replayed_location"] == 0x4000);
    CHECK(standby["replication_state"] == "streaming");
    CHECK(standby["lag"] == 0x2000);
    const std::string metrics = metrics_text(node(Role::standby, true));
    CHECK_THAT(metrics,
               Catch::Contains("pgaf_keeper_replication_lag_bytes{cluster=\"default\",node=\"node1\"} 8192\n"));
    CHECK_THAT(metrics, Catch::Contains("pgaf_keeper_up{cluster=\"default\",node=\"node1\"} 1\n"));
    CHECK_THAT(metrics, Catch::Contains("pgaf_build_info{program=\"pgaf-keeper\""));
}

}  // namespace pgaf::keeper
