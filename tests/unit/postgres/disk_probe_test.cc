// The probe of the disk: an error is told, a write that does not end is told after the limit, and what is mended is
// forgotten.
#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <thread>

#include "keeper/postgres/disk_probe.h"
#include "keeper/postgres/files.h"
#include "tests/support/live.h"

namespace pgaf::keeper {
namespace {

bool until(const std::function<bool()>& holds) {
    for (int i = 0; i < 500; ++i) {
        if (holds()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
}

}  // namespace

TEST_CASE("disk probe: a folder that takes writes") {
    const test::TempDir dir;
    for (int i = 0; i < 2; ++i) {
        CHECK(write_probe(dir.path()).empty());
        // The last one stays, so that the next needs room of its own.
        CHECK(std::filesystem::file_size(dir / "pgaf_disk_probe.kept") == 16384);
        CHECK_FALSE(std::filesystem::exists(dir / "pgaf_disk_probe"));
    }
    // One that is not there yet, or not any more, is somebody else's business.
    CHECK(write_probe(dir / "missing").empty());
}

TEST_CASE("disk probe: the room on the disk is known after the first round, and forgotten with the folder") {
    const test::TempDir dir;
    DiskProbe probe(Millis{60'000});
    CHECK_FALSE(probe.space());
    probe.watch({dir.path()});
    REQUIRE(until([&] { return probe.space().has_value(); }));
    const auto known = std::filesystem::space(dir.path());
    CHECK(probe.space()->size_bytes == known.capacity);
    CHECK(probe.space()->free_bytes <= known.capacity);
    CHECK(probe.space()->free_bytes > 0);
    probe.watch({});
    CHECK_FALSE(probe.space());
}

TEST_CASE("disk probe: a write that fails is told, and forgotten when it works again") {
    const test::TempDir dir;
    std::filesystem::create_directory(dir / "pgaf_disk_probe");
    DiskProbe probe(Millis{60'000});
    CHECK(probe.trouble().empty());
    probe.watch({dir.path()});
    REQUIRE(until([&] { return !probe.trouble().empty(); }));
    CHECK(probe.trouble().find("the disk takes no writes: opening " + dir.path()) == 0);
    std::filesystem::remove(dir / "pgaf_disk_probe");
    REQUIRE(until([&] { return probe.trouble().empty(); }));
    CHECK(std::filesystem::file_size(dir / "pgaf_disk_probe.kept") == 16384);
}

TEST_CASE("disk probe: a write that does not end is told after the limit, and holds nobody up") {
    const test::TempDir dir;
    // Opening it for writing waits for a reader, as a hung disk would for itself.
    REQUIRE(::mkfifo((dir / "pgaf_disk_probe").c_str(), 0600) == 0);
    DiskProbe probe(Millis{300});
    probe.watch({dir.path()});
    REQUIRE(until([&] { return !probe.trouble().empty(); }));
    CHECK(probe.trouble().find("a write to " + dir.path() + "/pgaf_disk_probe does not come to an end") !=
          std::string::npos);
    probe.watch({});
    CHECK(probe.trouble().empty());
}

TEST_CASE("disk probe: who empties a folder waits for the write that is under way in it") {
    const test::TempDir dir;
    REQUIRE(::mkfifo((dir / "pgaf_disk_probe").c_str(), 0600) == 0);
    DiskProbe probe(Millis{1});
    probe.leave();
    probe.watch({dir.path(), dir / "another"});
    REQUIRE(until([&] { return !probe.trouble().empty(); }));
    const auto left = std::async(std::launch::async, [&] { probe.leave(); });
    REQUIRE(until([&] { return probe.trouble().empty(); }));
    CHECK(left.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
    const Fd disk(::open((dir / "pgaf_disk_probe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    CHECK(left.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
}

}  // namespace pgaf::keeper
