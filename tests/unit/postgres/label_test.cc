// Where recovery of a copied folder begins: backup_label, as pg_basebackup and pg_rewind write it.
#include <catch2/catch.hpp>

#include "keeper/postgres/control_file.h"

using namespace pgaf;
using namespace pgaf::keeper;

TEST_CASE("backup_label of a base backup") {
    const auto label = parse_backup_label(
        "START WAL LOCATION: 0/7000028 (file 000000060000000000000007)\nCHECKPOINT LOCATION: 0/7000080\n"
        "BACKUP METHOD: streamed\nBACKUP FROM: primary\nSTART TIME: 2026-01-01 00:00:00 UTC\nLABEL: x\nSTART TIMELINE: "
        "6\n");
    REQUIRE(label.has_value());
    CHECK(label->timeline == Timeline{6});
    CHECK(label->checkpoint == Lsn{0x7000080});
}

TEST_CASE("backup_label of pg_rewind has no timeline of its own") {
    const auto label = parse_backup_label(
        "START WAL LOCATION: 1/20000D8 (file 0000000A0000000100000002)\nCHECKPOINT LOCATION: 1/2000110\n"
        "BACKUP METHOD: pg_rewind\nBACKUP FROM: standby\nSTART TIME: 2026-01-01 00:00:00 UTC\n");
    REQUIRE(label.has_value());
    CHECK(label->timeline == Timeline{10});
    CHECK(label->checkpoint == Lsn{(std::uint64_t{1} << 32) + 0x2000110});
}

TEST_CASE("what is no backup_label is an error, not a beginning") {
    for (const char* text :
         {"", "CHECKPOINT LOCATION: 0/7000080\n", "START WAL LOCATION: 0/7000028 (file 0000000",
          "START WAL LOCATION: 0/7000028 (file 000000060000000000000007)\nCHECKPOINT LOCATION: x\n",
          "START WAL LOCATION: 0/7000028 (file 000000000000000000000007)\nCHECKPOINT LOCATION: 0/1\n"})
        CHECK(parse_backup_label(text).has_error());
}
