// The coordinator: durable before said, one session for each node, and commands with their answers.
#include "tests/unit/monitor/coordinator_bench.h"

using namespace pgaf;
using namespace pgaf::monitor;
using namespace pgaf::monitor::test;

TEST_CASE("a cluster begins with its first keeper and comes up; every goal was durable before it was sent (R1)") {
    Bench bench;
    CHECK(bench.coordinator->names().empty());
    for (const char* name : {"node1", "node2", "node3"}) bench.add(name);
    bench.settle();
    const auto summary = bench.summary();
    CHECK(summary.healthy);
    CHECK(summary.primary.v == "node1");
    CHECK(summary.failover_ready);
    CHECK(bench.told >= 6);
    CHECK(bench.durable == bench.told);
    CHECK(bench.coordinator->last_event(ClusterName{"default"}) > 3);
    CHECK(bench.meter.heartbeats > 100);
}

TEST_CASE("when PostgreSQL exits on the primary another node takes over, and that is counted") {
    Bench bench;
    for (const char* name : {"node1", "node2", "node3"}) bench.add(name);
    bench.settle();
    bench.nodes.kill_postgres(NodeName{"node1"});
    bench.settle();
    CHECK(bench.summary().primary.v != "node1");
    CHECK(bench.summary().healthy);
    REQUIRE(bench.meter.takeovers.size() == 1);
    CHECK(bench.meter.takeovers[0].kind == "failover");
    CHECK(bench.durable == bench.told);
}

TEST_CASE("a newer session takes the place of an older one of the same keeper") {
    Bench bench;
    const Hello hello = bench.nodes.add("default", "node1");
    FakeLink old(bench.store);
    const SessionId first = must(bench.coordinator->open(hello, old));
    FakeLink& link = bench.connect(hello);
    CHECK_THAT(old.away, Catch::Contains("newer session"));
    // The end of the old one, seen late, is not the end of the node.
    bench.coordinator->close(first);
    const auto& views = bench.coordinator->find(ClusterName{"default"})->views();
    CHECK(views.at(NodeName{"node1"}).connected);
    bench.report("node1");
    CHECK(link.goals.size() == 1);
    CHECK(old.goals.empty());
    bench.coordinator->close(bench.sessions.at(NodeName{"node1"}));
    CHECK_FALSE(views.at(NodeName{"node1"}).connected);
    // Late words of a closed session are ignored.
    CHECK(bench.coordinator->report(first, bench.nodes.report(NodeName{"node1"})).has_value());
    CHECK(bench.coordinator->ack(first).heartbeat_ms == 0);
}

TEST_CASE("a keeper that is turned away leaves the one that is there alone") {
    Bench bench;
    for (const char* name : {"node1", "node2"}) bench.add(name);
    bench.settle();
    Hello thief = bench.nodes.add("default", "thief");
    thief.node.v = "node1";
    FakeLink link(bench.store);
    const SessionId session = must(bench.coordinator->open(thief, link));
    CHECK_THAT(link.away, Catch::Contains("another keeper is connected as node1"));
    bench.coordinator->close(session);
    CHECK(bench.links.at(NodeName{"node1"})->away.empty());
    CHECK(bench.coordinator->find(ClusterName{"default"})->views().at(NodeName{"node1"}).connected);
    // Goals reach it as before.
    bench.coordinator->command(ClusterName{"default"}, command("switchover"), [](const fsm::Reply&) {});
    bench.settle();
    CHECK(bench.summary().primary.v == "node2");
    CHECK(link.goals.empty());
}

TEST_CASE("a report of another node is refused") {
    Bench bench;
    bench.add("node1");
    bench.add("node2");
    const auto result =
        bench.coordinator->report(bench.sessions.at(NodeName{"node1"}), bench.nodes.report(NodeName{"node2"}));
    REQUIRE(result.has_error());
    CHECK_THAT(result.error().message, Catch::Contains("default/node2 in the session of default/node1"));
}

TEST_CASE("clusters and sessions are bounded") {
    CoordinatorOptions options;
    options.max_clusters = 2;
    options.max_sessions = 3;
    Bench bench(options);
    FakeLink link(bench.store);
    must(bench.coordinator->open(bench.nodes.add("one", "a1"), link));
    must(bench.coordinator->open(bench.nodes.add("two", "a2"), link));
    const auto third = bench.coordinator->open(bench.nodes.add("three", "a3"), link);
    REQUIRE(third.has_error());
    CHECK_THAT(third.error().message, Catch::Contains("limit of 2 clusters"));
    must(bench.coordinator->open(bench.nodes.add("two", "a4"), link));
    const auto fourth = bench.coordinator->open(bench.nodes.add("two", "a5"), link);
    REQUIRE(fourth.has_error());
    CHECK_THAT(fourth.error().message, Catch::Contains("limit of 3 keepers"));
}

TEST_CASE("what keepers are told beside goals: the settings, and how far the others are") {
    CoordinatorOptions options;
    options.settings.heartbeat_ms = 100;
    options.settings.node_timeout_ms = 700;
    Bench bench(options);
    for (const char* name : {"node1", "node2"}) bench.add(name);
    bench.settle();
    const AckContent ack = bench.coordinator->ack(bench.sessions.at(NodeName{"node1"}));
    CHECK(ack.heartbeat_ms == 100);
    CHECK(ack.node_timeout_ms == 700);
    // Only the primary's lease is carried by an answer (R8).
    CHECK(ack.lease);
    CHECK_FALSE(bench.coordinator->ack(bench.sessions.at(NodeName{"node2"})).lease);
    REQUIRE(ack.positions.size() == 2);
    CHECK(ack.positions[1].first.v == "node2");
    CHECK(ack.positions[1].second == bench.nodes.last(NodeName{"node2"}).end);
}

TEST_CASE("commands are answered: at once when refused, at their end when long") {
    Bench bench;
    for (const char* name : {"node1", "node2"}) bench.add(name);
    bench.settle();
    std::vector<fsm::Reply> replies;
    const auto collect = [&](const fsm::Reply& reply) { replies.push_back(reply); };

    bench.coordinator->command(ClusterName{"default"}, command("switchover", "node1"), collect);
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].done);

    replies.clear();
    bench.coordinator->command(ClusterName{"default"}, command("switchover"), collect);
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].ok);
    CHECK_FALSE(replies[0].done);
    bench.settle();
    REQUIRE(replies.size() == 2);
    CHECK(replies[1].done);
    CHECK(replies[1].ok);
    CHECK(replies[1].write_pause.has_value());
    CHECK(bench.summary().primary.v == "node2");

    // Who asked has gone: the command goes on without an answer.
    replies.clear();
    const auto id = bench.coordinator->command(ClusterName{"default"}, command("switchover"), collect);
    bench.coordinator->forget_command(id);
    bench.settle();
    CHECK(replies.size() == 1);
    CHECK(bench.summary().primary.v == "node1");
}

TEST_CASE("a tick is wanted soon, always, and silence is noticed by it") {
    Bench bench;
    CHECK(bench.wake.v <= bench.now.v + 200);
    for (const char* name : {"node1", "node2", "node3"}) bench.add(name);
    bench.settle();
    CHECK(bench.wake.v <= bench.now.v + 200);
    // The primary falls silent: the others are asked to look before the timeout is over.
    const Millis silent_since = bench.now;
    while (bench.links.at(NodeName{"node2"})->probes.empty() && bench.now.v < silent_since.v + 2500) {
        bench.now = std::max(bench.wake, Millis{bench.now.v + 1});
        bench.coordinator->tick();
        for (const char* name : {"node2", "node3"}) bench.report(name);
    }
    REQUIRE_FALSE(bench.links.at(NodeName{"node2"})->probes.empty());
    CHECK(bench.links.at(NodeName{"node2"})->probes[0].target.v == "node1");
    CHECK(bench.now.v < silent_since.v + 2500);
}

TEST_CASE("a dropped node's session ends with a word") {
    Bench bench;
    for (const char* name : {"node1", "node2", "node3"}) bench.add(name);
    bench.settle();
    std::vector<fsm::Reply> replies;
    bench.coordinator->command(ClusterName{"default"}, command("drop-node", "node3"),
                               [&](const fsm::Reply& r) { replies.push_back(r); });
    bench.settle();
    CHECK_THAT(bench.links.at(NodeName{"node3"})->away, Catch::Contains("dropped"));
    REQUIRE(replies.size() == 2);
    CHECK(replies[1].ok);
    CHECK(bench.summary().nodes.size() == 2);
}

TEST_CASE("stopping ends all sessions and decides nothing more") {
    Bench bench;
    FakeLink& link = bench.add("node1");
    bench.coordinator->stop();
    CHECK_THAT(link.away, Catch::Contains("stopping"));
    CHECK_FALSE(bench.coordinator->deciding());
    CHECK(bench.fatal.empty());
}
