// The coordinator over a store in memory, with a clock that the test turns: durable before said, one session for each
// node, and an end instead of a guess when the store fails.
#include "monitor/service/coordinator.h"

#include <catch2/catch.hpp>

#include "monitor/store/memory_store.h"
#include "tests/unit/monitor/fake_nodes.h"
#include "tests/unit/store/support.h"

using namespace pgaf;
using namespace pgaf::monitor;
using pgaf::test::must;

namespace {

struct CountingMeter : Meter {
    int heartbeats = 0;
    int commits = 0;
    std::vector<fsm::Takeover> takeovers;
    void heartbeat(const ClusterName&, const NodeName&) override { ++heartbeats; }
    void commit(double) override { ++commits; }
    void takeover(const ClusterName&, const fsm::Takeover& t) override { takeovers.push_back(t); }
};

/// Collects what is sent, and checks at that moment that the store has it already (R1).
struct FakeLink : KeeperLink {
    explicit FakeLink(Store& its_store) : store(its_store) {}
    void send(const Goal& goal) override {
        goals.push_back(goal);
        for (const auto& record : must(store.load())) {
            const auto node = record.nodes.find(goal.node);
            if (node != record.nodes.end() && node->second.goal == goal) ++durable;
        }
    }
    void send(const fsm::ProbeRequest& probe) override { probes.push_back(probe); }
    void turn_away(const std::string& message) override { away = message; }

    Store& store;
    std::vector<Goal> goals;
    std::vector<fsm::ProbeRequest> probes;
    std::string away;
    std::size_t durable = 0;
};

struct Bench {
    explicit Bench(CoordinatorOptions options = {}) : options_(options) { start(); }

    void start() {
        coordinator = std::make_unique<Coordinator>(
            Coordinator::World{store, meter, [this] { return now; }, [this](Millis at) { wake = at; },
                               [this](const std::string& why) { fatal.push_back(why); }},
            options_, MonitorId{"000000000000000" + std::to_string(++monitors)});
        must(coordinator->start());
    }
    FakeLink& connect(const Hello& hello) {
        auto& link = links[hello.node];
        link = std::make_unique<FakeLink>(store);
        sessions[hello.node] = must(coordinator->open(hello, *link));
        return *link;
    }
    FakeLink& add(const std::string& name) { return connect(nodes.add("default", name)); }
    void report(const std::string& name) {
        must(coordinator->report(sessions.at(NodeName{name}), nodes.report(NodeName{name})));
    }

    /// Nodes obey and report, time goes on, until nothing is said any more.
    void settle() {
        for (int round = 0; round < 60; ++round) {
            now.v += 20;
            coordinator->tick();
            for (auto& [name, link] : links) {
                const auto goals = std::exchange(link->goals, {});
                for (const Goal& goal : goals) nodes.obey(goal);
                told += goals.size();
                durable += std::exchange(link->durable, 0);
                if (link->away.empty()) must(coordinator->report(sessions.at(name), nodes.report(name)));
            }
        }
    }
    [[nodiscard]] fsm::Summary summary() const {
        return coordinator->summary(*coordinator->find(ClusterName{"default"}));
    }

    MemoryStore store;
    CountingMeter meter;
    Millis now{1'000'000};
    Millis wake;
    int monitors = 0;
    std::vector<std::string> fatal;
    test::FakeNodes nodes;
    std::map<NodeName, std::unique_ptr<FakeLink>> links;
    std::map<NodeName, SessionId> sessions;
    std::size_t told = 0;
    std::size_t durable = 0;
    std::unique_ptr<Coordinator> coordinator;

  private:
    CoordinatorOptions options_;
};

fsm::Command command(const std::string& kind, const std::string& node = {}) {
    fsm::Command c;
    c.kind = kind;
    c.node.v = node;
    return c;
}

}  // namespace

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
