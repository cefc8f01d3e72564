// The checker of values must be able to fail: registers that go back, sums that change, reads that are too old.
#include <catch2/catch.hpp>

#include "tests/load/value_judge.h"

using namespace pgaf::load;

namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr std::uint64_t sum = 8000;

Line line(char kind, std::int64_t at, std::int64_t sent, std::uint64_t n, std::uint32_t timeline = 1) {
    Line line;
    line.kind = kind;
    line.at_ns = at * ms;
    line.sent_ns = sent * ms;
    line.writer = 1;
    line.n = n;
    line.server = timeline == 1 ? "a:1" : "b:1";
    line.timeline = timeline;
    return line;
}

ValueJudge judged(const std::vector<Line>& lines, std::int64_t stale_limit = -1) {
    ValueJudge judge(sum, stale_limit < 0 ? -1 : stale_limit * ms);
    for (const Line& each : lines) judge.take(each);
    return judge;
}

}  // namespace

TEST_CASE("a read that began before the write was acknowledged may see either") {
    CHECK(judged({line('A', 10, 5, 1), line('A', 20, 15, 2), line('R', 25, 18, 1)}).violation_count() == 0);
    CHECK(judged({line('A', 10, 5, 1), line('A', 20, 15, 2), line('R', 25, 18, 2)}).violation_count() == 0);
}

TEST_CASE("a register that goes back on its timeline, or on a newer one, is a violation (I2)") {
    CHECK(judged({line('A', 10, 5, 1), line('A', 20, 15, 2), line('R', 25, 21, 1)}).violation_count() == 1);
    CHECK(judged({line('A', 10, 5, 1), line('A', 20, 15, 2), line('R', 25, 21, 1, 2)}).violation_count() == 1);
}

TEST_CASE("what was read once must not be unread later, acknowledged or not (R9)") {
    CHECK(judged({line('A', 10, 5, 1), line('R', 20, 15, 7), line('R', 25, 21, 1)}).violation_count() == 1);
    CHECK(judged({line('A', 10, 5, 1), line('R', 20, 15, 7)}).known().at(1) == 7);
}

TEST_CASE("a replaced server that shows what was so before is stale, and has a limit only where one is set (I7)") {
    const std::vector<Line> lines{line('A', 10, 5, 1), line('A', 20, 15, 2, 2), line('R', 530, 520, 1, 1)};
    const ValueJudge free = judged(lines);
    CHECK(free.violation_count() == 0);
    CHECK(free.stale_reads() == 1);
    CHECK(free.oldest_stale_ns() == 500 * ms);
    CHECK(judged(lines, 500).violation_count() == 0);
    CHECK(judged(lines, 499).violation_count() == 1);
    ValueJudge later(sum, 499 * ms, 521 * ms);
    for (const Line& each : lines) later.take(each);
    CHECK(later.violation_count() == 0);
}

TEST_CASE("a stale read may be older while something is wrong that allows it, by the widest of what was (I7)") {
    // Superseded at 20, sent at 520.
    const std::vector<Line> lines{line('A', 10, 5, 1), line('A', 20, 15, 2, 2), line('R', 530, 520, 1, 1)};
    const auto violations = [&](std::vector<Slack> slacks) {
        ValueJudge judge(sum, 100 * ms);
        for (Slack& each : slacks) {
            each.from_ns *= ms;
            each.to_ns *= ms;
            each.limit_ns *= ms;
        }
        judge.allow(std::move(slacks));
        for (const Line& each : lines) judge.take(each);
        return judge.violation_count();
    };
    CHECK(violations({}) == 1);
    CHECK(violations({{200, 300, 500}}) == 0);
    CHECK(violations({{200, 300, 499}}) == 1);
    CHECK(violations({{200, 300, 300}, {300, 400, 600}, {100, 500, 200}}) == 0);
    // Never less than without it.
    CHECK(violations({{200, 300, 500}, {200, 300, 0}}) == 0);
    // Over before it was superseded, and begun when the read had been sent.
    CHECK(violations({{0, 20, 500}}) == 0);
    CHECK(violations({{0, 19, 500}}) == 1);
    CHECK(violations({{520, 900, 500}}) == 0);
    CHECK(violations({{521, 900, 500}}) == 1);
    ValueJudge free(sum);
    free.allow({{0, 900 * ms, 1}});
    for (const Line& each : lines) free.take(each);
    CHECK(free.violation_count() == 0);
}

TEST_CASE("what a server shows that somebody has promoted past the cluster says nothing of it") {
    const std::vector<Line> lines{line('A', 10, 5, 1), line('A', 20, 15, 3), line('R', 30, 25, 2, 7),
                                  line('R', 31, 26, 9, 7), line('R', 40, 35, 3)};
    CHECK(judged(lines).violation_count() == 1);
    ValueJudge judge(sum);
    judge.leave_out({{"b:1", 22 * ms, 40 * ms}});
    for (const Line& each : lines) judge.take(each);
    CHECK(judge.violation_count() == 0);
    CHECK(judge.known().at(1) == 3);
    // Not before and not after.
    ValueJudge other(sum);
    other.leave_out({{"b:1", 31 * ms, 40 * ms}, {"b:1", 0, 24 * ms}, {"a:1", 0, 50 * ms}});
    for (const Line& each : lines) other.take(each);
    CHECK(other.violation_count() == 1);
}

TEST_CASE("the age of a stale read counts from the first value that superseded it") {
    CHECK(judged({line('A', 10, 5, 1), line('A', 20, 15, 2, 2), line('A', 500, 490, 3, 2), line('R', 530, 520, 1, 1)})
              .oldest_stale_ns() == 500 * ms);
}

TEST_CASE("a sum that is not what it was is a violation, on whatever server") {
    CHECK(judged({line('S', 10, 5, sum), line('S', 20, 15, sum, 0)}).violation_count() == 0);
    CHECK(judged({line('S', 10, 5, sum - 3, 0)}).violation_count() == 1);
    CHECK(judged({line('T', 10, 5, 3)}).transfers() == 1);
}

TEST_CASE("what is unknown or refused binds nobody") {
    Line unknown = line('U', 10, 5, 9);
    Line refused = line('F', 10, 5, 9);
    const ValueJudge judge = judged({unknown, refused});
    CHECK(judge.known().empty());
    CHECK(judge.unknown() == 1);
    CHECK(judge.failed() == 1);
}
