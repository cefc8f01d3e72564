// Small files that are whole or not there, and the data folder's marks.
#include <catch2/catch.hpp>
#include <filesystem>

#include "keeper/postgres/data_dir.h"
#include "keeper/postgres/disk_probe.h"
#include "keeper/postgres/files.h"
#include "tests/support/live.h"
#include "tests/support/print.h"

namespace pgaf::keeper {
namespace {

struct Folder {
    Folder() {
        config.cluster = ClusterName{"default"};
        config.node = NodeName{"node1"};
        config.data_dir = dir / "data";
        config.state_dir = dir / "state";
        std::filesystem::create_directories(config.data_dir + "/pg_wal");
        std::filesystem::create_directories(config.state_dir);
        test::write_text(config.data_dir + "/PG_VERSION", "15\n");
    }
    test::TempDir dir;
    PostgresConfig config;
    DataDir data{config};
};

}  // namespace

TEST_CASE("a file is replaced as a whole, with its mode, and errors name it") {
    const test::TempDir dir;
    REQUIRE(write_file(dir / "a", "one"));
    REQUIRE(write_file(dir / "a", "two", 0640));
    CHECK(*read_file(dir / "a") == "two");
    CHECK((std::filesystem::status(dir / "a").permissions() & std::filesystem::perms::mask) ==
          std::filesystem::perms(0640));
    CHECK(list_folder(dir.path()).size() == 1);
    CHECK(write_file(dir / "no/a", "x").error().message.find(dir / "no/a") != std::string::npos);
    CHECK_FALSE(read_file(dir / "b"));
    REQUIRE(remove_file(dir / "a"));
    REQUIRE(remove_file(dir / "a"));
    CHECK_FALSE(file_exists(dir / "a"));
    CHECK(file_error("writing", "/x", ENOSPC).message.find("free some space") != std::string::npos);
    test::write_text(dir / "big", std::string(5 << 20, 'x'));
    CHECK_FALSE(read_file(dir / "big"));
    REQUIRE(make_folder(dir / "p/q/r"));
    REQUIRE(empty_folder(dir.path()));
    CHECK(list_folder(dir.path()).empty());
}

TEST_CASE("what can't be read is not absent: a folder keeps its identity (R2)") {
    Folder f;
    REQUIRE(f.data.write_incarnation(IncarnationId{"abc"}));
    CHECK(f.data.readable());
    // A folder in a file's place can't be read, not even by root.
    const std::string file = GENERATE("PG_VERSION", "pgaf.incarnation");
    std::filesystem::remove(f.data.path(file));
    CHECK(f.data.readable());
    std::filesystem::create_directory(f.data.path(file));
    const auto readable = f.data.readable();
    REQUIRE_FALSE(readable);
    CHECK_THAT(readable.error().message, Catch::Contains(f.data.path(file)));
}

TEST_CASE("a half-made folder is marked outside of it, and the mark outlives its contents") {
    Folder f;
    CHECK_FALSE(f.data.rebuilding());
    REQUIRE(f.data.begin_rebuild("a test"));
    REQUIRE(empty_folder(f.config.data_dir));
    CHECK(f.data.rebuilding());
    CHECK(f.data.version() == 0);
    CHECK_FALSE(f.data.has_content());
    REQUIRE(f.data.end_rebuild());
    CHECK_FALSE(f.data.rebuilding());
}

TEST_CASE("what the disk probe leaves in a folder is nobody's content") {
    Folder f;
    REQUIRE(empty_folder(f.config.data_dir));
    REQUIRE(write_probe(f.config.data_dir).empty());
    test::write_text(f.data.path("pgaf_disk_probe"), "under way");
    REQUIRE(list_folder(f.config.data_dir).size() == 2);
    CHECK_FALSE(f.data.has_content());
    test::write_text(f.data.path("pgaf_disk_probe.mine"), "");
    CHECK(f.data.has_content());
}

TEST_CASE("identity, signals and settings of a folder") {
    Folder f;
    CHECK(f.data.version() == 15);
    CHECK(f.data.incarnation().empty());
    REQUIRE(f.data.write_incarnation(IncarnationId{"00000000000000aa"}));
    CHECK(f.data.incarnation() == IncarnationId{"00000000000000aa"});
    test::write_text(f.data.path("recovery.signal"), "");
    REQUIRE(f.data.set_standby(true));
    CHECK(f.data.is_standby());
    CHECK_FALSE(file_exists(f.data.path("recovery.signal")));
    REQUIRE(f.data.set_standby(false));
    CHECK_FALSE(f.data.is_standby());

    test::write_text(f.data.path("postgresql.conf"), "port = 1\n");
    test::write_text(f.data.path("postgresql.auto.conf"), "fsync = 'off'\nwork_mem = '4MB'\n");
    CHECK(f.data.overridden_settings() == std::vector<std::string>{"fsync"});
    std::vector<std::string> overridden;
    Variable variable;
    variable.standby_names = "ANY 1 (\"x\")";
    REQUIRE(f.data.write_settings(variable, Write::durable, &overridden));
    CHECK(overridden == std::vector<std::string>{"fsync"});
    CHECK(*read_file(f.data.path("postgresql.auto.conf")) == "work_mem = '4MB'\n");
    CHECK(*read_file(f.data.path("postgresql.conf")) == "port = 1\ninclude 'pgaf.conf'\n");
    CHECK(f.data.settings() == variable);
}

TEST_CASE("placeholders beyond the newest timeline of a folder go before a start; tablespaces are refused") {
    Folder f;
    for (const char* name : {"00000002.history", "00000003.history"})
        test::write_text(f.data.wal_dir() + "/" + name, "");
    test::write_text(f.data.wal_dir() + "/00000004.history", "1\t0/3000000\tx\n");
    // Recovery looks for the ids one after the other, and standbys fetch each: those below a timeline that this
    // folder's WAL leads to stay, however old the last checkpoint is.
    REQUIRE(f.data.remove_placeholders_beyond(Timeline{1}, Lsn{0x2000000}));
    CHECK(file_exists(f.data.wal_dir() + "/00000003.history"));
    // One that is on timeline 2 is not on the way to it.
    REQUIRE(f.data.remove_placeholders_beyond(Timeline{2}, Lsn{0x2000000}));
    CHECK(file_exists(f.data.wal_dir() + "/00000002.history"));
    CHECK_FALSE(file_exists(f.data.wal_dir() + "/00000003.history"));
    CHECK(file_exists(f.data.wal_dir() + "/00000004.history"));
    CHECK(f.data.refuse_tablespaces());
    std::filesystem::create_directories(f.data.path("pg_tblspc/16384"));
    CHECK_FALSE(f.data.refuse_tablespaces());
}

TEST_CASE("what a restarted keeper remembers of its peers; a damaged memory is none") {
    Folder f;
    CHECK(f.data.remembered_layout() == Layout{});
    const Layout layout{ClusterName{"default"},
                        NodeName{"node1"},
                        IncarnationId{"00000000000000aa"},
                        {{NodeName{"node2"}, IncarnationId{"00000000000000bb"}, "10.0.0.2", 5432}}};
    REQUIRE(f.data.remember_layout(layout));
    CHECK(f.data.remembered_layout() == layout);
    test::write_text(f.config.state_dir + "/layout.json", "{\"peers\": 7");
    CHECK(f.data.remembered_layout() == Layout{});
    test::write_text(f.config.state_dir + "/layout.json", "{\"peers\": 7}");
    CHECK(f.data.remembered_layout() == Layout{});
}

}  // namespace pgaf::keeper
