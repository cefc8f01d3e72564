// R11: a store that was put back, replaced or lost knows it by the file beside it. R10: a monitor that was replaced.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>

#include <sys/wait.h>

#include "monitor/store/life_file.h"
#include "monitor/store/sqlite_db.h"
#include "monitor/store/sqlite_store.h"
#include "tests/unit/store/support.h"

using namespace pgaf;
using namespace pgaf::monitor;
using test::a_record;
using test::must;

namespace {

struct Place {
    test::TemporaryFolder folder;
    std::string path = folder.file("monitor.db");
    std::string life = path + ".life";
    std::string backup = folder.file("backup.db");

    /// A run of a monitor that saves so often, and ends in order. What it doubted.
    std::string run(int saves) const {
        auto store = must(open_sqlite_store({path}));
        std::string doubt = store->doubt();
        must(store->begin_term(MonitorId{"m"}));
        for (int i = 0; i < saves; ++i) must(store->save(a_record("one"), {}, 1));
        return doubt;
    }
    [[nodiscard]] std::string doubt() const { return must(open_sqlite_store({path}))->doubt(); }
    [[nodiscard]] StoreLife beside() const { return must(LifeFile::open(life)).read().value(); }
    void back_up() const { copy(path, backup); }
    void restore() const { copy(backup, path); }
    static void copy(const std::string& from, const std::string& to) {
        std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
    }
};

}  // namespace

TEST_CASE("a store that goes on is not doubted, nor is a new one") {
    const Place place;
    CHECK(place.run(0).empty());
    CHECK(place.run(3).empty());
    CHECK(place.beside().commits == 3);
    CHECK(place.run(1).empty());
    CHECK(place.beside().commits == 4);
    CHECK(place.beside().term == Term{3});
    // With the file gone too, nobody can tell it from a new one: its keepers will.
    std::filesystem::remove(place.path);
    std::filesystem::remove(place.life);
    CHECK(place.run(1).empty());
}

TEST_CASE("after the process was killed the file is as far as the store") {
    const Place place;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        place.run(2);
        auto store = must(open_sqlite_store({place.path}));
        must(store->begin_term(MonitorId{"m"}));
        must(store->save(a_record("one"), {}, 1));
        ::raise(SIGKILL);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WTERMSIG(status) == SIGKILL);
    CHECK(place.beside().commits == 3);
    CHECK(place.doubt().empty());
}

TEST_CASE("a store that was put back is doubted, until its record has been settled") {
    const Place place;
    place.run(2);
    place.back_up();
    place.run(1);
    place.restore();
    CHECK_THAT(place.run(0), Catch::Contains("the store was put back: it ends with commit 2, and there were 3"));
    // From now on the record itself says so; the file fits the store again.
    auto store = must(open_sqlite_store({place.path}));
    CHECK_THAT(must(store->load()).front().doubt, Catch::Contains("put back"));
    CHECK_THAT(store->doubt(), Catch::Contains("put back"));
    CHECK(must(store->begin_term(MonitorId{"m2"})) == Term{4});
    must(store->save(a_record("one"), {}, 1));
    CHECK(store->doubt().empty());
    store.reset();
    CHECK(place.run(1).empty());
}

TEST_CASE("a backup of the same run of the monitor is doubted as well, and so is the newer store after it") {
    const Place place;
    const std::string newer = place.folder.file("newer.db");
    {
        auto store = must(open_sqlite_store({place.path}));
        must(store->begin_term(MonitorId{"m"}));
        must(store->save(a_record("one"), {}, 1));
        auto db = must(Database::open(place.path));
        must(db->execute("VACUUM INTO '" + place.backup + "'"));
        must(store->save(a_record("one"), {}, 1));
    }
    Place::copy(place.path, newer);
    place.restore();
    CHECK_THAT(place.run(0), Catch::Contains("it ends with commit 1, and there were 2"));
    Place::copy(newer, place.path);
    CHECK_THAT(place.run(0), Catch::Contains("another one"));
}

TEST_CASE("a store that is lost, and a file that is lost or damaged, are doubted") {
    const Place place;
    place.run(2);
    SECTION("the store is gone") {
        std::filesystem::remove(place.path);
        CHECK_THAT(place.run(0), Catch::Contains("the store is empty, and there was another one before"));
        CHECK_THAT(place.run(0), Catch::Contains("the store is empty"));
        CHECK(place.beside().term > Term{1});
    }
    SECTION("the file is gone") {
        std::filesystem::remove(place.life);
        CHECK_THAT(place.run(0), Catch::Contains("is missing"));
        CHECK_THAT(must(must(open_sqlite_store({place.path}))->load()).front().doubt, Catch::Contains("is missing"));
    }
    SECTION("the file is damaged") {
        std::fstream file(place.life, std::ios::in | std::ios::out);
        file.seekp(60);
        file << 'x';
        file.close();
        CHECK_THAT(place.run(0), Catch::Contains("is damaged"));
    }
}

TEST_CASE("a file that names the last term that there can be is refused, and nothing begins anew with term 0") {
    const Place place;
    place.run(1);
    StoreLife life = place.beside();
    life.term = Term{std::numeric_limits<std::uint64_t>::max()};
    must(must(LifeFile::open(place.life)).note(life));
    const auto begun = must(open_sqlite_store({place.path}))->begin_term(MonitorId{"m"});
    REQUIRE(begun.has_error());
    CHECK_THAT(begun.error().message,
               Catch::Contains("no term comes after 18446744073709551615") && Catch::Contains(place.life + " knows"));
}

TEST_CASE("the term that a record was rebuilt under is the process's, and the next one is higher") {
    const Place place;
    auto store = must(open_sqlite_store({place.path}));
    must(store->begin_term(MonitorId{"m"}));
    auto record = a_record("one");
    record.term = Term{9};
    must(store->save(record, {}, 1));
    must(store->save(a_record("two"), {}, 1));
    must(store->still_leads());
    store.reset();
    CHECK(must(must(open_sqlite_store({place.path}))->begin_term(MonitorId{"m2"})) == Term{10});
}

TEST_CASE("a monitor whose store another one has taken, or whose file was replaced, leads no more (R10)") {
    const Place place;
    auto store = must(open_sqlite_store({place.path}));
    CHECK(store->still_leads().has_error());  // no term begun
    must(store->begin_term(MonitorId{"m1"}));
    must(store->still_leads());
    std::filesystem::remove(place.path + ".lock");
    SECTION("another one has begun a term") {
        auto other = must(open_sqlite_store({place.path}));
        must(other->begin_term(MonitorId{"m2"}));
        must(other->still_leads());
        CHECK_THAT(store->still_leads().error().message, Catch::Contains("another monitor has begun term 2"));
    }
    SECTION("another file lies in its place") {
        std::filesystem::rename(place.path, place.path + ".moved");
        auto other = must(open_sqlite_store({place.path}));
        must(other->begin_term(MonitorId{"m2"}));
        CHECK_THAT(store->still_leads().error().message, Catch::Contains("removed or replaced"));
        CHECK(store->save(a_record("one"), {}, 1).has_error());
    }
}

TEST_CASE("a store of the first schema is taken over as it is") {
    const Place place;
    {
        auto db = must(Database::open(place.path));
        must(db->execute(
            "CREATE TABLE monitor (only INTEGER PRIMARY KEY CHECK (only = 1), term INTEGER NOT NULL, id TEXT NOT NULL);"
            "INSERT INTO monitor VALUES (1, 4, 'm');"
            "CREATE TABLE clusters (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;"
            "INSERT INTO clusters VALUES ('one', '{\"name\": \"one\", \"epoch\": 7}');"
            "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, unix_ms INTEGER NOT NULL, cluster TEXT NOT "
            "NULL,"
            " epoch INTEGER NOT NULL, node TEXT NOT NULL, kind TEXT NOT NULL, rule TEXT NOT NULL,"
            " message TEXT NOT NULL, evidence TEXT NOT NULL);"
            "PRAGMA application_id = 1885823334; PRAGMA user_version = 1;"));
    }
    auto store = must(open_sqlite_store({place.path}));
    CHECK(store->doubt().empty());
    CHECK(must(store->begin_term(MonitorId{"m2"})) == Term{5});
    CHECK(must(store->load()).front().doubt.empty());
    must(store->save(a_record("one"), {}, 1));
    store.reset();
    CHECK(place.run(1).empty());
}
