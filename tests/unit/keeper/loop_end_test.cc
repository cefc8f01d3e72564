// The loop's dealings with the launcher's end, with a promotion under way, with other nodes, and with its own end.
#include <boost/asio/ip/tcp.hpp>
#include <catch2/catch.hpp>

#include "fakes.h"
#include "keeper/reconcile/report.h"

namespace pgaf::keeper::test {

TEST_CASE("a launcher that was asked to end is let go once the monitor knows, and once") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    bench.say(bench.goal(Role::standby));
    REQUIRE(bench.until([&] { return bench.did("UpdatePeers"); }));
    bench.pass(100);
    bench.link.acknowledges = false;
    bench.control.facts.leaving = true;
    bench.control.change();
    REQUIRE(bench.until([&] { return bench.link.last().leaving; }, 500));
    bench.pass(100);
    CHECK(bench.control.let_gos == 0);
    bench.link.to.ack({bench.link.last().seq, {}, Millis{50}, Millis{250}});
    REQUIRE(bench.until([&] { return bench.control.let_gos == 1; }, 500));
    bench.link.acknowledges = true;
    bench.pass(200);
    CHECK(bench.control.let_gos == 1);
}

TEST_CASE("a primary is let go when the goal has moved away and it has stopped") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.control.facts.in_recovery = false;
    bench.control.facts.following = {};
    bench.control.facts.receiver = {};
    bench.start(promise);
    Goal goal = bench.goal(Role::primary);
    goal.timeline = Timeline{1};
    goal.rule = {RuleId{2}, {1, {IncarnationId{"a"}}}};
    bench.say(goal);
    REQUIRE(bench.until([&] { return bench.link.last().rule_applied == RuleId{2}; }));
    bench.control.facts.leaving = true;
    bench.control.change();
    REQUIRE(bench.until([&] { return bench.link.last().leaving; }, 500));
    bench.pass(200);
    CHECK(bench.control.let_gos == 0);
    bench.say(bench.goal(Role::stop, 2));
    REQUIRE(bench.until([&] { return bench.control.let_gos == 1; }));
    CHECK(bench.control.facts.status == PgStatus::stopped);
    // The goal that follows starts nothing on a machine that goes down.
    bench.say(bench.goal(Role::standby, 2));
    bench.pass(150);
    CHECK_FALSE(bench.did("StartStandby"));
}

TEST_CASE("a look at another node comes with a fresh view of the receiver") {
    Bench bench(Millis{60'000});
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    boost::asio::ip::tcp::acceptor closed(bench.context, {boost::asio::ip::make_address("127.0.0.1"), 0});
    const std::uint16_t port = closed.local_endpoint().port();
    closed.close();
    bench.control.facts.receiver = {};
    bench.link.to.probe({17, NodeName{"node1"}, "127.0.0.1", port, Millis{500}});
    REQUIRE(bench.until([&] { return !bench.link.results.empty(); }, 1000));
    const ProbeResult& result = bench.link.results[0];
    CHECK(result.probe == 17);
    CHECK(result.target == NodeName{"node1"});
    CHECK(result.port == PortState::refused);
    CHECK_FALSE(result.receiver.streaming);
}

TEST_CASE("positions from the monitor go to the slots") {
    Bench bench;
    bench.start();
    REQUIRE(bench.until([&] { return bench.control.peers.contains(NodeName{"node1"}); }));
    CHECK(bench.control.peers[NodeName{"node1"}] == Lsn{0x9000});
}

TEST_CASE("the cluster's node_timeout goes to PostgreSQL, also when it changes") {
    Bench bench;
    bench.start();
    REQUIRE(bench.until([&] { return bench.control.node_timeout == Millis{250}; }));
    bench.link.node_timeout = Millis{700};
    CHECK(bench.until([&] { return bench.control.node_timeout == Millis{700}; }));
}

TEST_CASE("a data folder of another cluster is refused, said and not touched; moved away it is cloned") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::stopped);
    bench.control.facts.system_id = SystemId{"88"};
    bench.start(promise);
    bench.control.facts.folder_incarnation = {};
    REQUIRE(bench.until([&] { return bench.link.hellos.size() == 2; }));
    bench.say(bench.goal(Role::standby, 1));
    REQUIRE(bench.until([&] { return bench.link.last().promised.version == Version{1}; }));
    bench.pass(100);
    const Report& report = bench.link.last();
    CHECK_THAT(report.problem, Catch::Contains("88") && Catch::Contains("77") && Catch::Contains("pgdata"));
    // Its WAL and its system are nobody's: the monitor must not count on them.
    CHECK(report.status == PgStatus::absent);
    CHECK(report.system_id.empty());
    CHECK(report.end.empty());
    for (const Hello& hello : bench.link.hellos) CHECK(hello.system_id != SystemId{"88"});
    CHECK(bench.control.steps.empty());
    bench.control.facts = Facts{};
    bench.control.facts.launcher_connected = true;
    bench.control.facts.status = PgStatus::absent;
    REQUIRE(bench.until([&] { return bench.did("Clone"); }));
}

TEST_CASE("the keeper's end breaks a step off and touches nothing else") {
    Bench bench;
    bench.control.hold("Clone");
    bench.start();
    bench.say(bench.goal(Role::standby));
    REQUIRE(bench.until([&] { return bench.did("Clone"); }));
    bench.loop->stop();
    REQUIRE(bench.until([&] { return bench.outcome.has_value(); }, 2000));
    CHECK(bool(*bench.outcome));
    CHECK(bench.control.steps == std::vector<std::string>{"Clone cancelled"});
    CHECK(bench.link.closed);
}

TEST_CASE("a session that is lost and opened again begins with a report") {
    Bench bench(Millis{60'000});
    bench.start();
    const std::size_t before = bench.link.reports.size();
    bench.link.to.lost("gone");
    bench.link.to.opened();
    CHECK(bench.link.reports.size() == before + 1);
    bench.link.to.refused("not for you");
    CHECK(bench.loop->view().refusal == "not for you");
    CHECK(bench.loop->view().run.monitor_refuses);
}

TEST_CASE("what is promised is told when a session begins, until it was heard, and how far the record had come (R11)") {
    Bench bench(Millis{60'000});
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    Goal goal = bench.goal(Role::standby);
    goal.digest.mark = {MonitorId{"m"}, 7};
    bench.say(goal);
    REQUIRE(bench.until([&] { return bench.link.last().promised == goal.stamp; }));
    bench.pass(50);
    // The monitor gave it in this session.
    CHECK_FALSE(bench.link.last().goal);
    CHECK(bench.link.last().heard == StoreMark{MonitorId{"m"}, 7});
    bench.link.to.ack({1, {}, Millis{0}, Millis{0}, false, {MonitorId{"m"}, 9}});

    bench.link.acknowledges = false;
    bench.link.to.lost("gone");
    bench.link.to.opened();
    CHECK(bench.link.last().goal == goal);
    CHECK(bench.link.last().heard == StoreMark{MonitorId{"m"}, 9});
    bench.control.exit_now();
    REQUIRE(bench.until([&] { return bench.link.last().exits == 1; }));
    CHECK(bench.link.last().goal == goal);  // it has not said that it heard so
    bench.link.to.ack({bench.link.last().seq, {}, Millis{0}, Millis{0}});
    const std::size_t before = bench.link.reports.size();
    REQUIRE(bench.until([&] { return bench.link.reports.size() > before; }));
    CHECK_FALSE(bench.link.last().goal);
}

TEST_CASE("a new data folder keeps what the one before had promised, as a witness only (R11)") {
    Promise promise;
    promise.incarnation = IncarnationId{"a"};
    Goal goal;
    goal.stamp = {Epoch{3}, Term{2}, Version{4}, MonitorId{"m"}};
    goal.incarnation = promise.incarnation;
    goal.digest.mark = {MonitorId{"m"}, 8};
    promise = accept(promise, goal);
    Promise next = new_incarnation(promise, IncarnationId{"b"});
    CHECK_FALSE(next.goal);
    CHECK(next.before == goal);
    CHECK(next.promised == Stamp{Epoch{3}, {}, {}, {}});
    CHECK(make_report(next, Run{}, Facts{}, {}, {}).heard == goal.digest.mark);
    // One after the other: it is the last goal that counts.
    next = new_incarnation(next, IncarnationId{"c"});
    CHECK(next.before == goal);
    goal.incarnation = next.incarnation;
    CHECK_FALSE(accept(next, goal).before);
}

TEST_CASE("a look that fails while a server is being promoted is no word of the promotion; its step's failure is") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    bench.say(bench.goal(Role::fence, 2));
    REQUIRE(bench.until([&] { return bench.link.last().fenced; }, 1000));
    Goal goal = bench.goal(Role::primary, 2);
    goal.timeline = Timeline{2};
    goal.rule = {RuleId{4}, {1, {IncarnationId{"c"}}}};
    goal.history.push_back({Timeline{2}, Epoch{2}, std::nullopt, Lsn{0x5000}});
    bench.control.hold("Promote");
    bench.say(goal);
    REQUIRE(bench.until([&] { return bench.did("Promote"); }, 1000));
    bench.control.facts.trouble = "query: recovery is not in progress";
    bench.control.change();
    const int looks = bench.control.looks;
    REQUIRE(bench.until([&] { return bench.control.looks > looks + 1; }));
    const std::size_t reports = bench.link.reports.size();
    REQUIRE(bench.until([&] { return bench.link.reports.size() > reports + 2; }));
    CHECK(bench.link.last().problem.empty());
    CHECK(bench.link.last().doing == "promoting to timeline 2");
    bench.control.facts.trouble.clear();
    bench.control.failing["Promote"] = "no room for a history file";
    bench.control.release();
    REQUIRE(bench.until([&] { return !bench.link.last().problem.empty(); }));
    CHECK(bench.link.last().problem == "Promote has failed: no room for a history file");
}

}  // namespace pgaf::keeper::test
