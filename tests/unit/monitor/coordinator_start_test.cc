// The coordinator's beginning and end: what a store says of before, and an end instead of a guess when it fails (R1,
// R10, R11, R15).
#include "tests/unit/monitor/coordinator_bench.h"

using namespace pgaf;
using namespace pgaf::monitor;
using namespace pgaf::monitor::test;

TEST_CASE("a store that does not commit: nothing is sent, the process is to end, nothing is decided after that") {
    Bench bench;
    FakeLink& link = bench.add("node1");
    CHECK(link.goals.empty());
    // The report that makes it the first primary.
    bench.now.v += 500;
    bench.store.fail_saves("the disk is full");
    bench.report("node1");
    CHECK(link.goals.empty());
    REQUIRE(bench.fatal.size() == 1);
    CHECK_THAT(bench.fatal[0], Catch::Contains("the disk is full"));
    CHECK_FALSE(bench.coordinator->deciding());

    bench.store.fail_saves("");
    bench.report("node1");
    bench.now.v += 60'000;
    bench.coordinator->tick();
    CHECK(link.goals.empty());
    CHECK(bench.fatal.size() == 1);
    CHECK(bench.coordinator->open(bench.nodes.add("default", "node2"), link).has_error());

    // Starting again goes on from what is durable.
    bench.start();
    bench.connect(bench.nodes.new_boot(NodeName{"node1"}));
    bench.settle();
    CHECK(bench.summary().healthy);
}

TEST_CASE("a monitor that starts again takes its clusters over in a new term") {
    Bench bench;
    for (const char* name : {"node1", "node2"}) bench.add(name);
    bench.settle();
    const auto before = bench.summary();
    bench.start();
    CHECK(bench.coordinator->names() == std::vector{ClusterName{"default"}});
    CHECK(bench.coordinator->last_event(ClusterName{"default"}) ==
          must(bench.store.last_event(ClusterName{"default"})));
    for (const char* name : {"node1", "node2"}) bench.connect(bench.nodes.new_boot(NodeName{name}));
    bench.settle();
    const auto after = bench.summary();
    CHECK(after.healthy);
    CHECK(after.primary == before.primary);
    CHECK(after.epoch == before.epoch);
    CHECK(after.term.v == before.term.v + 1);
}

TEST_CASE("the limit of automatic failovers holds over restarts of the monitor (R15)") {
    Bench bench;
    const auto names = {"node1", "node2", "node3"};
    for (const char* name : names) bench.add(name);
    bench.settle();
    const auto start_again = [&] {
        bench.start();
        for (const char* name : names) bench.connect(bench.nodes.new_boot(NodeName{name}));
        bench.settle();
    };
    // One that an operator has asked for does not count: of a primary that is not there, else it would be a switchover.
    const NodeName first{"node1"};
    bench.coordinator->close(bench.sessions.at(first));
    bench.links.erase(first);
    bench.coordinator->command(ClusterName{"default"}, command("failover"), [](const fsm::Reply&) {});
    bench.settle();
    REQUIRE(bench.summary().epoch.v == 2);
    bench.connect(bench.nodes.new_boot(first));
    bench.settle();
    for (std::uint64_t epoch = 3; epoch <= 6; ++epoch) {
        bench.nodes.kill_postgres(bench.summary().primary);
        bench.settle();
        REQUIRE(bench.summary().epoch.v == epoch);
    }
    start_again();
    CHECK(bench.summary().failover_ready);
    bench.nodes.kill_postgres(bench.summary().primary);
    bench.settle();
    REQUIRE(bench.summary().epoch.v == 7);
    start_again();
    CHECK_FALSE(bench.summary().failover_ready);
    CHECK_THAT(bench.summary().why_not_ready, Catch::Contains("failover-limit"));
}

TEST_CASE("a store that was lost: nothing is said until all have been heard, then the cluster goes on (R11)") {
    Bench bench;
    for (const char* name : {"node1", "node2", "node3"}) bench.add(name);
    bench.settle();
    const Term before = bench.summary().term;
    bench.coordinator.reset();
    bench.store = MemoryStore{};
    bench.store.be_doubtful("the store is empty, and there was another one before");
    bench.start();
    for (const char* name : {"node1", "node2"}) {
        bench.connect(bench.nodes.new_boot(NodeName{name}));
        bench.report(name);
    }
    CHECK_THAT(bench.summary().waiting, Catch::Contains("node3"));
    CHECK(bench.links.at(NodeName{"node1"})->goals.empty());
    CHECK(bench.coordinator->ack(bench.sessions.at(NodeName{"node1"})).mark.life.empty());
    bench.connect(bench.nodes.new_boot(NodeName{"node3"}));
    bench.report("node3");
    CHECK(bench.links.at(NodeName{"node1"})->goals.size() == 1);
    bench.settle();
    CHECK(bench.summary().healthy);
    CHECK(bench.summary().primary.v == "node1");
    CHECK(bench.summary().epoch == Epoch{1});
    CHECK(bench.summary().term > before);
    CHECK(bench.store.doubt().empty());
    CHECK(bench.coordinator->ack(bench.sessions.at(NodeName{"node1"})).mark.commits > 0);
    CHECK(must(bench.store.begin_term(MonitorId{"m"})) > before);
    CHECK(bench.durable == bench.told);
}

TEST_CASE("a process that no longer leads takes no report in, and does not acknowledge it (R10)") {
    Bench bench;
    FakeLink& link = bench.add("node1");
    bench.settle();
    bench.report("node1");
    CHECK(bench.coordinator->deciding());
    bench.store.be_overtaken("another monitor has begun term 2");
    link.goals.clear();
    // Nothing new for the heart to store: even so it looks first.
    bench.report("node1");
    CHECK_FALSE(bench.coordinator->deciding());
    CHECK(bench.fatal == std::vector<std::string>{"another monitor has begun term 2"});
    CHECK(link.goals.empty());
}
