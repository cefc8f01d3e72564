// The text that Prometheus reads, and what is said of the process itself.
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "common/metrics/family.h"
#include "common/metrics/process.h"

using namespace pgaf::metrics;

TEST_CASE("families become text, with every label escaped; without a series they are left out") {
    Families all;
    Family gauge{"pgaf_thing_bytes", "A thing"};
    const Labels labels{{"cluster", "default"}};
    gauge.add(with(labels, {{"name", "a\"b\\c\nd"}}), 9007199254740991.0);
    gauge.give_to(all);
    Family counter{"pgaf_things_total", "Things", prometheus::MetricType::Counter};
    counter.add(labels, 2);
    counter.give_to(all);
    Family none{"pgaf_none", "Nothing"};
    none.give_to(all);
    prometheus::Histogram histogram(prometheus::Histogram::BucketBoundaries{0.1, 1});
    histogram.Observe(0.5);
    Family times{"pgaf_time_seconds", "A time", prometheus::MetricType::Histogram};
    times.add(labels, histogram);
    times.give_to(all);
    const std::string out = text(all);
    CHECK_THAT(out, Catch::Contains("# HELP pgaf_thing_bytes A thing\n# TYPE pgaf_thing_bytes gauge\n"));
    CHECK_THAT(out, Catch::Contains(R"(pgaf_thing_bytes{cluster="default",name="a\"b\\c\nd"} 9007199254740991)"
                                    "\n"));
    CHECK_THAT(out, Catch::Contains("# TYPE pgaf_things_total counter\npgaf_things_total{cluster=\"default\"} 2\n"));
    CHECK_THAT(out, Catch::Contains("pgaf_time_seconds_bucket{cluster=\"default\",le=\"1\"} 1\n"));
    CHECK_THAT(out, !Catch::Contains("pgaf_none"));
}

TEST_CASE("the process's own figures are those of this process") {
    const Process before = this_process();
    const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    CHECK(before.start_time <= now + 1);
    CHECK(before.start_time > now - 600);
    CHECK(before.resident_bytes > 1e6);
    CHECK(before.open_fds >= 3);
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(this_process().open_fds == before.open_fds + 2);
    ::close(ends[0]);
    ::close(ends[1]);
    volatile double work = 0;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    // The kernel counts in hundredths of a second.
    while (this_process().cpu_seconds <= before.cpu_seconds && std::chrono::steady_clock::now() < until)
        work = work + 1;
    CHECK(this_process().cpu_seconds > before.cpu_seconds);
    Families all;
    add_process(all);
    CHECK(all.size() == 4);
}
