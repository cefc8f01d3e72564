// Who is a member by name, who only says so; words and numbers of programs.
#include <catch2/catch.hpp>

#include "keeper/postgres/facts_reader.h"
#include "keeper/postgres/rebuild.h"
#include "keeper/postgres/server_status.h"
#include "keeper/postgres/server_view.h"
#include "tests/support/live.h"
#include "tests/support/print.h"

namespace pgaf::keeper {
namespace {

const ClusterName cluster{"default"};

WalsenderRow row_of(const std::string& application, const std::string& user, const std::string& slot) {
    WalsenderRow row;
    row.application = application;
    row.user = user;
    row.slot = slot;
    row.state = "streaming";
    return row;
}

}  // namespace

TEST_CASE("a member's name has cluster, node and incarnation, whatever its case") {
    const auto member = parse_member_name("PGAF_default_node-2_00000000000000bb", cluster);
    REQUIRE(member);
    CHECK(member->node == NodeName{"node-2"});
    CHECK(member->incarnation == IncarnationId{"00000000000000bb"});
    for (const char* other :
         {"", "walreceiver", "pgaf_default_", "pgaf_other_node2_00000000000000bb", "pgaf_default_node2_00000000000000b",
          "pgaf_default__00000000000000bb", "pgaf_default_-_00000000000000bb", "pgaf copy for node2"})
        CHECK_FALSE(parse_member_name(other, cluster));
    CHECK(parse_member_name(application_name(cluster, NodeName{"a"}, IncarnationId{random_id()}), cluster));
}

TEST_CASE("a member is told from who bears its name by slot and user (R14)") {
    const std::string name = "pgaf_default_node2_00000000000000bb";
    CHECK_FALSE(is_impostor(row_of(name, "pgaf_replicator", "pgaf_node2"), cluster));
    CHECK(is_impostor(row_of(name, "pgaf_replicator", ""), cluster));
    CHECK(is_impostor(row_of(name, "pgaf_replicator", "pgaf_node3"), cluster));
    CHECK(is_impostor(row_of(name, "postgres", "pgaf_node2"), cluster));
    CHECK_FALSE(is_impostor(row_of("pg_receivewal", "postgres", ""), cluster));
    WalsenderRow connecting = row_of(name, "pgaf_replicator", "");
    connecting.state = "startup";
    CHECK_FALSE(is_impostor(connecting, cluster));
}

TEST_CASE("version numbers and percentages") {
    CHECK(version_number("15.13") == 150013);
    CHECK(version_number("18beta1") == 180000);
    CHECK(version_number("") == 0);
    CHECK(percent_of("  12345/23456 kB (52%), 0/1 tablespace") == 52);
    CHECK(percent_of("100%") == 100);
    CHECK(percent_of("no sign") == -1);
    CHECK(percent_of("%") == -1);
    CHECK(percent_of("(101%)") == -1);
}

TEST_CASE("the postmaster's word is read from its pid file") {
    const test::TempDir dir;
    CHECK(postmaster_word(dir.path()).empty());
    test::write_text(dir / "postmaster.pid", "12\n/data\n1700000000\n5432\n/tmp\n*\n  1 2\nready   \n");
    CHECK(postmaster_word(dir.path()) == "ready");
    test::write_text(dir / "postmaster.pid", "12\n/data\n");
    CHECK(postmaster_word(dir.path()).empty());
}

TEST_CASE("refused connections say what to do") {
    CHECK(explain_connection(error("x"), "53300").find("max_connections") != std::string::npos);
    CHECK(explain_connection(error("x"), "28000").find("superuser") != std::string::npos);
    CHECK(explain_connection(error("x"), "") == "x");
}

TEST_CASE("minor versions with the start-up race of the sync flag are told") {
    for (const std::uint32_t old : {130020, 140000, 150012, 160008, 170004}) {
        INFO(old);
        CHECK(version_warning(old).find("PostgreSQL " + std::to_string(old / 10000) + ".") == 0);
    }
    CHECK(version_warning(150012).find("update it to 15.13 or later") != std::string::npos);
    for (const std::uint32_t sound : {130021, 140018, 150013, 150020, 160009, 170005, 180000, 0}) {
        INFO(sound);
        CHECK(version_warning(sound).empty());
    }
}

}  // namespace pgaf::keeper
