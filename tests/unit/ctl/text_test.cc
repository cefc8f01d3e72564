// Sizes, ages, times, tables and YAML.
#include "ctl/text.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "ctl/yaml.h"

namespace pgaf::ctl {
namespace {

using Json = nlohmann::ordered_json;

TEST_CASE("Sizes") {
    CHECK(bytes_text(0) == "0 B");
    CHECK(bytes_text(1023) == "1023 B");
    CHECK(bytes_text(1024) == "1.0 kB");
    CHECK(bytes_text(1536) == "1.5 kB");
    CHECK(bytes_text(16777216) == "16 MB");
    CHECK(bytes_text(1024ULL * 1024 * 1024 - 1) == "1.0 GB");
    CHECK(bytes_text(~0ULL) == "16 EB");
}

TEST_CASE("Ages") {
    CHECK(age_text(0) == "0.0s");
    CHECK(age_text(240) == "0.2s");
    CHECK(age_text(9949) == "9.9s");
    CHECK(age_text(15400) == "15s");
    CHECK(age_text(200'000) == "3m");
    CHECK(age_text(7'200'000) == "2h");
    CHECK(age_text(3 * 86'400'000LL) == "3d");
    CHECK(measured_text(134) == "0.13 s");
}

TEST_CASE("Durations and times as people type them") {
    CHECK(parse_duration_ms("30") == 30'000);
    CHECK(parse_duration_ms("1.5s") == 1500);
    CHECK(parse_duration_ms("500ms") == 500);
    CHECK(parse_duration_ms("10m") == 600'000);
    CHECK(parse_duration_ms("2h") == 7'200'000);
    CHECK(parse_duration_ms("1d") == 86'400'000);
    for (const auto* bad : {"", "s", "-1", "1w", "1e99", "nan", "1 s"}) CHECK(parse_duration_ms(bad) == -1);

    ::setenv("TZ", "UTC", 1);
    CHECK(parse_since("10m", 1'000'000) == 400'000);
    CHECK(parse_since("1d", 1'000'000) == 0);
    CHECK(parse_since("2026-01-31T12:00:00Z", 0) == 1769860800000);
    CHECK(parse_since("2026-01-31 12:00:00", 0) == 1769860800000);
    CHECK(parse_since("2026-01-31", 0) == 1769817600000);
    for (const auto* bad : {"yesterday", "2026-01-31T12", "2026-01-31T12:00:00+1", ""})
        CHECK(parse_since(bad, 0) == -1);
}

TEST_CASE("Tables: widths by characters, colours without width, nothing at the ends of lines") {
    CHECK(table({{"A", "B"}, {"größer", "x"}, {"y", ""}}, false) == "A       B\ngrößer  x\ny\n");
    CHECK(table({{"A", {"B", Colour::red}, "C"}}, true, {3}) == "A    \x1b[31mB\x1b[0m  C\n");
    CHECK(table({{"a\nb\x1b[2J"}}, false) == "a b [2J\n");
}

TEST_CASE("YAML: what could be read as something else is quoted") {
    const auto yaml = to_yaml(Json{{"plain", "node1"},
                                   {"words", {"yes", "No", "null", "on", "true"}},
                                   {"number-like", "123"},
                                   {"colon", "a: b"},
                                   {"hash", "a #b"},
                                   {"blank", "a "},
                                   {"empty", ""},
                                   {"lines", "a\nb\"c"},
                                   {"none", nullptr},
                                   {"flag", false},
                                   {"count", 3}});
    CHECK(yaml ==
          "plain: node1\nwords:\n  - \"yes\"\n  - \"No\"\n  - \"null\"\n  - \"on\"\n  - \"true\"\n"
          "number-like: \"123\"\ncolon: \"a: b\"\nhash: \"a #b\"\nblank: \"a \"\nempty: \"\"\nlines: \"a\\nb\\\"c\"\n"
          "none: null\nflag: false\ncount: 3\n");
}

TEST_CASE("YAML: structures in structures, and empty ones") {
    const auto yaml = to_yaml(Json{{"list", {{{"a", 1}, {"b", {{"c", 2}}}}, Json::array(), {1, 2}}},
                                   {"nothing", Json::array()},
                                   {"void", Json::object()}});
    CHECK(yaml == "list:\n  - a: 1\n    b:\n      c: 2\n  - []\n  - - 1\n    - 2\nnothing: []\nvoid: {}\n");
}

}  // namespace
}  // namespace pgaf::ctl
