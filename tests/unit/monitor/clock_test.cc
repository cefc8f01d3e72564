// The clock that leaves out the time in which the monitor itself did not run.
#include "monitor/service/clock.h"

#include <catch2/catch.hpp>

using namespace pgaf;
using namespace pgaf::monitor;

TEST_CASE("time passes as on the clock while the process runs") {
    Millis time{1000};
    AwakeClock clock(Millis{500}, [&] { return time; });
    CHECK(clock.now().v == 1000);
    time.v = 1500;
    CHECK(clock.now().v == 1500);
    time.v = 1501;
    CHECK(clock.now().v == 1501);
    CHECK(clock.left_out().v == 0);
}

TEST_CASE("a freeze of the process counts for no more than the longest gap") {
    Millis time{0};
    AwakeClock clock(Millis{500}, [&] { return time; });
    time.v = 60'000;
    CHECK(clock.now().v == 500);
    CHECK(clock.left_out().v == 59'500);
    time.v = 60'400;
    CHECK(clock.now().v == 900);
}

TEST_CASE("boot time goes on") {
    const Millis before = boot_time();
    CHECK(before.v > 0);
    CHECK(boot_time() >= before);
    CHECK(wall_clock_unix_ms() > 1'700'000'000'000);
}
