// One happening, one line, whatever the texts hold.
#include "common/log.h"

#include <unistd.h>

#include <catch2/catch.hpp>

namespace pgaf {
namespace {

/// What the program writes to standard error while `run` runs.
template <class F>
std::string standard_error_of(F run) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const int saved = ::dup(2);
    REQUIRE(::dup2(ends[1], 2) == 2);
    run();
    REQUIRE(::dup2(saved, 2) == 2);
    ::close(ends[1]);
    ::close(saved);
    std::string text(65536, '\0');
    const auto n = ::read(ends[0], text.data(), text.size());
    ::close(ends[0]);
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return text;
}

TEST_CASE("A line holds the event, the bound fields, its own fields and the message") {
    const auto line = format_log_line("goal_received", " cluster=default",
                                      {{"epoch", Epoch{7}}, {"ok", true}, {"lag_ms", -3}}, "follows node2");
    CHECK(line == "event=goal_received cluster=default epoch=7 ok=true lag_ms=-3 msg=\"follows node2\"");
}

TEST_CASE("Values that could be read wrongly are quoted, and no text can begin a new line") {
    CHECK(format_log_line("e", "", {{"a", ""}, {"b", "x=y"}, {"c", "say \"hi\"\\"}}, "m") ==
          "event=e a=\"\" b=\"x=y\" c=\"say \\\"hi\\\"\\\\\" msg=m");
    CHECK(format_log_line("e", "", {}, "one\ntwo\tthree\r\x1b[31m") ==
          "event=e msg=\"one\\ntwo\\tthree\\x0d\\x1b[31m\"");
}

TEST_CASE("A value is cut at 4096 bytes") {
    const auto line = format_log_line("e", "", {{"a", std::string(5000, 'x')}}, "m");
    CHECK(line == "event=e a=" + std::string(4096, 'x') + "... msg=m");
}

TEST_CASE("Lines go to standard error, from the level on") {
    const auto text = standard_error_of([] {
        set_log_level(LogLevel::warning);
        const Log log = Log{}.with({{"cluster", ClusterName{"default"}}}).with({{"node", NodeName{"node1"}}});
        log.info("quiet", "not written");
        log.warning("loud", "written {0} %v");
    });
    CHECK_THAT(text,
               Catch::Matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z warning event=loud cluster=default "
                              "node=node1 msg=\"written \\{0\\} %v\"\n"));
    CHECK(logs(LogLevel::error));
    CHECK_FALSE(logs(LogLevel::info));
}

TEST_CASE("Levels by their words") {
    CHECK(log_level_from_word("warning") == LogLevel::warning);
    CHECK(log_level_from_word("off") == LogLevel::off);
    CHECK_FALSE(log_level_from_word("WARNING"));
}

}  // namespace
}  // namespace pgaf
