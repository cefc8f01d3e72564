// The keeper's end of the launcher's socket, against a launcher that says what the test wants: what is told of a server
// between a start and its answer (R4).
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "keeper/postgres/launcher_client.h"
#include "keeper/postgres/make.h"
#include "keeper/postgres/postgres_control.h"
#include "keeper/reconcile/promise.h"
#include "tests/support/live.h"
#include "tests/support/print.h"
#include "tests/support/slowness.h"

namespace pgaf::keeper::test {
namespace {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol;
using pgaf::test::TempDir;
using pgaf::test::write_text;

/// One thread for both ends; nothing is answered unless the test says so.
struct FakeLauncher {
    FakeLauncher() {
        std::filesystem::create_directories(dir / "data/pg_wal");
        write_text(dir / "data/PG_VERSION", "15\n");
    }
    ~FakeLauncher() {
        if (client) client->close();
        control.reset();
        io.restart();
        io.poll();
    }
    void greet(const std::string& more) {
        connection.emplace(acceptor.accept());
        say(R"({"event":"hello","life":"l","data_dir":"/d","bin_dir":"/b","pg_version":"15.20","exits":0,"leaving":false,)" +
            more + "}");
    }
    void say(const std::string& line) { asio::write(*connection, asio::buffer(line + "\n")); }
    /// The next request.
    nlohmann::json heard() {
        REQUIRE(until([&] { return connection->available() > 0; }));
        std::string text(connection->available(), ' ');
        connection->read_some(asio::buffer(text));
        return nlohmann::json::parse(text);
    }
    bool until(const std::function<bool()>& condition, int limit_ms = 5000) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms) * pgaf::test::slowness;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            io.restart();
            io.run_one_for(std::chrono::milliseconds(5));
        }
        return true;
    }
    /// A client on which a start is under way that `cancel` would cancel.
    void begin_start() {
        client.emplace(io.get_executor(), dir / "socket");
        client->on_event([this](const LauncherEvent& event) { events.push_back(event.kind); });
        asio::co_spawn(io, client->keep_connected(), asio::detached);
        REQUIRE(until([&] { return client->trouble().find("does not say hello") != std::string::npos; }));
        greet(R"("postmaster":0,"starting":false)");
        REQUIRE(until([&] { return client->view().connected; }));
        asio::co_spawn(io, client->start(),
                       asio::bind_cancellation_slot(cancel.slot(), [this](std::exception_ptr failed, auto) {
                           ended = true;
                           cancelled = failed != nullptr;
                       }));
        asked = heard();
        REQUIRE(asked.at("op") == "start");
    }
    Facts observed() {
        std::optional<Facts> facts;
        asio::co_spawn(io, control->observe(false), [&](std::exception_ptr failed, Facts seen) {
            if (failed) std::rethrow_exception(failed);
            facts = std::move(seen);
        });
        REQUIRE(until([&] { return facts.has_value(); }));
        return *facts;
    }

    TempDir dir;
    asio::io_context io{1};
    Socket::acceptor acceptor{io, {dir / "socket"}};
    std::optional<Socket::socket> connection;
    std::optional<LauncherClient> client;
    std::unique_ptr<PostgresControl> control;
    asio::cancellation_signal cancel;
    std::vector<LauncherEvent::Kind> events;
    nlohmann::json asked;
    bool ended = false;
    bool cancelled = false;
};

}  // namespace

TEST_CASE_METHOD(FakeLauncher, "a start is not over before its answer, whatever is cancelled (R4)") {
    begin_start();
    CHECK(client->view().starting);
    cancel.emit(asio::cancellation_type::terminal);
    CHECK_FALSE(until([&] { return ended; }, 50));
    CHECK(client->view().starting);
    SECTION("it was executed") {
        say(R"({"id":)" + asked.at("id").dump() + R"(,"ok":true,"pid":4711})");
        REQUIRE(until([&] { return ended; }));
        CHECK(client->view().postmaster == 4711);
    }
    SECTION("it could not be") {
        say(R"({"id":)" + asked.at("id").dump() + R"(,"ok":false,"error":"no data"})");
        REQUIRE(until([&] { return ended; }));
        CHECK(client->view().postmaster == 0);
    }
    SECTION("the connection is lost: the next hello says what has become of it") {
        connection.reset();
        REQUIRE(until([&] { return ended; }));
        CHECK_FALSE(client->view().connected);
    }
    CHECK_FALSE(client->view().starting);
}

TEST_CASE_METHOD(FakeLauncher, "no second start while one is under way") {
    begin_start();
    std::optional<Result<pid_t>> second;
    asio::co_spawn(io, client->start(), [&](std::exception_ptr, Result<pid_t> result) { second = std::move(result); });
    REQUIRE(until([&] { return second.has_value(); }));
    REQUIRE_FALSE(*second);
    CHECK_THAT(second->error().message, Catch::Contains("being started already"));
    CHECK(client->view().starting);
    CHECK_FALSE(ended);
}

TEST_CASE_METHOD(FakeLauncher, "a server that another run of the keeper has asked for is starting, not stopped (R4)") {
    PostgresConfig config;
    config.data_dir = dir / "data";
    config.state_dir = dir.path();
    config.launcher_socket = dir / "socket";
    control = make_postgres_control(config, io.get_executor());
    int changes = 0;
    control->on_change([&] { ++changes; });
    REQUIRE(until([&] { return acceptor.native_handle() >= 0 && observed().status == PgStatus::unknown; }));
    greet(R"("postmaster":0,"starting":true)");
    REQUIRE(until([&] { return changes == 1; }));
    const Facts facts = observed();
    CHECK(facts.status == PgStatus::starting);
    CHECK_FALSE(facts.end_exact);
    SECTION("until it has a pid") {
        say(R"({"event":"started","pid":4711})");
        REQUIRE(until([&] { return changes == 2; }));
        CHECK(observed().status == PgStatus::starting);
    }
    SECTION("or could not be started") {
        say(R"({"event":"start_failed","error":"no"})");
        REQUIRE(until([&] { return changes == 2; }));
        CHECK(observed().status == PgStatus::stopped);
    }
}

TEST_CASE_METHOD(FakeLauncher, "exits are never fewer than before: a permit that was used up does not fit again (R9)") {
    client.emplace(io.get_executor(), dir / "socket");
    client->on_event([this](const LauncherEvent& event) { events.push_back(event.kind); });
    asio::co_spawn(io, client->keep_connected(), asio::detached);
    REQUIRE(until([&] { return client->trouble().find("does not say hello") != std::string::npos; }));
    greet(R"("postmaster":7,"starting":false)");
    say(R"({"event":"exited","exits":5,"status":"signal 9"})");
    REQUIRE(until([&] { return client->view().exits == 5; }));
    const auto told = events.size();
    say(R"({"event":"exited","exits":3,"status":"signal 9"})");
    say(R"({"event":"exited","status":"signal 9"})");
    say(R"({"event":"exited","exits":18446744073709551615,"status":"signal 9"})");
    REQUIRE(until([&] { return events.size() == told + 3; }));
    CHECK(client->view().exits == 5);
}

TEST_CASE_METHOD(FakeLauncher, "a number that is none of its kind reads as if it were not there") {
    client.emplace(io.get_executor(), dir / "socket");
    client->on_event([this](const LauncherEvent& event) { events.push_back(event.kind); });
    asio::co_spawn(io, client->keep_connected(), asio::detached);
    REQUIRE(until([&] { return client->trouble().find("does not say hello") != std::string::npos; }));
    greet(R"("postmaster":7,"starting":false)");
    REQUIRE(until([&] { return client->view().postmaster == 7; }));
    const std::string odd = GENERATE("5555555555555555555555", "4294967303", "-4294967289", "7.5", "true", R"("7")");
    say(R"({"event":"started","pid":)" + odd + "}");
    REQUIRE(until([&] { return events.size() == 2; }));
    CHECK(client->view().postmaster == 0);
    // An answer to nobody's request (UBSan: its id must not be converted).
    say(R"({"id":)" + odd + R"(,"ok":true,"pid":8})");
    CHECK(until([&] { return client->view().postmaster == 8; }));
}

TEST_CASE_METHOD(FakeLauncher,
                 "a stopped server whose folder can't be read is not known, neither absent nor another one (R2)") {
    PostgresConfig config;
    config.data_dir = dir / "data";
    config.state_dir = dir.path();
    config.launcher_socket = dir / "socket";
    const std::string file = GENERATE("PG_VERSION", "pgaf.incarnation", "");
    if (!file.empty()) {
        std::filesystem::remove(config.data_dir + "/" + file);
        std::filesystem::create_directory(config.data_dir + "/" + file);
    }
    control = make_postgres_control(config, io.get_executor());
    REQUIRE(until([&] { return !observed().launcher_connected; }));
    greet(R"("postmaster":0,"starting":false)");
    Facts facts;
    REQUIRE(until([&] { return (facts = observed()).launcher_connected; }));
    if (file.empty()) {
        CHECK(facts.status == PgStatus::stopped);
        return;
    }
    CHECK(facts.status == PgStatus::unknown);
    CHECK_THAT(facts.trouble, Catch::Contains(file));
    Promise promise;
    promise.incarnation = IncarnationId{"b"};
    promise.has_folder = true;
    CHECK(look_at_folder(promise, facts).kind == FolderNews::Kind::same);
}

}  // namespace pgaf::keeper::test
