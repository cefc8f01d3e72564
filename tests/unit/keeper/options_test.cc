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

/// As in a container: no file, everything in the environment.
config::Start start_in(config::Environment more) {
    config::Environment all{{"PGAF_KEEPER_NODE", "n1"},
                            {"PGAF_KEEPER_MONITOR", "127.0.0.1:5431"},
                            {"PGAF_KEEPER_HOST", "here"},
                            {"PGAF_KEEPER_PGDATA", "/srv/data"}};
    all.merge(more);
    return config::start(program(), {"run"}, all);
}

}  // namespace

TEST_CASE("keeper options: passwords come from the environment, never from flags") {
    const auto start = start_in({{"PGAF_KEEPER_REPLICATION_PASSWORD", "s3cret"},
                                 {"PGAF_KEEPER_SUPERUSER_PASSWORD", "t0p"},
                                 {"PGAF_KEEPER_HBA", "host all all 10.0.0.0/8 scram-sha-256; local all all peer"},
                                 {"PGAF_KEEPER_PEER_NETWORKS", "172.28.0.8/29,fd00::/64"}});
    CHECK(start.err.empty());
    REQUIRE(start.config);
    const PostgresConfig postgres = options_from(*start.config).postgres;
    CHECK(postgres.replication_password == "s3cret");
    CHECK(postgres.superuser_password == "t0p");
    CHECK(postgres.hba == std::vector<std::string>{"host all all 10.0.0.0/8 scram-sha-256", "local all all peer"});
    CHECK(postgres.peer_networks == std::vector<std::string>{"172.28.0.8/29", "fd00::/64"});

    const auto none = start_in({});
    CHECK(none.exit_code == 2);
    CHECK_THAT(none.err, Catch::Contains("replication_password_file"));
    const auto flag = start_with({"--replication-password", "s3cret"});
    CHECK(flag.exit_code == 2);
    const auto twice = start_with({"--superuser-password-file", "/nowhere/secret"});
    CHECK(twice.exit_code == 2);
    CHECK_THAT(twice.err, Catch::Contains("/nowhere/secret"));
    const auto network = start_in({{"PGAF_KEEPER_REPLICATION_PASSWORD", "x"}, {"PGAF_KEEPER_PEER_NETWORKS", "pods"}});
    CHECK(network.exit_code == 2);
    CHECK_THAT(network.err, Catch::Contains("peer_networks"));
}

TEST_CASE("keeper options: noloadbalance is yes or no in the words that hold") {
    for (const char* word : {"true", "false"})
        CHECK(start_with({"--tags", std::string("noloadbalance=") + word + ",zone=b"}).config);
    const test::TempDir dir;
    test::write_text(dir / "keeper.toml", "[tags]\nnoloadbalance = true\nssd = false\n[parameters]\njit = false\n");
    const auto in_file = start_with({"--config", dir / "keeper.toml"});
    REQUIRE(in_file.config);
    const Options options = options_from(*in_file.config);
    CHECK(options.tags == std::map<std::string, std::string>{{"noloadbalance", "true"}, {"ssd", "false"}});
    CHECK(options.postgres.parameters.at("jit") == "off");
    for (const char* word : {"yes", "True", "1"}) {
        const auto start = start_with({"--tags", std::string("noloadbalance=") + word});
        CHECK(start.exit_code == 2);
        CHECK_THAT(start.err, Catch::Contains("noloadbalance") && Catch::Contains("true or false"));
    }
}

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

TEST_CASE("keeper options: what pg_hba.conf can't hold is named with its place") {
    const auto start = start_with({"--hba", "nonsense", "--peer-networks", "pods"});
    CHECK_FALSE(start.config);
    CHECK_THAT(start.err, Catch::Contains("--hba: hba: 'nonsense' is no line of pg_hba.conf") &&
                              Catch::Contains("--peer-networks: peer_networks: 'pods' is no network"));
}

TEST_CASE("keeper options: an address to listen on is one") {
    const auto start = start_with({"--http-listen", "*:8008"});
    CHECK_FALSE(start.config);
    CHECK_THAT(start.err, Catch::Contains("http_listen: '*:8008' is no address") && Catch::Contains("0.0.0.0:PORT"));
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
    for (const char* refused : {"999", "30001"}) {
        const auto start = start_with({"--stats-interval-ms", refused});
        CHECK_FALSE(start.config);
        CHECK_THAT(start.err, Catch::Contains("stats_interval_ms") && Catch::Contains(refused));
    }
}

}  // namespace pgaf::keeper
