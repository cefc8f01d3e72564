// Timeline history files and the way through the timelines.
#include <catch2/catch.hpp>

#include "keeper/postgres/history.h"
#include "keeper/postgres/promote.h"
#include "tests/support/live.h"
#include "tests/support/print.h"

namespace pgaf::keeper {
namespace {

Lsn at(const std::string& text) {
    return Lsn::parse(text).value();
}

}  // namespace

TEST_CASE("names of history files") {
    CHECK(history_file_name(Timeline{0x1F}) == "0000001F.history");
    CHECK(timeline_of_history_file("0000001F.history") == Timeline{0x1F});
    for (const char* other :
         {"0000001F", "0000001F.history.new", "000000010000000000000001", "xyz.history", "0000001G.history"})
        CHECK(timeline_of_history_file(other) == Timeline{});
}

TEST_CASE("a history file is read as PostgreSQL writes it") {
    const auto forks =
        parse_history("1\t0/3000148\tno recovery target specified\n\n# comment\n2\t0/40001A8\tbefore 2000\n");
    REQUIRE(forks);
    REQUIRE(forks->size() == 2);
    CHECK((*forks)[0] == TimelineFork{Timeline{1}, at("0/3000148")});
    CHECK((*forks)[1] == TimelineFork{Timeline{2}, at("0/40001A8")});
    CHECK(parse_history("")->empty());
    CHECK_FALSE(parse_history("1 nonsense\n"));
    CHECK_FALSE(parse_history("x 0/1\n"));
    CHECK_FALSE(parse_history("0\t0/1\n"));
    CHECK_FALSE(parse_history("2\t0/1\n1\t0/2\n"));
}

TEST_CASE("the way to the newest timeline that a place is part of") {
    const std::map<Timeline, std::vector<TimelineFork>> histories = {
        {Timeline{2}, {{Timeline{1}, at("0/3000000")}}},
        {Timeline{5}, {{Timeline{1}, at("0/3000000")}, {Timeline{2}, at("0/5000000")}}}};
    const auto legs = newest_way(histories, Timeline{1}, at("0/2000000"));
    REQUIRE(legs.size() == 3);
    CHECK(legs[2].timeline == Timeline{5});
    CHECK(legs[2].begin == at("0/5000000"));
    CHECK(legs[1].begin == at("0/3000000"));
    // Past the fork of its timeline: no newer one goes on from there.
    const auto beyond = newest_way(histories, Timeline{2}, at("0/6000000"));
    REQUIRE(beyond.size() == 2);
    CHECK(beyond.back().timeline == Timeline{2});
    CHECK(newest_way(histories, Timeline{3}, at("0/1000000")).size() == 1);
}

TEST_CASE("ids between are taken by placeholders, which are no history (R5)") {
    const test::TempDir dir;
    test::write_text(dir / "00000002.history", "1\t0/3000000\tx\n");
    REQUIRE(reserve_timelines(dir.path(), Timeline{2}, Timeline{5}));
    auto taken = placeholders(dir.path());
    std::sort(taken.begin(), taken.end());
    CHECK(taken == std::vector<Timeline>{Timeline{3}, Timeline{4}});
    CHECK(read_histories(dir.path())->size() == 1);
    CHECK_FALSE(reserve_timelines(dir.path(), Timeline{5}, Timeline{5}));
    test::write_text(dir / "00000006.history", "5\t0/3000000\tx\n");
    CHECK(reserve_timelines(dir.path(), Timeline{2}, Timeline{6}).error().message.find("exists") != std::string::npos);
    test::write_text(dir / "00000007.history", "damaged\n");
    CHECK_FALSE(read_histories(dir.path()));
}

}  // namespace pgaf::keeper
