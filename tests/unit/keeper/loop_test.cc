// The loop against a model of PostgreSQL: what it does, in which order, and what it says meanwhile.
#include <algorithm>
#include <catch2/catch.hpp>

#include "fakes.h"

namespace pgaf::keeper::test {

using Steps = std::vector<std::string>;

TEST_CASE("the first primary: made, started, its rule applied, opened; each step after a durable promise") {
    Bench bench;
    bool promised_first = true;
    bench.control.on_step = [&](const Step&) {
        const Promise disk = bench.on_disk();
        promised_first =
            promised_first && disk.goal && disk.goal->role == Role::primary && disk.rule_promised == RuleId{1};
    };
    bench.start();
    REQUIRE(bench.link.hellos.size() == 1);
    const Hello& hello = bench.link.hellos[0];
    CHECK(hello.incarnation == bench.on_disk().incarnation);
    CHECK(hello.boot == bench.link.last().boot);
    CHECK(bench.link.last().status == PgStatus::absent);
    CHECK(bench.control.steps.empty());

    Goal goal = bench.goal(Role::primary);
    goal.initialise = true;
    goal.system_id = {};
    goal.history.clear();
    goal.rule.id = RuleId{1};
    goal.permit = StartPermit{hello.boot, 0};
    goal.peers.erase(goal.peers.begin());
    bench.say(goal);
    REQUIRE(bench.until([&] { return bench.link.last().writable; }));
    CHECK(bench.control.steps == Steps{"Initialise", "StartPrimary", "ApplyRule", "OpenToClients"});
    CHECK(promised_first);
    CHECK(bench.link.last().rule_applied == RuleId{1});
    CHECK(bench.on_disk().has_folder);
    CHECK(bench.on_disk().system_id == SystemId{"77"});
    // The folder was made for this incarnation: no other session.
    CHECK(bench.link.hellos.size() == 1);
}

TEST_CASE("an exit is seen and said at once, not with the next heartbeat") {
    Bench bench(Millis{60'000});
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    bench.say(bench.goal(Role::standby));
    REQUIRE(bench.until([&] { return bench.link.last().promised.version == Version{1}; }));
    bench.control.exit_now();
    REQUIRE(bench.until([&] { return bench.link.last().exits == 1; }, 500));
    // R9: the goal of this run allows the start.
    REQUIRE(bench.until([&] { return bench.did("StartStandby"); }, 500));
}

TEST_CASE("a primary's exit is told before the end of its WAL is known, and the end under the same goal") {
    Bench bench(Millis{60'000});
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
    bench.control.slow_look = Millis{300};
    bench.control.facts.end_pending = true;
    const std::size_t before = bench.link.reports.size();
    SECTION("by itself: at once") {
        bench.control.exit_now();
        REQUIRE(bench.until([&] { return bench.link.last().exits == 1; }, 1000));
        CHECK(bench.link.last().status == PgStatus::stopped);
        CHECK(bench.link.last().end.empty());
        CHECK(bench.link.last().problem.empty());
    }
    SECTION("in another epoch an exit counts only with its end (R4)") {
        bench.say(bench.goal(Role::fence, 2));
        REQUIRE(bench.until([&] { return bench.link.last().promised.epoch == Epoch{2}; }, 1000));
        bench.control.exit_now();
        REQUIRE(bench.until([&] { return bench.link.last().fenced; }, 2000));
        for (std::size_t i = before; i < bench.link.reports.size(); ++i)
            if (bench.link.reports[i].status == PgStatus::stopped) CHECK_FALSE(bench.link.reports[i].end.empty());
    }
    const Stamp told = bench.link.last().promised;
    REQUIRE(bench.until([&] { return bench.link.last().end == Lsn{0x5000}; }, 2000));
    CHECK(bench.link.last().status == PgStatus::stopped);
    CHECK(bench.link.last().promised == told);
}

TEST_CASE("a goal below what is promised is answered with a report, and nothing is done on it (R2, I4)") {
    Bench bench(Millis{60'000});
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    promise.promised = {Epoch{5}, Term{1}, Version{9}, MonitorId{"m"}};
    bench.start(promise);
    const std::size_t before = bench.link.reports.size();
    bench.say(bench.goal(Role::fence, 4));
    REQUIRE(bench.until([&] { return bench.link.reports.size() > before; }, 500));
    CHECK(bench.link.last().promised.epoch == Epoch{5});
    CHECK(bench.on_disk().promised.epoch == Epoch{5});
    bench.pass(30);
    CHECK(bench.control.steps.empty());
}

TEST_CASE("reports go on while a step takes long, and say what is being done") {
    Bench bench;
    bench.control.hold("Clone");
    bench.start();
    bench.say(bench.goal(Role::standby));
    REQUIRE(bench.until([&] { return bench.did("Clone"); }));
    const std::size_t before = bench.link.reports.size();
    REQUIRE(bench.until([&] { return bench.link.reports.size() > before + 4; }, 2000));
    CHECK(bench.link.last().doing == "cloning from node1 (there is no data folder)");
    CHECK(bench.link.last().status == PgStatus::absent);
    bench.control.release();
    REQUIRE(bench.until([&] { return bench.link.last().receiver.streaming; }));
    REQUIRE(bench.until([&] { return bench.link.last().doing.empty(); }));
}

TEST_CASE("heartbeats do not wait for a slow look at PostgreSQL") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    bench.control.slow_look = Millis{700};
    bench.pass(100);
    const std::size_t before = bench.link.reports.size();
    bench.pass(400);
    CHECK(bench.link.reports.size() >= before + 4);
}

TEST_CASE("a fence breaks off the start of a standby, and nothing is fenced before that is over (R4)") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::stopped);
    bench.control.hold("StartStandby");
    bench.start(promise);
    bench.say(bench.goal(Role::standby));
    REQUIRE(bench.until([&] { return bench.did("StartStandby"); }));
    // PostgreSQL is still stopped, with an exact end of WAL; but it is being started.
    REQUIRE(bench.until([&] { return bench.link.last().status == PgStatus::starting; }));
    bench.say(bench.goal(Role::fence, 2));
    REQUIRE(bench.until([&] { return bench.did("StartStandby cancelled"); }));
    for (const Report& report : bench.link.reports) CHECK_FALSE((report.fenced && report.promised.epoch == Epoch{1}));
    REQUIRE(bench.until([&] { return bench.link.last().fenced; }));
    CHECK(bench.link.last().promised.epoch == Epoch{2});
}

TEST_CASE("fence, then promotion on the assigned timeline") {
    Bench bench(Millis{60'000});
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    bench.say(bench.goal(Role::fence, 2));
    REQUIRE(bench.until([&] { return bench.link.last().fenced; }, 1000));
    CHECK(bench.link.last().end == Lsn{0x5000});
    Goal goal = bench.goal(Role::primary, 2);
    goal.timeline = Timeline{2};
    goal.rule = {RuleId{4}, {1, {IncarnationId{"c"}}}};
    goal.history.push_back({Timeline{2}, Epoch{2}, std::nullopt, Lsn{0x5000}});
    bench.say(goal);
    REQUIRE(bench.until([&] { return bench.link.last().writable; }, 1000));
    CHECK(bench.control.steps[0] == "Fence");
    CHECK(bench.control.steps[1] == "Promote");
    CHECK(bench.link.last().timeline == Timeline{2});
    CHECK(bench.link.last().rule_applied == RuleId{4});
    CHECK_FALSE(bench.link.last().fenced);
}

TEST_CASE("nothing is done on a promise that can't be made durable; it is tried again") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    // What stands in the way of the file that is written beside the state file.
    std::filesystem::create_directory(bench.folder.path / "state.json.new");
    bench.say(bench.goal(Role::fence, 2));
    REQUIRE(bench.until([&] { return bench.link.last().problem.find("cannot write the state file") == 0; }));
    bench.pass(100);
    CHECK(bench.control.steps.empty());
    CHECK(bench.link.last().promised.epoch == Epoch{0});
    std::filesystem::remove(bench.folder.path / "state.json.new");
    REQUIRE(bench.until([&] { return bench.link.last().fenced; }));
    CHECK(bench.link.last().problem.empty());
    CHECK(bench.on_disk().promised.epoch == Epoch{2});
}

TEST_CASE("an older goal that is repeated does not replace the newer one that waits to be made durable (R2)") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    std::filesystem::create_directory(bench.folder.path / "state.json.new");
    const Goal older = bench.goal(Role::standby, 2);
    const Goal newer = bench.goal(Role::fence, 3);
    bench.say(older);
    REQUIRE(bench.until([&] { return bench.link.last().problem.find("cannot write the state file") == 0; }));
    bench.say(newer);
    bench.say(older);
    std::filesystem::remove(bench.folder.path / "state.json.new");
    REQUIRE(bench.until([&] { return bench.link.last().promised.epoch > Epoch{0}; }));
    CHECK(bench.link.last().promised == newer.stamp);
    REQUIRE(bench.until([&] { return bench.link.last().fenced; }));
    CHECK(bench.on_disk().promised == newer.stamp);
}

TEST_CASE("a rewind makes another incarnation: a new session, and no act before the monitor has registered it (R2)") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::stopped);
    bench.control.facts.end = bench.control.facts.complete = Lsn{0x6000};
    bench.start(promise);
    Goal goal = bench.goal(Role::standby, 2);
    goal.history.push_back({Timeline{2}, Epoch{2}, Lsn{0x5000}, Lsn{0x5000}});
    goal.rewind_allowed = true;
    bench.say(goal);
    REQUIRE(bench.until([&] { return bench.link.hellos.size() == 2; }));
    const IncarnationId next = bench.link.hellos[1].incarnation;
    CHECK(next != promise.incarnation);
    CHECK(next == bench.control.facts.folder_incarnation);
    CHECK(bench.on_disk().incarnation == next);
    CHECK(bench.on_disk().promised.epoch == Epoch{2});
    // The goal for the incarnation before, again.
    goal.stamp.version = Version{++bench.version};
    bench.say(goal);
    bench.pass(200);
    CHECK(bench.control.steps == Steps{"Rewind"});
    for (const Report& report : bench.link.reports)
        if (report.incarnation == next) CHECK(report.seq > bench.link.reports.front().seq);
    goal = bench.goal(Role::standby, 2);
    goal.history.push_back({Timeline{2}, Epoch{2}, Lsn{0x5000}, Lsn{0x5000}});
    bench.say(goal);
    REQUIRE(bench.until([&] { return bench.link.last().receiver.streaming; }));
}

TEST_CASE("an emptied data folder makes another incarnation") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::stopped);
    promise.promised.epoch = Epoch{6};
    bench.start(promise);
    CHECK(bench.link.hellos[0].incarnation == promise.incarnation);
    Facts& facts = bench.control.facts;
    facts = Facts{};
    facts.launcher_connected = true;
    facts.status = PgStatus::absent;
    bench.control.change();
    REQUIRE(bench.until([&] { return bench.link.hellos.size() == 2; }));
    CHECK(bench.link.hellos[1].incarnation != promise.incarnation);
    CHECK(bench.on_disk().promised.epoch == Epoch{6});
}

TEST_CASE("a step that fails is tried again after a while, and said") {
    Bench bench;
    bench.control.failing["Clone"] = "the disk is full";
    bench.start();
    bench.say(bench.goal(Role::standby));
    REQUIRE(bench.until([&] { return bench.control.steps.size() >= 3; }));
    CHECK(bench.link.last().problem == "Clone has failed: the disk is full");
    // 30, 60, 120, 240 ms: not in a tight loop.
    bench.pass(200);
    CHECK(bench.control.steps.size() < 8);
    bench.control.failing.clear();
    REQUIRE(bench.until([&] { return bench.link.last().receiver.streaming; }));
    CHECK(bench.link.last().problem.empty());
}

TEST_CASE("a server that comes up by itself after its start has failed is as good as one that was started") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    bench.say(bench.goal(Role::standby));
    REQUIRE(bench.until([&] { return bench.did("UpdatePeers") && bench.link.last().doing.empty(); }));
    bench.control.failing["StartStandby"] = "it had no room at first";
    bench.control.exit_now();
    REQUIRE(
        bench.until([&] { return bench.link.last().problem == "StartStandby has failed: it had no room at first"; }));
    make_standby(bench, promise, PgStatus::running);
    REQUIRE(bench.until([&] { return bench.link.last().receiver.streaming && bench.link.last().problem.empty(); }));
    CHECK(bench.control.steps == Steps{"UpdatePeers", "StartStandby failed"});
}

/// It has promised a goal that makes it node1's standby.
static void promise_to_follow(Promise& promise) {
    Goal goal;
    goal.stamp = promise.promised = {Epoch{1}, Term{1}, Version{3}, MonitorId{"m"}};
    goal.node = promise.node;
    goal.incarnation = promise.incarnation;
    goal.role = Role::standby;
    goal.upstream = NodeName{"node1"};
    goal.peers = {{NodeName{"node1"}, IncarnationId{"a"}, "127.0.0.1", 5431}};
    goal.history = {{Timeline{1}, Epoch{1}, std::nullopt, Lsn{}}};
    promise.goal = goal;
}

TEST_CASE("with the monitor away a standby starts on the promised goal after node_timeout (R9)") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::stopped);
    promise_to_follow(promise);
    bench.link.acknowledges = false;
    const auto began = std::chrono::steady_clock::now();
    bench.start(promise);
    REQUIRE(bench.until([&] { return bench.did("StartStandby"); }));
    CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds(200));
}

TEST_CASE("a monitor that decides nothing is away, for what a node may do by itself (R9, R11)") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::stopped);
    promise_to_follow(promise);
    bench.link.in_doubt = true;
    bench.start(promise);
    bench.pass(100);
    CHECK_FALSE(bench.did("StartStandby"));
    CHECK(bench.until([&] { return bench.did("StartStandby"); }, 2000));
    CHECK_FALSE(bench.loop->view().run.monitor_in_reach);
    bench.link.in_doubt = false;
    CHECK(bench.until([&] { return bench.loop->view().run.monitor_in_reach; }, 1000));
}

TEST_CASE("with the monitor in reach it waits for the goal of this run (R9)") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::stopped);
    bench.start(promise);
    bench.pass(600);
    CHECK(bench.control.steps.empty());
}

TEST_CASE("a look that began before a step's end says nothing of what is after it (R4)") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::stopped);
    bench.control.hold("StartStandby");
    bench.start(promise);
    bench.say(bench.goal(Role::standby));
    REQUIRE(bench.until([&] { return bench.link.last().status == PgStatus::starting; }));
    const std::size_t began = bench.link.reports.size();
    // This look sees the server stopped, with an exact end, and comes back when it runs.
    bench.control.slow_look = Millis{200};
    const int looks = bench.control.looks;
    REQUIRE(bench.until([&] { return bench.control.looks > looks; }));
    bench.control.release();
    REQUIRE(bench.until([&] { return bench.link.last().receiver.streaming; }));
    for (std::size_t i = began; i < bench.link.reports.size(); ++i)
        CHECK(bench.link.reports[i].status != PgStatus::stopped);
    CHECK(bench.control.steps.front() == "StartStandby");
    CHECK(std::count(bench.control.steps.begin(), bench.control.steps.end(), "StartStandby") == 1);
}

TEST_CASE("time in which the keeper itself stood still is no time without the monitor (R9)") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::stopped);
    promise_to_follow(promise);
    Millis stood_still;
    bench.options.clock = [&stood_still] { return Millis{boot_time().v + stood_still.v}; };
    bench.start(promise);
    // Thawed: what the monitor said meanwhile is read a moment later.
    bench.link.acknowledges = false;
    stood_still = Millis{60'000};
    const std::size_t reports = bench.link.reports.size();
    REQUIRE(bench.until([&] { return bench.link.reports.size() > reports; }));
    bench.link.acknowledges = true;
    bench.pass(100);
    CHECK(bench.control.steps.empty());
}

TEST_CASE("a node whose launcher is away says so, though nothing is known of its PostgreSQL") {
    Bench bench;
    bench.options.first_look_limit = Millis{100};
    bench.control.facts = Facts{};
    bench.control.facts.trouble = "no connection to pgaf-launcher";
    bench.start();
    REQUIRE(bench.link.hellos.size() == 1);
    REQUIRE(bench.until([&] { return bench.link.last().problem == "no connection to pgaf-launcher"; }));
    CHECK(bench.link.last().status == PgStatus::unknown);
    CHECK(bench.control.steps.empty());
}

}  // namespace pgaf::keeper::test
