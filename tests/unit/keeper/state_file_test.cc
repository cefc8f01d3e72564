// The state file: what is durable, and what is said of a file that can't be trusted.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "fakes.h"

namespace pgaf::keeper::test {
namespace {

namespace fs = std::filesystem;

StateFile open(const fs::path& folder, const char* node = "node1", const char* cluster = "default") {
    auto file = StateFile::open(folder, ClusterName{cluster}, NodeName{node});
    REQUIRE(file.has_value());
    return std::move(*file);
}

std::string text_of(const fs::path& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

Promise full_promise() {
    Promise p;
    p.cluster = ClusterName{"default"};
    p.node = NodeName{"node1"};
    p.system_id = SystemId{"7312345678901234567"};
    p.incarnation = IncarnationId{"0123456789abcdef"};
    p.has_folder = true;
    Goal goal;
    goal.stamp = {Epoch{7}, Term{3}, Version{42}, MonitorId{"m"}};
    goal.role = Role::primary;
    goal.rule = {RuleId{9}, {1, {IncarnationId{"b"}, IncarnationId{"c"}}}};
    goal.permit = StartPermit{BootId{"boot"}, 3};
    goal.peers = {{NodeName{"node2"}, IncarnationId{"b"}, "host", 5432}};
    goal.history = {{Timeline{1}, Epoch{1}, std::nullopt, Lsn{}}, {Timeline{2}, Epoch{7}, Lsn{0x5000}, Lsn{0x5000}}};
    p.promised = goal.stamp;
    p.goal = goal;
    p.rule_promised = RuleId{9};
    return p;
}

void check_damaged(const fs::path& folder, const std::string& text, const std::string& says) {
    std::ofstream(folder / "state.json") << text;
    const auto loaded = open(folder).load();
    INFO(text.substr(0, 60));
    REQUIRE_FALSE(bool(loaded));
    CHECK_THAT(loaded.error().message, Catch::Contains((folder / "state.json").string()) && Catch::Contains(says) &&
                                           Catch::Contains("new incarnation"));
    // It may hold a promise that must not be forgotten: nothing is changed.
    CHECK(text_of(folder / "state.json") == text);
}

}  // namespace

TEST_CASE("a promise comes back as it was stored") {
    const TempFolder temp;
    const fs::path folder = temp.path / "state";
    {
        const StateFile file = open(folder);
        const auto fresh = file.load();
        REQUIRE(bool(fresh));
        CHECK(fresh->fresh);
        CHECK(fresh->promise.incarnation.v.size() == 16);
        CHECK(fresh->promise.promised == Stamp{});
        CHECK(file.load()->promise.incarnation != fresh->promise.incarnation);
        REQUIRE(bool(file.store(full_promise())));
    }
    const auto loaded = open(folder).load();
    REQUIRE(bool(loaded));
    CHECK_FALSE(loaded->fresh);
    CHECK(loaded->promise == full_promise());
    struct stat info {};
    REQUIRE(::stat((folder / "state.json").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    REQUIRE(::stat(folder.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
}

TEST_CASE("a write that did not come to its end leaves the promise before it") {
    const TempFolder temp;
    const StateFile file = open(temp.path);
    REQUIRE(bool(file.store(full_promise())));
    std::ofstream(temp.path / "state.json.new") << "{\"format\": 1, \"prom";
    CHECK(file.load()->promise == full_promise());
    REQUIRE(bool(file.store(full_promise())));

    // Nothing can be written: an error, and the old promise stands.
    fs::create_directory(temp.path / "state.json.new");
    Promise next = full_promise();
    next.promised.epoch = Epoch{8};
    const auto failed = file.store(next);
    REQUIRE_FALSE(bool(failed));
    CHECK_THAT(failed.error().message, Catch::Contains("state.json") && Catch::Contains("nothing is promised"));
    CHECK(file.load()->promise == full_promise());
}

TEST_CASE("a damaged state file is an error with a remedy, and is left alone") {
    const TempFolder temp;
    REQUIRE(bool(open(temp.path).store(full_promise())));
    const std::string good = text_of(temp.path / "state.json");
    check_damaged(temp.path, "", "torn");
    check_damaged(temp.path, good.substr(0, good.size() / 2), "torn");
    check_damaged(temp.path, "[]", "torn or no JSON");
    check_damaged(temp.path, "{\"format\": 1}", "lacks");
    std::string flipped = good;
    flipped.replace(flipped.find("\"epoch\": 7"), 10, "\"epoch\": 6");
    check_damaged(temp.path, flipped, "checksum");
    std::string newer = good;
    newer.replace(newer.find("\"format\": 1"), 11, "\"format\": 2");
    check_damaged(temp.path, newer, "another version");
    check_damaged(temp.path, std::string(5'000'000, 'x'), "larger");
}

TEST_CASE("a state file of another node or cluster is refused") {
    const TempFolder temp;
    REQUIRE(bool(open(temp.path).store(full_promise())));
    for (const auto& [node, cluster] : {std::pair{"node2", "default"}, std::pair{"node1", "other"}}) {
        const auto loaded = open(temp.path, node, cluster).load();
        REQUIRE_FALSE(bool(loaded));
        CHECK_THAT(loaded.error().message,
                   Catch::Contains("node1") && Catch::Contains(node) && Catch::Contains(cluster));
    }
}

TEST_CASE("two keepers can't use one state folder") {
    const TempFolder temp;
    const StateFile first = open(temp.path);
    const auto second = StateFile::open(temp.path, ClusterName{"default"}, NodeName{"node1"});
    REQUIRE_FALSE(bool(second));
    CHECK_THAT(second.error().message, Catch::Contains("another pgaf-keeper"));
    const auto nowhere = StateFile::open("/proc/nowhere/state", ClusterName{"default"}, NodeName{"node1"});
    REQUIRE_FALSE(bool(nowhere));
    CHECK_THAT(nowhere.error().message, Catch::Contains("/proc/nowhere/state") && Catch::Contains("state_dir"));
}

}  // namespace pgaf::keeper::test
