// What the loop tells those on the side: what the monitor says of the cluster, how long answers take, and whether
// PostgreSQL is at rest.
#include <catch2/catch.hpp>

#include "fakes.h"

namespace pgaf::keeper::test {

TEST_CASE("what the monitor tells of the cluster is kept with its age, and is no sign of life") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    CHECK_FALSE(bench.loop->view().cluster_age);
    ClusterView told;
    told.epoch = Epoch{7};
    bench.link.to.view(told);
    CHECK(bench.loop->view().cluster.epoch == Epoch{7});
    REQUIRE(bench.loop->view().cluster_age);
    bench.pass(30);
    CHECK(bench.loop->view().cluster_age->v >= 20);
    // A monitor that is lost stays so until it answers.
    bench.link.acknowledges = false;
    bench.link.to.lost("gone");
    bench.link.to.view(told);
    CHECK_FALSE(bench.loop->view().run.monitor_in_reach);
    CHECK(bench.loop->view().cluster_age->v < 20);
}

TEST_CASE("where its upstream's WAL ends, and after a fence, which takes the upstream away, the last primary's") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    const auto told = [&](Lsn end) { return bench.until([&] { return bench.loop->view().upstream_end == end; }); };
    CHECK(told(Lsn{0x9000}));  // of node1, with each acknowledgement
    Goal fence = bench.goal(Role::fence, 2);
    fence.digest.primary = NodeName{"node3"};
    bench.say(fence);
    REQUIRE(bench.until([&] { return bench.loop->view().facts.following.empty(); }));
    CHECK(told(Lsn{}));  // nobody has said where node3 is
    fence = bench.goal(Role::fence, 2);
    fence.digest.primary = NodeName{"node1"};
    bench.say(fence);
    CHECK(told(Lsn{0x9000}));
}

TEST_CASE("a look that takes long is no progress, unless it reads WAL") {
    Bench bench;
    Promise promise;
    make_standby(bench, promise, PgStatus::stopped);
    bench.start(promise);
    REQUIRE(bench.until([&] { return bench.control.looks > 0; }));
    bench.control.slow_look = Millis{2000};
    REQUIRE(bench.until([&] { return bench.loop->view().since_progress > Millis{300}; }));
    bench.control.reading = true;
    CHECK(bench.loop->view().since_progress == Millis{0});
}

TEST_CASE("each acknowledgement's time is told, once for each report that it names") {
    Bench bench;
    std::vector<std::chrono::nanoseconds> times;
    bench.options.on_answer = [&](std::chrono::nanoseconds after) { times.push_back(after); };
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    REQUIRE(bench.until([&] { return times.size() >= 3; }));
    CHECK(times.size() == bench.link.reports.size());
    // One acknowledgement for several reports: only the newest was answered just now.
    bench.link.acknowledges = false;
    const std::size_t before = bench.link.reports.size();
    REQUIRE(bench.until([&] { return bench.link.reports.size() >= before + 3; }));
    bench.pass(30);
    times.clear();
    bench.link.to.ack({bench.link.last().seq, {}, Millis{50}, Millis{250}});
    REQUIRE(times.size() == 1);
    CHECK(times[0] >= std::chrono::nanoseconds(0));
    CHECK(times[0] < std::chrono::seconds(5));
}

TEST_CASE("PostgreSQL is at rest when it runs as its goal wants and no step is under way") {
    Bench bench;
    std::vector<bool> said;
    bool step_begun_at_rest = false;
    bench.options.on_rest = [&](bool yes) {
        if (said.empty() || said.back() != yes) said.push_back(yes);
    };
    bench.control.on_step = [&](const Step&) { step_begun_at_rest |= said.empty() || said.back(); };
    Promise promise;
    make_standby(bench, promise, PgStatus::running);
    bench.start(promise);
    REQUIRE(bench.until([&] { return !said.empty(); }));
    CHECK(said == std::vector<bool>{false});  // it has no goal yet
    bench.say(bench.goal(Role::standby));
    REQUIRE(bench.until([&] { return said.back(); }));
    bench.say(bench.goal(Role::fence, 2));
    REQUIRE(bench.until([&] { return bench.did("Fence"); }));
    CHECK_FALSE(said.back());
    bench.pass(60);
    CHECK_FALSE(said.back());  // fenced, though it runs
    bench.say(bench.goal(Role::standby, 3));
    REQUIRE(bench.until([&] { return said.back(); }));
    bench.control.exit_now();
    REQUIRE(bench.until([&] { return !said.back(); }));
    REQUIRE(bench.until([&] { return said.back(); }));  // started again
    bench.control.facts.disk = "the disk takes no writes";
    REQUIRE(bench.until([&] { return !said.back(); }));
    CHECK_FALSE(step_begun_at_rest);
}

}  // namespace pgaf::keeper::test
