// Reading PostgreSQL's version, and the end of its log.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>

#include "keeper/launcher/process.h"
#include "keeper/launcher/programs.h"
#include "keeper/launcher/server_log.h"

using namespace pgaf::launcher;

TEST_CASE("the version of the programs") {
    CHECK(parse_version("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n") == "15.13");
    CHECK(parse_version("postgres (PostgreSQL) 18beta1\n") == "18beta1");
    CHECK(parse_version("postgres (PostgreSQL) devel\n").empty());
    CHECK(parse_version("bash 5.2").empty());
    CHECK(major_of("15.13") == 15);
    CHECK(major_of("9.6.24") == 9);
    CHECK(major_of("18beta1") == 18);
    CHECK(major_of("") == 0);
    CHECK(major_of("x") == 0);
}

TEST_CASE("the last lines of a log") {
    using Lines = std::vector<std::string>;
    CHECK(last_lines_of("", 3, false).empty());
    CHECK(last_lines_of("a\nb\nc\nd\n", 2, false) == Lines{"c", "d"});
    CHECK(last_lines_of("art of a\nb\nc", 5, true) == Lines{"b", "c"});
    CHECK(last_lines_of("only a part", 5, true) == Lines{"only a part"});
}

TEST_CASE("PostgreSQL's variables of the launcher's own environment stay there") {
    ::setenv("PGPORT", "1", 1);
    ::setenv("PGAF_LAUNCHED_FOR", "/elsewhere", 1);
    ::setenv("PG_OOM_ADJUST_FILE", "/proc/self/oom_score_adj", 1);
    const auto environment = child_environment({"PGAF_LAUNCHED_FOR=/here", "PGPASSFILE=/p"});
    const auto count = [&](const std::string& entry) {
        return std::count(environment.begin(), environment.end(), entry);
    };
    CHECK(count("PGPORT=1") == 0);
    CHECK(count("PGAF_LAUNCHED_FOR=/elsewhere") == 0);
    CHECK(count("PGAF_LAUNCHED_FOR=/here") == 1);
    CHECK(count("PGPASSFILE=/p") == 1);
    CHECK(count("PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj") == 1);
}
