// The paths of health checks: which code each gives, for each kind of node, and the documents behind them.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "tests/unit/keeper/views.h"

namespace pgaf::keeper {
namespace {

using namespace test;
using Json = nlohmann::json;

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
    for (const char* path : {"/cluster", "/history", "/config"}) CHECK(code(view, path) == 200);
    // Nobody has told this node whether it is in the sync rule.
    for (const char* path : {"/sync", "/synchronous", "/quorum", "/async", "/asynchronous"}) {
        INFO(path);
        CHECK(code(view, path) == 503);
    }
    for (const char* path : {"/read-only-sync", "/read-only-quorum"}) CHECK(code(view, path) == primary);
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
    CHECK(code(behind, "/readiness", {{"lag", "1GB"}}) == 200);
    CHECK(code(behind, "/readiness", {{"lag", "1kB"}}) == 503);
    CHECK(code(behind, "/readiness", {{"lag", "much"}}) == 400);
    CHECK(code(behind, "/replica") == 200);
    CHECK(parse_bytes("16MB") == 16777216U);
    CHECK_FALSE(parse_bytes("99999999999TB"));
    CHECK_FALSE(parse_bytes("-1"));
}

TEST_CASE("a standby that is cut off does not pass its own end for the primary's") {
    LoopView view = node(Role::standby, true);
    view.facts.receiver.streaming = false;
    // The monitor is in reach and tells where the upstream is.
    CHECK(code(view, "/replica", {{"lag", "8192"}}) == 200);
    CHECK(Json::parse(ask(view, "/status").body)["lag"] == 0x2000);
    // What it said is old: nobody knows how far the primary is by now.
    LoopView alone = view;
    alone.run.monitor_in_reach = false;
    // Nobody has said anything: a fence has taken the upstream away, and the monitor knows no primary.
    LoopView untold = view;
    untold.upstream_end = {};
    for (const LoopView& unknown : {alone, untold}) {
        CHECK(code(unknown, "/replica", {{"lag", "1TB"}}) == 503);
        CHECK(code(unknown, "/read-only", {{"lag", "1TB"}}) == 503);
        CHECK_FALSE(Json::parse(ask(unknown, "/status").body).contains("lag"));
        CHECK(code(unknown, "/replica") == 200);
    }
    // One that streams has, within a moment, what there is.
    alone.facts.receiver.streaming = true;
    CHECK(code(alone, "/replica", {{"lag", "4096"}}) == 200);
    CHECK(code(alone, "/replica", {{"lag", "4095"}}) == 503);
    CHECK(code(alone, "/readiness") == 200);
}

TEST_CASE("a loop that does not come round is not alive; a monitor that refuses makes it not ready") {
    LoopView view = node(Role::standby, true);
    view.since_progress = Millis{liveness_limit.v + 1};
    CHECK(code(view, "/liveness") == 503);
    view = node(Role::standby, true);
    view.refusal = "node node1 was dropped";
    CHECK(code(view, "/readiness") == 503);
    const auto body = Json::parse(ask(view, "/readiness").body);
    CHECK(body["pgaf"]["monitor_refusal"] == "node node1 was dropped");
    // A primary that may serve is the only one there is: nobody is helped when it is taken out.
    LoopView primary = node(Role::primary, false);
    primary.refusal = "too many sessions";
    check_codes(primary, 200, 503, 200, 200);
}

TEST_CASE("status in the words that recipes know, and in ours") {
    const auto primary = Json::parse(ask(node(Role::primary, false), "/status").body);
    CHECK(primary["role"] == "primary");
    CHECK(primary["state"] == "running");
    CHECK(primary["server_version"] == 150005);
    CHECK(primary["xlog"]["location"] == 0x5000);
    CHECK(primary["timeline"] == 2);
    CHECK(primary["pgaf"]["epoch"] == 4);
    CHECK(primary["pgaf"]["reported"] == "primary");
    const auto standby = Json::parse(ask(node(Role::standby, true), "/status").body);
    CHECK(standby["role"] == "replica");
    CHECK(standby["xlog"]["replayed_location"] == 0x4000);
    CHECK(standby["replication_state"] == "streaming");
    CHECK(standby["lag"] == 0x2000);
}

TEST_CASE("an old primary that still runs does not call itself one") {
    for (const Role role : {Role::fence, Role::standby, Role::stop, Role::dropped}) {
        const LoopView old = node(role, false);
        CHECK(Json::parse(ask(old, "/patroni").body)["role"] == "demoted");
    }
    CHECK(Json::parse(ask(node(Role::fence, true), "/patroni").body)["role"] == "replica");
}

TEST_CASE("synchronous is whom commits wait for by the newest rule told, and of this incarnation") {
    const LoopView standby = node(Role::standby, true);
    const LoopView in_rule = told(standby, cluster(true));
    const LoopView outside = told(standby, cluster(false));
    for (const char* path : {"/sync", "/synchronous", "/quorum", "/read-only-sync", "/read-only-quorum"}) {
        INFO(path);
        CHECK(code(in_rule, path) == 200);
        CHECK(code(outside, path) == 503);
    }
    for (const char* path : {"/async", "/asynchronous"}) {
        INFO(path);
        CHECK(code(in_rule, path) == 503);
        CHECK(code(outside, path) == 200);
        CHECK(code(outside, path, {{"lag", "8kB"}}) == 200);
        CHECK(code(outside, path, {{"lag", "4kB"}}) == 503);
        CHECK(code(outside, path, {{"lag", "x"}}) == 400);
    }
    CHECK(code(in_rule, "/sync", {{"lag", "4kB"}}) == 503);
    CHECK(Json::parse(ask(in_rule, "/status").body)["sync_standby"] == true);
    CHECK_FALSE(Json::parse(ask(outside, "/status").body).contains("sync_standby"));
    LoopView rebuilt = in_rule;
    rebuilt.promise.incarnation = IncarnationId{"9999999999999999"};
    CHECK(code(rebuilt, "/sync") == 503);
    CHECK(code(rebuilt, "/async") == 503);
    LoopView stopped = in_rule;
    stopped.facts.status = PgStatus::stopped;
    CHECK(code(stopped, "/sync") == 503);
    LoopView primary = told(node(Role::primary, false), cluster(true));
    CHECK(code(primary, "/sync") == 503);
    CHECK(code(primary, "/async") == 503);
    CHECK(code(primary, "/read-only-sync") == 200);
    primary.facts.open_to_clients = false;
    CHECK(code(primary, "/read-only-sync") == 503);
}

TEST_CASE("tags narrow, and noloadbalance takes a standby out") {
    const LoopView view = told(node(Role::standby, true), cluster(true));
    const Tags tags{{"zone", "b"}};
    CHECK(code(view, "/replica", {{"tag_zone", "b"}}, tags) == 200);
    CHECK(code(view, "/replica", {{"tag_zone", "a"}}, tags) == 503);
    CHECK(code(view, "/replica", {{"tag_rack", "b"}}, tags) == 503);
    CHECK(code(view, "/replica", {{"tag_zone", "b"}, {"lag", "1"}}, tags) == 503);
    CHECK(code(view, "/sync", {{"tag_zone", "a"}}, tags) == 503);
    // Readers who ask for a zone do not get the primary of another one; writers get the primary wherever it is.
    const LoopView primary = node(Role::primary, false);
    for (const char* path : {"/read-only", "/read-only-sync", "/read-only-quorum"}) {
        INFO(path);
        CHECK(code(primary, path, {{"tag_zone", "b"}}, tags) == 200);
        CHECK(code(primary, path, {{"tag_zone", "a"}}, tags) == 503);
        CHECK(code(primary, path, {{"lag", "1"}}, tags) == 200);
    }
    CHECK(code(primary, "/primary", {{"tag_zone", "a"}}, tags) == 200);
    CHECK(Json::parse(ask(view, "/patroni", {}, tags).body)["tags"] == Json{{"zone", "b"}});
    const Tags left_out{{"noloadbalance", "true"}};
    for (const char* path : {"/replica", "/read-only", "/sync", "/read-only-sync"}) {
        INFO(path);
        CHECK(code(view, path, {}, left_out) == 503);
        CHECK(code(view, path, {}, {{"noloadbalance", "false"}}) == 200);
    }
    // It is well all the same.
    CHECK(code(view, "/readiness", {}, left_out) == 200);
    CHECK(code(node(Role::primary, false), "/read-only", {}, left_out) == 200);
}

TEST_CASE("the cluster as tools for Patroni read it") {
    const LoopView view = told(node(Role::standby, true), cluster(true));
    const Json json = Json::parse(ask(view, "/cluster").body);
    CHECK(json["scope"] == "default");
    CHECK(json["pgaf"]["age_ms"] == 40);
    REQUIRE(json["members"].size() == 3);
    const Json& self = json["members"][0];
    CHECK(self["name"] == "node1");
    CHECK(self["role"] == "sync_standby");
    CHECK(self["state"] == "streaming");
    CHECK(self["host"] == "10.0.0.1");
    CHECK(self["port"] == 5432);
    CHECK(self["timeline"] == 2);
    CHECK(self["lag"] == 0x1000);
    const Json& primary = json["members"][1];
    CHECK(primary["role"] == "leader");
    CHECK(primary["state"] == "running");
    CHECK_FALSE(primary.contains("lag"));
    const Json& lost = json["members"][2];
    CHECK(lost["role"] == "replica");
    CHECK(lost["state"] == "unknown");
    CHECK(lost["lag"] == "unknown");
    CHECK_FALSE(lost.contains("timeline"));
    CHECK(lost["pgaf"]["connected"] == false);
}

TEST_CASE("history and settings as tools for Patroni read them") {
    const LoopView view = told(node(Role::standby, true), cluster(true));
    CHECK(Json::parse(ask(view, "/history").body) ==
          Json::parse(R"([[1, 12288, "failover from node1: PostgreSQL exited", "2023-11-14T22:15:00.250+00:00",
                           "node2"]])"));
    const Json config = Json::parse(ask(view, "/config").body);
    CHECK(config["ttl"] == 3);
    CHECK(config["loop_wait"] == 1);
    CHECK(config["maximum_lag_on_failover"] == 1048576);
    CHECK(config["synchronous_mode"] == true);
    CHECK_FALSE(config.contains("synchronous_node_count"));
    CHECK(config["pgaf"]["number-sync-standbys"] == "auto");
    CHECK(config["pgaf"]["node-timeout-ms"] == 2500);
    CHECK(config["pgaf"]["asynchronous"] == false);
}

TEST_CASE("without a word of the monitor the goal says what it can") {
    const LoopView view = node(Role::standby, true);
    const Json json = Json::parse(ask(view, "/cluster").body);
    CHECK_FALSE(json["pgaf"].contains("age_ms"));
    REQUIRE(json["members"].size() == 2);
    CHECK(json["members"][0]["role"] == "replica");
    CHECK(json["members"][0]["state"] == "unknown");
    CHECK(json["members"][1]["role"] == "leader");
    CHECK(json["members"][1]["port"] == 5433);
    const Json history = Json::parse(ask(view, "/history").body);
    REQUIRE(history.size() == 1);
    CHECK(history[0][0] == 1);
    CHECK(history[0][1] == 0x3000);
    CHECK(Json::parse(ask(view, "/config").body)["ttl"] == 3);
    CHECK(Json::parse(ask(LoopView{}, "/cluster").body)["members"].empty());
}

TEST_CASE("texts that are no UTF-8 do not break an answer") {
    LoopView view = node(Role::standby, true);
    view.problem = "\xe4\xff";
    const auto response = ask(view, "/status");
    CHECK(response.status == 200);
    CHECK(Json::accept(response.body));
}

TEST_CASE("docs/keeper-http.md has every path, and no other") {
    std::set<std::string> on_page;
    std::ifstream page(PGAF_KEEPER_HTTP_PAGE);
    const std::regex path("`(/[a-z-]*)`");
    for (std::string line; std::getline(page, line);) {
        if (!line.starts_with("| `/")) continue;
        const std::string cell = line.substr(0, line.find(" |", 2));
        for (std::sregex_iterator it(cell.begin(), cell.end(), path), last; it != last; ++it) on_page.insert((*it)[1]);
    }
    const auto answered = paths();
    CHECK(on_page == std::set<std::string>(answered.begin(), answered.end()));
}

}  // namespace pgaf::keeper
