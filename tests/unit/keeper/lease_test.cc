// R8 in the loop: what carries a primary's lease, when it closes or stops, and what the launcher is told.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "fakes.h"
#include "tests/support/slowness.h"

namespace pgaf::keeper::test {
namespace {

using pgaf::test::slowness;

constexpr Millis lease{600 * slowness};

/// A primary that serves under the rule (k, {a}), with a lease.
struct Primary {
    explicit Primary(std::uint32_t k) {
        Promise promise;
        make_standby(bench, promise, PgStatus::running);
        facts().in_recovery = false;
        facts().open_to_clients = true;
        facts().following = {};
        facts().receiver = {};
        bench.start(promise);
        goal = bench.goal(Role::primary);
        goal.timeline = Timeline{1};
        goal.rule = {RuleId{2}, {k, {IncarnationId{"a"}}}};
        goal.lease = lease;
        goal.keeper_timeout = Millis{60'000};
        goal.asynchronous = k == 0;
        bench.say(goal);
        REQUIRE(bench.until([&] { return bench.link.last().writable && bench.link.last().rule_applied == RuleId{2}; }));
    }

    /// The monitor is gone; reports go nowhere.
    void lose_monitor() {
        bench.link.acknowledges = false;
        bench.link.to.lost("gone");
    }
    void find_monitor() {
        bench.link.acknowledges = true;
        bench.link.to.opened();
    }
    /// The standby has flushed all that there is, from now on or never again.
    void confirm() { facts().standbys = {{IncarnationId{"a"}, true, Lsn{1ULL << 40}, Lsn{1ULL << 40}, {}}}; }
    void fall_silent() {
        const Lsn end = facts().end;
        facts().standbys = {{IncarnationId{"a"}, true, end, end, {}}};
    }
    [[nodiscard]] bool open() const { return bench.control.facts.open_to_clients; }
    Facts& facts() { return bench.control.facts; }

    Bench bench;
    Goal goal;
};

}  // namespace

TEST_CASE("R8: with the monitor in reach no WAL message is written, and nothing closes") {
    Primary p(1);
    p.bench.pass(2 * static_cast<int>(lease.v));
    CHECK(p.open());
    CHECK(p.bench.control.marks == 0);
}

TEST_CASE("R8: a monitor that answers and names another primary carries no lease") {
    Primary p(1);
    p.fall_silent();
    // Its new goal is held up: by its own disk, say.
    p.bench.link.carries_lease = false;
    REQUIRE(p.bench.until([&] { return !p.open(); }, 4 * static_cast<int>(lease.v)));
    CHECK(p.bench.did("CloseToClients"));
}

TEST_CASE("R8: what a disk that hangs keeps from being promised does not keep a primary from its lease's end") {
    Primary p(1);
    p.fall_silent();
    p.bench.link.carries_lease = false;
    // Whoever opens this waits for a reader.
    const std::string beside = p.bench.file.path() + ".new";
    REQUIRE(::mkfifo(beside.c_str(), 0600) == 0);
    p.bench.say(p.bench.goal(Role::fence, 2));
    SECTION("known to be its disk's: it is stopped without a write") {
        p.facts().disk = "a write has not ended for 6 s";
        REQUIRE(p.bench.until([&] { return p.bench.did("Stop"); }, 4 * static_cast<int>(lease.v)));
        CHECK_FALSE(p.bench.did("CloseToClients"));
    }
    SECTION("else the promise is waited for") {
        p.bench.pass(2 * static_cast<int>(lease.v));
        CHECK_FALSE(p.bench.did("Stop"));
        CHECK_FALSE(p.bench.did("CloseToClients"));
    }
    CHECK(p.bench.on_disk().goal->role == Role::primary);
    const int reader = ::open(beside.c_str(), O_RDONLY | O_NONBLOCK);
    REQUIRE(reader >= 0);
    REQUIRE(std::filesystem::remove(beside));
    // A pipe can't be synced: the write fails, and comes again.
    REQUIRE(p.bench.until([&] { return p.bench.on_disk().goal->role == Role::fence; }));
    ::close(reader);
}

TEST_CASE("R8: a monitor that is away closes nothing while the standbys confirm") {
    Primary p(1);
    p.confirm();
    p.lose_monitor();
    p.bench.pass(2 * static_cast<int>(lease.v));
    CHECK(p.open());
    // One with each heartbeat of 50 ms, not with each look.
    CHECK(p.bench.control.marks > 10 * slowness);
    CHECK(p.bench.control.marks < 30 * slowness);
}

TEST_CASE("R8: without both it closes within the lease, says so, and opens when a standby confirms") {
    Primary p(1);
    p.fall_silent();
    const Millis lost = p.bench.options.clock();
    p.lose_monitor();
    REQUIRE(p.bench.until([&] { return !p.open(); }, 3000));
    const std::int64_t after = p.bench.options.clock().v - lost.v;
    CHECK(after >= lease.v - 100 * slowness);
    CHECK(after < lease.v + 300 * slowness);
    REQUIRE(p.bench.until([&] { return p.bench.loop->view().problem.find("closed to clients") == 0; }));
    CHECK(p.bench.did("CloseToClients"));
    CHECK_FALSE(p.bench.did("Stop"));

    SECTION("a standby confirms what was written since") {
        p.confirm();
        REQUIRE(p.bench.until([&] { return p.open(); }));
        CHECK(p.bench.loop->view().problem.empty());
        // Nobody has heard of it yet.
        CHECK(p.bench.loop->view().run.self_fenced.find("closed to clients") == 0);
        p.find_monitor();
        REQUIRE(p.bench.until([&] { return p.bench.loop->view().run.self_fenced.empty(); }));
        CHECK(std::any_of(p.bench.link.reports.begin(), p.bench.link.reports.end(),
                          [](const Report& r) { return r.self_fenced.find("closed to clients") == 0; }));
    }
    SECTION("the monitor answers") {
        p.find_monitor();
        REQUIRE(p.bench.until([&] { return p.open(); }));
    }
}

TEST_CASE("R8, R11: the answers of a monitor that decides nothing carry no lease: another one may decide") {
    Primary p(1);
    p.bench.link.in_doubt = true;
    SECTION("the standbys confirm") {
        p.confirm();
        p.bench.pass(2 * static_cast<int>(lease.v));
        CHECK(p.open());
    }
    SECTION("nobody does") {
        p.fall_silent();
        REQUIRE(p.bench.until([&] { return !p.open(); }, 3000));
        p.bench.link.in_doubt = false;
        REQUIRE(p.bench.until([&] { return p.open(); }));
    }
}

TEST_CASE("R8: /primary is refused from the lease's end on, also before it has closed") {
    Primary p(1);
    p.fall_silent();
    p.bench.control.failing["CloseToClients"] = "the postmaster does not read its configuration anew";
    p.lose_monitor();
    REQUIRE(p.bench.until([&] { return p.bench.did("CloseToClients failed"); }, 3000));
    CHECK(p.open());
    const auto view = p.bench.loop->view();
    CHECK(lease_over(view.promise, view.run));
    // A keeper that can't close it does not keep the launcher from stopping it either.
    const Millis latest{lease_until(view.promise, view.run).v + 60'000};
    // A later deadline can wait for half a heartbeat.
    const auto& told = p.bench.control.deadlines;
    REQUIRE(p.bench.until([&] { return told.back() <= latest && latest.v - told.back().v < 25; }));
    const Millis last = told.back();
    p.bench.pass(300);
    CHECK(told.back() == last);
}

TEST_CASE("R8: with k = 0 it stops, and starts again by the monitor's word alone") {
    Primary p(0);
    p.fall_silent();
    p.lose_monitor();
    REQUIRE(p.bench.until([&] { return p.bench.did("Stop"); }, 3000));
    const auto starts = [&] {
        return std::count(p.bench.control.steps.begin(), p.bench.control.steps.end(), "StartPrimary");
    };
    p.bench.pass(800);  // more than node_timeout: on its own
    CHECK(starts() == 0);
    p.find_monitor();
    REQUIRE(p.bench.until([&] { return p.bench.link.last().status == PgStatus::stopped; }));
    CHECK(p.bench.link.last().self_fenced.find("stopped: ") == 0);
    CHECK(starts() == 0);
    p.goal.stamp.version = Version{9};
    p.goal.permit = StartPermit{p.bench.link.last().boot, p.bench.link.last().exits};
    p.bench.say(p.goal);
    REQUIRE(p.bench.until([&] { return starts() == 1; }));
}

namespace {

bool none(const std::vector<Millis>& told) {
    return std::all_of(told.begin(), told.end(), [](Millis until) { return until == Millis{0}; });
}

/// A primary with k = 0 that another node has replaced for longer than a lease, and that is about to be chosen again.
struct Replaced : Primary {
    Replaced() : Primary(0) {
        bench.link.carries_lease = false;
        bench.say(bench.goal(Role::standby, 2));
        REQUIRE(bench.until([&] { return bench.link.last().in_recovery && bench.link.last().promised.epoch.v == 2; }));
        bench.pass(static_cast<int>(lease.v) + 100);
        bench.control.steps.clear();
        bench.control.deadlines.clear();
    }
    /// Of which the monitor is heard no more.
    void choose_again() {
        bench.link.acknowledges = false;
        Goal again = goal;
        again.stamp = bench.goal(Role::primary, 3).stamp;
        again.timeline = Timeline{2};
        again.history = {{Timeline{1}, Epoch{1}, std::nullopt, Lsn{}},
                         {Timeline{2}, Epoch{3}, Lsn{0x5000}, Lsn{0x5000}}};
        again.rule.id = RuleId{3};
        bench.say(again);
    }
};

}  // namespace

TEST_CASE("R7, R8: a node that is chosen again counts from the answer before its goal, not from its earlier reign") {
    Replaced p;
    const Millis chosen = p.bench.options.clock();
    p.choose_again();
    REQUIRE(p.bench.until([&] { return p.bench.did("Promote") || p.bench.did("Stop"); }));
    REQUIRE(!p.bench.control.deadlines.empty());
    CHECK(p.bench.control.deadlines.front().v <= chosen.v + lease.v);
    CHECK(p.bench.did("Promote"));
}

TEST_CASE("R8: chosen again with no answer in this session, it waits for one instead of being stopped") {
    Replaced p;
    p.lose_monitor();
    p.bench.link.to.opened();
    p.choose_again();
    p.bench.pass(200);
    CHECK(none(p.bench.control.deadlines));
    CHECK_FALSE(p.bench.did("Promote"));
    p.bench.control.deadlines.clear();
    p.bench.link.carries_lease = true;
    p.find_monitor();
    REQUIRE(p.bench.until([&] { return p.bench.did("Promote"); }));
    CHECK(p.bench.control.deadlines.front() > p.bench.options.clock());
}

TEST_CASE("R8: a goal that comes again carries no lease: another node may have been chosen since") {
    Primary p(0);
    p.fall_silent();
    p.bench.link.carries_lease = false;
    for (int i = 0; i < 30 * slowness && !p.bench.did("Stop"); ++i) {
        p.bench.pass(50);
        p.bench.say(p.goal);
    }
    CHECK(p.bench.did("Stop"));
}

TEST_CASE("R8: the launcher is told how long the server may do without the keeper") {
    const auto told = [](const Primary& p) { return p.bench.control.deadlines; };
    SECTION("k >= 1: keeper_timeout from now, renewed with the heartbeats") {
        Primary p(1);
        p.bench.pass(500);
        const auto all = told(p);
        REQUIRE(all.size() > 3);
        CHECK(all.size() < 30);
        CHECK(std::is_sorted(all.begin(), all.end()));
        const std::int64_t left = all.back().v - p.bench.options.clock().v;
        CHECK(left > 59'000);
        CHECK(left <= 60'000);
        // The cluster loses its standby: nobody can replace it.
        p.goal.stamp.version = Version{9};
        p.goal.irreplaceable = true;
        p.bench.say(p.goal);
        REQUIRE(p.bench.until([&] { return told(p).back() == Millis{0}; }));
        const std::size_t count = told(p).size();
        p.bench.pass(300);
        CHECK(told(p).size() == count);
    }
    SECTION("k = 0: the end of the lease, and not later when nobody answers") {
        Primary p(0);
        p.bench.pass(200);
        const std::int64_t left = told(p).back().v - p.bench.options.clock().v;
        CHECK(left > 0);
        CHECK(left <= lease.v);
        p.fall_silent();
        p.lose_monitor();
        p.bench.pass(50);
        const Millis last = told(p).back();
        p.bench.pass(300);
        CHECK(told(p).back() == last);
    }
}

TEST_CASE("R8: a standby and a primary that nobody can replace are under no deadline") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    bench.say(bench.goal(Role::standby));
    bench.pass(300);
    // The launcher may hold one yet, of a keeper before that was to promote it: it is told once that there is none.
    CHECK(bench.control.deadlines == std::vector{Millis{0}});
    CHECK(bench.control.marks == 0);
}

TEST_CASE("R8: a keeper that stood still looks at the clock before anything else") {
    Bench bench;
    Millis skipped{0};
    bench.options.clock = [&] { return Millis{boot_time().v + skipped.v}; };
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    Facts& facts = bench.control.facts;
    facts.in_recovery = false;
    facts.open_to_clients = true;
    facts.following = {};
    facts.receiver = {};
    bench.start(promise);
    Goal goal = bench.goal(Role::primary);
    goal.timeline = Timeline{1};
    goal.rule = {RuleId{2}, {1, {IncarnationId{"a"}}}};
    goal.lease = Millis{60'000};
    bench.say(goal);
    REQUIRE(bench.until([&] { return bench.link.last().writable && bench.link.last().rule_applied == RuleId{2}; }));
    bench.pass(100);
    // What it sent before the freeze is answered only now: that answer is as old as the freeze.
    bench.link.acknowledges = false;
    bench.until([&, sent = bench.link.reports.size()] { return bench.link.reports.size() > sent; });
    skipped = Millis{120'000};
    Ack late{bench.link.last().seq, {}, bench.link.heartbeat, bench.link.node_timeout};
    late.lease = true;
    bench.link.to.ack(late);
    REQUIRE(bench.until([&] { return !facts.open_to_clients; }, 1000));
    CHECK(bench.did("CloseToClients"));
}

}  // namespace pgaf::keeper::test
