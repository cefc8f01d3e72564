// What the keeper makes of its configuration.
#include "keeper/options.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/support/live.h"
#include "tests/support/print.h"

namespace pgaf::keeper {
namespace {

config::Start start_with(const config::List& more) {
    const test::TempDir dir;
    const std::string secret = dir / "password";
    test::write_text(secret, "s3cret\n");
    REQUIRE(::chmod(secret.c_str(), 0600) == 0);
    config::List args{"run",    "--node", "n1",       "--monitor",  "127.0.0.1:5431",
                      "--host", "here",   "--pgdata", dir / "data", "--replication-password-file",
                      secret};
    args.insert(args.end(), more.begin(), more.end());
    return config::start(program(), args, {});
}

}  // namespace

TEST_CASE("keeper options: how long a write of the disk probe may take") {
    const auto plain = start_with({});
    CHECK(plain.err.empty());
    REQUIRE(plain.config);
    CHECK(options_from(*plain.config).postgres.disk_limit == Millis{5000});
    CHECK(PostgresConfig{}.disk_limit == Millis{5000});
    for (const char* allowed : {"3000", "600000"}) {
        const auto start = start_with({"--disk-timeout-ms", allowed});
        REQUIRE(start.config);
        CHECK(options_from(*start.config).postgres.disk_limit == Millis{std::atoll(allowed)});
    }
    for (const char* refused : {"2999", "600001", "0"}) {
        const auto start = start_with({"--disk-timeout-ms", refused});
        CHECK_FALSE(start.config);
        CHECK(start.exit_code == 2);
        CHECK_THAT(start.err, Catch::Contains("disk_timeout_ms") && Catch::Contains("3000") &&
                                  Catch::Contains("600000") && Catch::Contains(refused));
    }
}

TEST_CASE("keeper options: tags of the node, and how often PostgreSQL is asked for its figures") {
    const auto plain = start_with({});
    REQUIRE(plain.config);
    CHECK(options_from(*plain.config).tags.empty());
    CHECK(options_from(*plain.config).stats_interval == Millis{10'000});
    const auto given = start_with({"--tags", "zone=b", "--tags", "noloadbalance=true", "--stats-interval-ms", "1000"});
    INFO(given.err);
    REQUIRE(given.config);
    CHECK(options_from(*given.config).tags ==
          std::map<std::string, std::string>{{"zone", "b"}, {"noloadbalance", "true"}});
    CHECK(options_from(*given.config).stats_interval == Millis{1000});
    for (const char* refused : {"999", "600001"}) {
        const auto start = start_with({"--stats-interval-ms", refused});
        CHECK_FALSE(start.config);
        CHECK_THAT(start.err, Catch::Contains("stats_interval_ms") && Catch::Contains(refused));
    }
}

}  // namespace pgaf::keeper
