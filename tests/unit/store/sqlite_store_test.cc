// The SQLite store on the disk: what survives, what is refused, and with which words.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>

#include "monitor/store/sqlite_store.h"
#include "tests/unit/store/support.h"

using namespace pgaf;
using namespace pgaf::monitor;
using pgaf::test::a_record;
using pgaf::test::an_entry;
using pgaf::test::must;

namespace {

void write_file(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

void run_sql(const std::string& path, const std::string& sql) {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
}

void check_refused(const std::string& path, const std::string& why) {
    const auto store = open_sqlite_store({path});
    REQUIRE(store.has_error());
    CHECK_THAT(store.error().message, Catch::Contains(path) && Catch::Contains(why));
}

}  // namespace

TEST_CASE("everything is there after the store was closed and opened again") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("deeper/monitor.db");
    {
        auto store = must(open_sqlite_store({path}));
        CHECK(must(store->begin_term(MonitorId{"m1"})).v == 1);
        must(store->save(a_record("one"), {an_entry("a")}, 1000));
    }
    auto store = must(open_sqlite_store({path}));
    CHECK(must(store->load()) == std::vector{a_record("one")});
    CHECK(must(store->events({ClusterName{"one"}})).size() == 1);
    CHECK(must(store->begin_term(MonitorId{"m2"})).v == 2);
    CHECK(must(store->save(a_record("one"), {an_entry("b")}, 1000)).front().seq == 2);
}

TEST_CASE("a killed process loses nothing that was saved") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("monitor.db");
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        auto store = open_sqlite_store({path});
        const bool saved =
            store && (*store)->begin_term(MonitorId{"m1"}) && (*store)->save(a_record("one"), {an_entry("a")}, 1);
        ::raise(saved ? SIGKILL : SIGABRT);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WTERMSIG(status) == SIGKILL);
    auto store = must(open_sqlite_store({path}));
    CHECK(must(store->load()) == std::vector{a_record("one")});
    CHECK(must(store->last_event(ClusterName{"one"})) == 1);
}

TEST_CASE("two monitors cannot use one store") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("monitor.db");
    auto store = must(open_sqlite_store({path}));
    check_refused(path, "another pgaf-monitor (process " + std::to_string(::getpid()) + ") uses the store");
    store.reset();
    CHECK(open_sqlite_store({path}).has_value());
}

TEST_CASE("a store on which another monitor has begun a term takes no more writes (R10)") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("monitor.db");
    auto store = must(open_sqlite_store({path}));
    CHECK(store->save(a_record("one"), {}, 1).has_error());  // no term begun
    must(store->begin_term(MonitorId{"m1"}));
    must(store->save(a_record("one"), {}, 1));
    std::filesystem::remove(path + ".lock");
    auto other = must(open_sqlite_store({path}));
    must(other->begin_term(MonitorId{"m2"}));
    const auto refused = store->save(a_record("two"), {an_entry("a")}, 2);
    REQUIRE(refused.has_error());
    CHECK_THAT(refused.error().message, Catch::Contains("another monitor has begun term 2"));
    CHECK(must(other->load()).size() == 1);
    CHECK(must(other->last_event(ClusterName{"two"})) == 0);
}

TEST_CASE("files that are no store are refused and left alone") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("monitor.db");
    SECTION("text") {
        const std::string text(4000, 'x');
        write_file(path, text);
        check_refused(path, "not a pgaf store");
        CHECK(read_file(path) == text);
    }
    SECTION("another program's database") {
        run_sql(path, "CREATE TABLE theirs (a)");
        const std::string before = read_file(path);
        check_refused(path, "database of another program");
        CHECK(read_file(path) == before);
    }
    SECTION("a folder") {
        std::filesystem::create_directory(path);
        check_refused(path, "must be able to write");
    }
    SECTION("a newer schema") {
        must(open_sqlite_store({path}));
        run_sql(path, "PRAGMA user_version = 9");
        check_refused(path, "schema 9, this program knows 2");
    }
}

TEST_CASE("a damaged store is refused") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("monitor.db");
    {
        auto store = must(open_sqlite_store({path}));
        must(store->begin_term(MonitorId{"m1"}));
        for (int i = 0; i < 200; ++i) must(store->save(a_record("one"), {an_entry("a")}, i));
    }
    SECTION("overwritten pages") {
        std::string bytes = read_file(path);
        REQUIRE(bytes.size() > 20000);
        bytes.replace(4096, 12000, std::string(12000, '\xee'));
        write_file(path, bytes);
        check_refused(path, "damaged");
    }
    SECTION("a record that is no JSON") {
        run_sql(path, "UPDATE clusters SET record = '{\"name\":'");
        const auto loaded = must(open_sqlite_store({path}))->load();
        REQUIRE(loaded.has_error());
        CHECK_THAT(loaded.error().message, Catch::Contains("the record of cluster one is damaged (no JSON)"));
    }
    SECTION("a record with a word of no version") {
        run_sql(path, "UPDATE clusters SET record = json_set(record, '$.phase', 'dreaming')");
        const auto loaded = must(open_sqlite_store({path}))->load();
        REQUIRE(loaded.has_error());
        CHECK_THAT(loaded.error().message, Catch::Contains("cluster one is damaged") && Catch::Contains("dreaming"));
    }
}

TEST_CASE("a disk that takes no more ends in an error, and what was saved before is there") {
    test::TemporaryFolder folder;
    const std::string path = folder.file("monitor.db");
    int report[2];
    REQUIRE(::pipe(report) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        // The same to SQLite as a disk with an end: a write fails.
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{300000, 300000};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        auto store = open_sqlite_store({path});
        unsigned char saved = 0;
        if (store && (*store)->begin_term(MonitorId{"m1"})) {
            while (saved < 250 && (*store)->save(a_record("one"), {an_entry(std::string(5000, 'k'))}, saved)) ++saved;
        }
        [[maybe_unused]] const auto written = ::write(report[1], &saved, 1);
        ::_exit(0);
    }
    unsigned char saved = 0;
    REQUIRE(::read(report[0], &saved, 1) == 1);
    ::waitpid(child, nullptr, 0);
    ::close(report[0]), ::close(report[1]);
    CHECK(saved > 2);
    CHECK(saved < 250);
    auto store = must(open_sqlite_store({path}));
    CHECK(must(store->events({.cluster = ClusterName{"one"}, .limit = 1000})).size() >= saved);
}

TEST_CASE("texts of any bytes can be stored") {
    test::TemporaryFolder folder;
    auto store = must(open_sqlite_store({folder.file("monitor.db")}));
    must(store->begin_term(MonitorId{"m1"}));
    auto record = a_record("one");
    record.reason = "d\xE9j\xE0";
    must(store->save(record, {an_entry("d\xE9j\xE0 '; DROP TABLE events; --")}, 1));
    CHECK(must(store->load()).size() == 1);
    CHECK(must(store->events({ClusterName{"one"}})).front().entry.kind == "d\xE9j\xE0 '; DROP TABLE events; --");
}
