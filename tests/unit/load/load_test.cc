// The checker must be able to fail: what it calls a violation, and what it must not call one.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "tests/load/finder.h"
#include "tests/load/hosts.h"
#include "tests/load/judge.h"
#include "tests/load/log.h"

using namespace pgaf::load;

namespace {

constexpr std::int64_t ms = 1'000'000;

Line ack(std::int64_t at, std::int64_t sent, const std::string& server, std::uint32_t timeline) {
    Line line;
    line.kind = 'A';
    line.at_ns = at * ms;
    line.sent_ns = sent * ms;
    line.writer = 1;
    line.n = 1;
    line.server = server;
    line.timeline = timeline;
    return line;
}

Line mark(char kind, std::int64_t at) {
    Line line;
    line.kind = kind;
    line.at_ns = at * ms;
    line.run = "r";
    line.writers = 1;
    return line;
}

Judge judged(const std::vector<Line>& lines, std::int64_t since = 0, std::int64_t until = 1'000'000) {
    Judge judge(since * ms, until * ms);
    for (const Line& line : lines) judge.take(line);
    return judge;
}

std::string parameter(const Host& host, const std::string& keyword) {
    for (const auto& [name, value] : host.parameters)
        if (name == keyword) return value;
    return "(none)";
}

}  // namespace

TEST_CASE("a takeover is no violation, also when an answer arrives a moment late") {
    const Judge judge = judged({ack(10, 9, "a:1", 1), ack(200, 190, "b:1", 2), ack(240, 20, "a:1", 1)});
    CHECK(judge.violation_count() == 0);
    CHECK(judge.acknowledged() == 3);
    CHECK(judge.timelines().at(2) == "b:1");
}

TEST_CASE("an older timeline that takes a write after a newer one has acknowledged is a violation (I3)") {
    CHECK(judged({ack(200, 190, "b:1", 2), ack(220, 201, "a:1", 1)}).violation_count() == 1);
    // Sent before, but answered long after.
    CHECK(judged({ack(200, 190, "b:1", 2), ack(320, 150, "a:1", 1)}).violation_count() == 1);
}

TEST_CASE("two servers that acknowledge on one timeline are a violation (I1, I10)") {
    const Judge judge = judged({ack(10, 9, "a:1", 3), ack(20, 19, "b:1", 3), ack(30, 29, "a:1", 3)});
    REQUIRE(judge.violation_count() == 1);
    CHECK(judge.violations().front() == "timeline 3 acknowledged by b:1 and by a:1");
}

TEST_CASE("how late an answer may be is the network's matter, when a request was sent is not") {
    Judge judge(0, INT64_MAX, 1000 * ms);
    judge.take(ack(200, 190, "b:1", 2));
    judge.take(ack(1100, 150, "a:1", 1));
    CHECK(judge.violation_count() == 0);
    judge.take(ack(1150, 201, "a:1", 1));
    CHECK(judge.violation_count() == 1);
    judge.take(ack(1201, 150, "a:1", 1));
    CHECK(judge.violation_count() == 2);
}

TEST_CASE("violations are counted beyond those that are kept in words") {
    std::vector<Line> lines{ack(10, 9, "a:1", 1)};
    for (int i = 0; i < 50; ++i) lines.push_back(ack(20 + i, 19 + i, "b:1", 1));
    const Judge judge = judged(lines);
    CHECK(judge.violation_count() == 50);
    CHECK(judge.violations().size() == 10);
}

TEST_CASE("the outage is the longest gap between acknowledged writes of anybody") {
    const std::vector<Line> lines{mark('B', 0),           ack(10, 9, "a:1", 1),   ack(50, 49, "a:1", 1),
                                  ack(350, 60, "b:1", 2), ack(351, 70, "b:1", 2), mark('E', 360)};
    CHECK(judged(lines).outage().length() == 300 * ms);
    CHECK(judged(lines).outage().from_ns == 50 * ms);
    // A window that the gap does not touch.
    CHECK(judged(lines, 0, 40).outage().length() == 40 * ms);
}

TEST_CASE("a cluster that never takes writes again has an outage up to the end of the run") {
    CHECK(judged({mark('B', 0), ack(10, 9, "a:1", 1), mark('E', 900)}).outage().length() == 890 * ms);
}

TEST_CASE("the time between two runs is no outage") {
    CHECK(judged({mark('B', 0), ack(10, 9, "a:1", 1), mark('E', 20), mark('B', 900), ack(905, 904, "a:1", 1)})
              .outage()
              .length() == 10 * ms);
}

TEST_CASE("lines of a log come back as they were written") {
    Line unknown = ack(7, 5, "127.0.0.1:6001", 0);
    unknown.kind = 'U';
    unknown.reason = "127.0.0.1:6001: server closed the connection unexpectedly";
    Line silent = unknown;
    silent.reason.clear();
    Line read = ack(9, 8, "a:1", 3);
    read.kind = 'R';
    Line refused = unknown;
    refused.kind = 'F';
    for (const Line& line : {ack(3, 2, "a:1", 12), unknown, silent, read, refused}) {
        std::string text = to_text(line);
        REQUIRE(text.back() == '\n');
        text.pop_back();
        REQUIRE(parse_line(text).has_value());
        CHECK(*parse_line(text) == line);
    }
    CHECK_FALSE(parse_line("").has_value());
    CHECK_FALSE(parse_line("A 1 2 3").has_value());
    CHECK_FALSE(parse_line("nonsense").has_value());
}

TEST_CASE("a torn last line is left out, a torn line in the middle is an error") {
    const std::string path = "load_test." + std::to_string(getpid()) + ".log";
    std::ofstream(path) << to_text(mark('B', 1)) << to_text(ack(3, 2, "a:1", 1)) << "A 4 3 1";
    auto reader = LogReader::open(path);
    REQUIRE(reader.has_value());
    CHECK(reader.value().next().value()->kind == 'B');
    CHECK(reader.value().next().value()->kind == 'A');
    CHECK_FALSE(reader.value().next().value().has_value());
    std::ofstream(path) << "A 4 3 1\n" << to_text(mark('E', 1));
    auto torn = LogReader::open(path);
    CHECK(torn.value().next().has_error());
    std::remove(path.c_str());
}

TEST_CASE("who finds no server for long waits longer for each answer, up to a limit") {
    CHECK(patience(milliseconds(300), 0) == milliseconds(300));
    CHECK(patience(milliseconds(300), 16) == milliseconds(300));
    CHECK(patience(milliseconds(300), 17) == milliseconds(600));
    CHECK(patience(milliseconds(300), 20) == milliseconds(4800));
    CHECK(patience(milliseconds(300), 21) == milliseconds(5000));
    CHECK(patience(milliseconds(300), 1000) == milliseconds(5000));
}

TEST_CASE("a multi-host URI is taken apart host by host") {
    const auto hosts = hosts_of("postgresql://app@10.0.0.1:6001,10.0.0.2:6002/db?application_name=x", "read-write");
    REQUIRE(hosts.has_value());
    REQUIRE(hosts.value().size() == 2);
    CHECK(hosts.value()[1].name == "10.0.0.2:6002");
    CHECK(parameter(hosts.value()[1], "host") == "10.0.0.2");
    CHECK(parameter(hosts.value()[1], "port") == "6002");
    CHECK(parameter(hosts.value()[1], "dbname") == "db");
    CHECK(parameter(hosts.value()[0], "target_session_attrs") == "read-write");
    CHECK(parameter(hosts.value()[0], "options") == "-c synchronous_commit=on");
    // One port for all hosts, and none at all.
    CHECK(hosts_of("host=a,b port=7", "any").value()[1].name == "b:7");
    CHECK(hosts_of("host=a", "any").value()[0].name == "a:5432");
    CHECK(hosts_of("postgresql://a?nonsense=1", "any").has_error());
}
