// The protocol's lines: what is taken, what is refused, and that answers are lines whatever they hold.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "common/launcher_protocol.h"
#include "keeper/launcher/messages.h"

using namespace pgaf::launcher;
using pgaf::Millis;

namespace {

template <class T>
T taken(const std::string& line) {
    auto parsed = parse_request(line);
    if (const auto* wrong = std::get_if<Malformed>(&parsed)) FAIL(line << ": " << wrong->problem);
    const auto& request = std::get<Request>(parsed);
    REQUIRE(std::holds_alternative<T>(request.operation));
    return std::get<T>(request.operation);
}

Malformed refused(const std::string& line) {
    auto parsed = parse_request(line);
    INFO(line.substr(0, 200));
    REQUIRE(std::holds_alternative<Malformed>(parsed));
    return std::get<Malformed>(parsed);
}

}  // namespace

TEST_CASE("every request of the protocol is read") {
    CHECK(taken<StartRequest>(R"({"id":1,"op":"start"})").args.empty());
    CHECK(taken<StartRequest>(R"({"id":1,"op":"start","args":["-c","port=5"]})").args ==
          std::vector<std::string>{"-c", "port=5"});
    CHECK_FALSE(taken<StopRequest>(R"({"id":2,"op":"stop","mode":"fast"})").immediate);
    const auto stop = taken<StopRequest>(R"({"id":2,"op":"stop","mode":"immediate","limit_ms":7})");
    CHECK(stop.immediate);
    CHECK(stop.limit == Millis{7});
    taken<ReloadRequest>(R"({"id":3,"op":"reload"})");
    const auto end = taken<EndProcessRequest>(R"({"id":4,"op":"end_process","pid":123})");
    CHECK(end.pid == 123);
    CHECK_FALSE(end.limit.has_value());
    CHECK(taken<KillRunRequest>(R"({"id":6,"op":"kill_run","run":5})").run == 5);
    taken<StatusRequest>(R"({"id":7,"op":"status"})");
    taken<LetGoRequest>(R"({"id":8,"op":"let_go"})");
    const auto deadline = taken<DeadlineRequest>(R"({"id":9,"op":"deadline","ms":60000,"until_ms":123456})");
    CHECK(deadline.limit == Millis{60000});
    CHECK(deadline.until == Millis{123456});
}

TEST_CASE("a program's environment keeps to the names that may be set") {
    const auto run = taken<RunRequest>(
        R"({"id":5,"op":"run","program":"pg_rewind","args":["-D","x"],"env":{"PGPASSFILE":"/p","LC_ALL":"C"}})");
    CHECK(run.program == "pg_rewind");
    CHECK(run.args == std::vector<std::string>{"-D", "x"});
    CHECK(run.environment == std::vector<std::string>{"LC_ALL=C", "PGPASSFILE=/p"});
    for (const std::string name : {"LD_PRELOAD", "PATH", "PGAF_LAUNCHED_FOR", "PG=X", "", "pgport"})
        CHECK(refused(R"({"id":5,"op":"run","program":"initdb","env":{")" + name + R"(":"x"}})").problem.find("env") ==
              0);
}

TEST_CASE("only PostgreSQL's own programs run") {
    for (const auto* name : programs)
        taken<RunRequest>(R"({"id":5,"op":"run","program":")" + std::string(name) + R"("})");
    for (const std::string name : {"sh", "../initdb", "/bin/sh", "", "initdb\\u0000x"})
        CHECK(refused(R"({"id":5,"op":"run","program":")" + name + R"("})").id == 5);
}

TEST_CASE("what is no request is refused, with its id as far as it can be read") {
    for (const auto* line : {"", "{", "[]", "null", "7", "\"start\"", "\xff\xfe", "{\"id\":1,\"op\":\"start\"} x"})
        CHECK(refused(line).id == 0);
    CHECK(refused(R"({"op":"start"})").problem.find("id") == 0);
    CHECK(refused(R"({"id":-1,"op":"start"})").id == 0);
    CHECK(refused(R"({"id":18446744073709551615,"op":"start"})").id == 0);
    CHECK(refused(R"({"id":1.5,"op":"start"})").id == 0);
    CHECK(refused(R"({"id":3})").id == 3);
    CHECK(refused(R"({"id":3,"op":"format"})").problem.find("format") != std::string::npos);
    CHECK(refused(R"({"id":3,"op":5})").id == 3);
    CHECK(refused(R"({"id":3,"op":"start","args":"-c"})").id == 3);
    CHECK(refused(R"({"id":3,"op":"start","args":[1]})").id == 3);
    CHECK(refused(R"({"id":3,"op":"start","args":["a\u0000b"]})").problem.find("zero byte") != std::string::npos);
    CHECK(refused(R"({"id":3,"op":"stop"})").problem.find("mode") == 0);
    CHECK(refused(R"({"id":3,"op":"stop","mode":"smart"})").problem.find("mode") == 0);
    CHECK(refused(R"({"id":3,"op":"stop","mode":"fast","limit_ms":-1})").problem.find("limit_ms") == 0);
    for (const auto* pid : {"0", "1", "-5", "99999999999", "\"12\"", "null"})
        CHECK(refused(R"({"id":4,"op":"end_process","pid":)" + std::string(pid) + "}").problem.find("pid") == 0);
    CHECK(refused(R"({"id":4,"op":"end_process"})").problem.find("pid") == 0);
    CHECK(refused(R"({"id":9,"op":"deadline"})").problem.find("ms") == 0);
    CHECK(refused(R"({"id":9,"op":"deadline","ms":86400001})").problem.find("ms") == 0);
}

TEST_CASE("a request of the longest length that is all brackets is refused, not a crash") {
    CHECK(refused(std::string(max_line_bytes, '[')).id == 0);
    CHECK(refused(R"({"id":1,"op":"start","args":)" + std::string(30000, '[') + std::string(30000, ']') + "}").id == 1);
    std::string many = R"({"id":1,"op":"start","args":[)";
    for (int i = 0; i < 513; ++i) many += i == 0 ? "\"\"" : ",\"\"";
    CHECK(refused(many + "]}").problem.find("args") == 0);
}

TEST_CASE("answers are one line of UTF-8 within the bound, whatever they hold") {
    const std::string worst(max_output_bytes, '\x01');
    for (const auto& line :
         {output_line(5, "stderr", worst), output_line(5, "stdout", std::string(max_output_bytes, '\xff')),
          error_line(1, std::string(100'000, '\x01')), output_line(5, "stdout", "a\nb\xc3")}) {
        CHECK(line.size() <= max_line_bytes);
        CHECK(line.find('\n') == line.size() - 1);
        CHECK_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded());
    }
    const auto exit = nlohmann::json::parse(exited_line(3, {"signal 9", false, {"last"}, true}));
    CHECK(
        exit ==
        nlohmann::json::parse(
            R"({"event":"exited","exits":3,"status":"signal 9","clean":false,"expired":true,"last_lines":["last"]})"));
    CHECK(nlohmann::json::parse(started_line(12)) == nlohmann::json::parse(R"({"event":"started","pid":12})"));
    CHECK(nlohmann::json::parse(start_failed_line("no")) ==
          nlohmann::json::parse(R"({"event":"start_failed","error":"no"})"));
    const auto hello = nlohmann::json::parse(hello_line({.life = "l",
                                                         .data_dir = "/d",
                                                         .bin_dir = "/b",
                                                         .pg_version = "15.13",
                                                         .postmaster = 7,
                                                         .starting = true,
                                                         .exits = 2,
                                                         .leaving = true,
                                                         .last_exit = {}}));
    CHECK(hello == nlohmann::json::parse(
                       R"({"event":"hello","life":"l","data_dir":"/d","bin_dir":"/b","postmaster":7,"starting":true,
                                             "exits":2,"leaving":true,"pg_version":"15.13"})"));
}
