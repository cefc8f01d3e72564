// WAL files: names, damaged and foreign contents; the rest of the reader is held against pg_waldump on real servers.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "keeper/postgres/control_file.h"
#include "keeper/postgres/crc32c.h"
#include "keeper/postgres/files.h"
#include "keeper/postgres/kept_wal.h"
#include "keeper/postgres/wal_files.h"
#include "keeper/postgres/wal_scan.h"
#include "tests/support/live.h"
#include "tests/support/print.h"

namespace pgaf::keeper {
namespace {

constexpr std::uint64_t megabyte = 1U << 20;

template <class T>
void put(std::string& page, std::size_t at, T value) {
    std::memcpy(page.data() + at, &value, sizeof value);
}

/// A segment of 1 MB with a first page header and records of `length` bytes one after the other.
std::string segment(std::uint64_t start, int records, std::uint32_t length, std::uint64_t prev = 0) {
    std::string bytes(megabyte, '\0');
    put<std::uint16_t>(bytes, 0, 0xD110);
    put<std::uint16_t>(bytes, 2, 0x0002);
    put<std::uint64_t>(bytes, 8, start);
    put<std::uint64_t>(bytes, 24, 42);
    std::size_t at = 40;
    for (int i = 0; i < records; ++i) {
        put<std::uint32_t>(bytes, at, length);
        put<std::uint64_t>(bytes, at + 8, prev);
        bytes[at + 17] = 1;
        for (std::size_t b = 24; b < length; ++b) bytes[at + b] = static_cast<char>(b + static_cast<std::size_t>(i));
        Crc32c crc;
        const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
        crc.add(data + at + 24, length - 24);
        crc.add(data + at, 20);
        put<std::uint32_t>(bytes, at + 20, crc.value());
        prev = start + at;
        at += (length + 7) & ~std::size_t{7};
    }
    return bytes;
}

WalScan scan_of(const test::TempDir& dir, std::uint64_t from) {
    WalScan scan;
    scan.wal_dir = dir.path();
    scan.timeline = Timeline{1};
    scan.anchor = scan.from = Lsn{from};
    return scan;
}

}  // namespace

TEST_CASE("the CRC is Castagnoli's") {
    Crc32c crc;
    crc.add(reinterpret_cast<const unsigned char*>("123456789"), 9);
    CHECK(crc.value() == 0xE3069283U);
    Crc32c pieces;
    pieces.add(reinterpret_cast<const unsigned char*>("1234"), 4);
    pieces.add(reinterpret_cast<const unsigned char*>("56789"), 5);
    CHECK(pieces.value() == crc.value());
}

TEST_CASE("segment names") {
    CHECK(segment_name(Timeline{2}, 0x1FF, 16 * megabyte) == "0000000200000001000000FF");
    SegmentName parsed;
    REQUIRE(parse_segment_name("0000000200000001000000FF", parsed));
    CHECK(segment_start(parsed, 16 * megabyte) == Lsn{0x1FF000000});
    CHECK_FALSE(parse_segment_name("0000000200000001000000FF.partial", parsed));
    CHECK_FALSE(parse_segment_name("0000000200000001000000FX", parsed));
}

TEST_CASE("the last complete record is found; torn, stale and damaged ones are not taken for it") {
    const test::TempDir dir;
    const std::uint64_t start = 3 * megabyte;
    const std::string name = dir / segment_name(Timeline{1}, 3, megabyte);
    const std::string good = segment(start, 5, 100);
    test::write_text(name, good);
    const auto end = find_wal_end(scan_of(dir, start + 40));
    REQUIRE(end);
    CHECK(end->complete == Lsn{start + 40 + 5 * 104});
    CHECK(end->last_record == Lsn{start + 40 + 4 * 104});
    CHECK(end->timeline == Timeline{1});
    CHECK(end->torn.empty());
    CHECK(end->segment_bytes == megabyte);
    // From the end of what is known already: the same.
    CHECK(find_wal_end(scan_of(dir, start + 40 + 5 * 104))->complete == end->complete);

    std::string torn = good;
    torn[40 + 4 * 104 + 60] ^= 1;
    test::write_text(name, torn);
    CHECK(find_wal_end(scan_of(dir, start + 40))->complete == Lsn{start + 40 + 4 * 104});
    // A good CRC in the wrong place: the prev link tells (a recycled segment's old record).
    std::string stale = good;
    put<std::uint64_t>(stale, 40 + 3 * 104 + 8, 12345);
    Crc32c crc;
    const auto* data = reinterpret_cast<const unsigned char*>(stale.data());
    crc.add(data + 40 + 3 * 104 + 24, 76);
    crc.add(data + 40 + 3 * 104, 20);
    put<std::uint32_t>(stale, 40 + 3 * 104 + 20, crc.value());
    test::write_text(name, stale);
    CHECK(find_wal_end(scan_of(dir, start + 40))->complete == Lsn{start + 40 + 3 * 104});
    CHECK(find_wal_end(scan_of(dir, start + 40 + 3 * 104))->complete == Lsn{start + 40 + 3 * 104});

    WalScan foreign = scan_of(dir, start + 40);
    foreign.system_id = SystemId{"43"};
    CHECK_FALSE(find_wal_end(foreign));
    CHECK_FALSE(find_wal_end(scan_of(dir, start + 2 * megabyte)));
    const test::TempDir empty;
    CHECK_FALSE(find_wal_end(scan_of(empty, start)));
}

TEST_CASE(
    "a segment that can't be read is not the end of WAL: whoever took it for one would lose what lies in it (R4)") {
    const test::TempDir dir;
    const std::uint64_t start = 3 * megabyte;
    test::write_text(dir / segment_name(Timeline{1}, 3, megabyte), segment(start, 5, 100));
    const WalScan scan = scan_of(dir, start + 40);
    REQUIRE(find_wal_end(scan));

    // A folder of the newest segment's name: it opens, and reads with EISDIR, for root too.
    test::write_text(dir / "00000002.history", "1\t0/300100\tx\n");
    const std::string newest = dir / segment_name(Timeline{2}, 3, megabyte);
    REQUIRE(find_wal_end(scan)->timeline == Timeline{1});
    std::filesystem::create_directory(newest);
    const auto broken = find_wal_end(scan);
    REQUIRE_FALSE(broken);
    CHECK_FALSE(broken.error().damaged);
    CHECK(broken.error().message.find(newest + ": Is a directory; a folder stands where") != std::string::npos);
    std::filesystem::remove(newest);
    // One that goes round in circles can't even be opened.
    std::filesystem::create_symlink(newest, newest);
    const auto circle = find_wal_end(scan);
    REQUIRE_FALSE(circle);
    CHECK(circle.error().message.find(newest + ": Too many levels") != std::string::npos);
    CHECK_FALSE(timeline_at(scan, Lsn{start + 300}));
    std::filesystem::remove(newest);
    CHECK(find_wal_end(scan));
    CHECK(timeline_at(scan, Lsn{start + 300}).value() == Timeline{1});
    // The folder itself.
    WalScan away = scan;
    away.wal_dir = dir / "away";
    REQUIRE_FALSE(find_wal_end(away));
    CHECK_FALSE(find_wal_end(away).error().damaged);
    // An empty one is what a disk that is not mounted leaves: nothing says that the WAL is gone.
    const test::TempDir unmounted;
    const auto none = find_wal_end(scan_of(unmounted, start + 40));
    REQUIRE_FALSE(none);
    CHECK(none.error().empty);
    CHECK_FALSE(none.error().damaged);
    CHECK(none.error().message.find("is its disk mounted?") != std::string::npos);
    // What could be read and is not there is another thing.
    CHECK(find_wal_end(scan_of(dir, start + 2 * megabyte)).error().damaged);
}

TEST_CASE("a disk that fails in the middle of a segment, interrupted and short reads") {
    const test::TempDir dir;
    const std::uint64_t start = 3 * megabyte;
    test::write_text(dir / segment_name(Timeline{1}, 3, megabyte), segment(start, 5, 100));
    int failure = 0;
    std::size_t most = 1000;
    const ReadAt disk = [&](int fd, void* to, std::size_t size, off_t at) -> ssize_t {
        errno = std::exchange(failure, failure == EIO ? EIO : 0);
        return errno != 0 ? -1 : ::pread(fd, to, std::min(size, most), at);
    };
    WalFiles files(dir.path(), megabyte, {{Timeline{1}, Lsn{}}}, {}, {}, disk);
    failure = EINTR;
    REQUIRE(files.page(Lsn{start}) != nullptr);
    CHECK_FALSE(files.trouble());
    CHECK(files.page(Lsn{start + 8192}) == nullptr);      // nothing was written there
    CHECK(files.page(Lsn{start + megabyte}) == nullptr);  // there is no such file
    CHECK_FALSE(files.trouble());

    failure = EIO;
    CHECK(files.page(Lsn{start}) == nullptr);
    REQUIRE(files.trouble());
    CHECK(files.trouble()->message.find("Input/output error; its disk or file system has failed") != std::string::npos);
    // It stays so: what comes later would be behind a hole.
    failure = 0;
    CHECK(files.page(Lsn{start}) == nullptr);

    // A file that ends early is an end.
    std::filesystem::resize_file(dir / segment_name(Timeline{1}, 3, megabyte), 4000);
    WalFiles cut(dir.path(), megabyte, {{Timeline{1}, Lsn{}}}, {});
    CHECK(cut.page(Lsn{start}) == nullptr);
    CHECK_FALSE(cut.trouble());
}

TEST_CASE("a torn record that fills its segment reaches into the next one (R6)") {
    const test::TempDir dir;
    const std::uint64_t start = 3 * megabyte;
    std::string bytes = segment(start, 1, 100);
    // A record of 2 MB begins after it; its pages go to the segment's end.
    const std::size_t at = 144;
    put<std::uint32_t>(bytes, at, 2 * megabyte);
    put<std::uint64_t>(bytes, at + 8, start + 40);
    std::uint64_t left = 2 * megabyte - (8192 - at);
    for (std::size_t page = 8192; page < megabyte; page += 8192) {
        put<std::uint16_t>(bytes, page, 0xD110);
        put<std::uint16_t>(bytes, page + 2, 0x0001);
        put<std::uint64_t>(bytes, page + 8, start + page);
        put<std::uint32_t>(bytes, page + 16, static_cast<std::uint32_t>(left));
        left -= 8192 - 24;
    }
    const std::string name = dir / segment_name(Timeline{1}, 3, megabyte);
    test::write_text(name, bytes);
    const auto end = find_wal_end(scan_of(dir, start + 40));
    REQUIRE(end);
    CHECK(end->complete == Lsn{start + 144});
    CHECK(end->torn == Lsn{start + megabyte});
    // Torn inside the segment, it is asked for again from there: no hole.
    put<std::uint64_t>(bytes, megabyte - 8192 + 8, 0);
    test::write_text(name, bytes);
    CHECK(find_wal_end(scan_of(dir, start + 40))->torn.empty());
}

TEST_CASE("a segment that is received again for a new timeline hides no WAL of the older one's file (R4)") {
    const test::TempDir dir;
    const std::uint64_t start = 3 * megabyte;
    const auto name = [](std::uint32_t timeline) { return segment_name(Timeline{timeline}, 3, megabyte); };
    const auto place = [&](int records) { return Lsn{start + 40 + static_cast<std::uint64_t>(records) * 104}; };
    test::write_text(dir / "00000002.history", "1\t" + place(5).text() + "\tx\n");
    test::write_text(dir / name(1), segment(start, 5, 100));
    const auto scan = [&](int from) { return find_wal_end(scan_of(dir, place(from).v)); };

    // Broken off after two records, in the middle of the third: also when more than that is known to be there.
    std::string broken = segment(start, 3, 100);
    broken[40 + 2 * 104 + 60] ^= 1;
    test::write_text(dir / name(2), broken);
    for (const int known : {0, 2, 3, 5}) {
        const auto end = scan(known);
        REQUIRE(end);
        CHECK(end->complete == place(5));
        CHECK(end->timeline == Timeline{1});
        CHECK(end->unfinished == std::vector{name(2)});
    }
    // Begun, and nothing of it written.
    test::write_text(dir / name(2), std::string(megabyte, '\0'));
    CHECK(scan(5)->unfinished == std::vector{name(2)});
    // Two forks in one segment, each broken off: both would hide it.
    test::write_text(dir / "00000003.history", "1\t" + place(5).text() + "\tx\n2\t" + place(5).text() + "\ty\n");
    test::write_text(dir / name(3), segment(start, 4, 100));
    CHECK(scan(0)->complete == place(5));
    CHECK(scan(0)->unfinished == std::vector{name(3), name(2)});
    // The newest has more than the others: it is what PostgreSQL reads, and it stays.
    test::write_text(dir / name(1), segment(start, 3, 100));
    CHECK(scan(0)->complete == place(4));
    CHECK(scan(0)->unfinished.empty());

    std::filesystem::remove(dir / "00000003.history");
    test::write_text(dir / name(2), segment(start, 5, 100));
    CHECK(scan(0)->complete == place(5));
    CHECK(scan(0)->timeline == Timeline{1});
    CHECK(scan(0)->unfinished.empty());
    // Without the older file there is no more than that.
    test::write_text(dir / name(2), broken);
    std::filesystem::remove(dir / name(1));
    CHECK(scan(0)->complete == place(2));
    CHECK(scan(0)->unfinished.empty());
    CHECK_FALSE(scan(5));
    // What can't be read may be the one that has it.
    std::filesystem::create_directory(dir / name(1));
    REQUIRE_FALSE(scan(0));
    CHECK_FALSE(scan(0).error().damaged);
}

TEST_CASE("kept WAL: a copy that fails leaves no half of it behind") {
    const test::TempDir wal;
    const test::TempDir state;
    for (int i = 2; i <= 3; ++i)
        test::write_text(wal / segment_name(Timeline{1}, i, megabyte), std::string(megabyte, 'x'));
    std::filesystem::create_directory(wal / segment_name(Timeline{1}, 1, megabyte));
    KeepWal what;
    what.wal_dir = wal.path();
    what.kept_dir = state / "kept";
    what.incarnation = IncarnationId{"00000000000000aa"};
    what.from = Lsn{megabyte};
    what.limit_bytes = 10 * megabyte;
    CHECK_FALSE(keep_wal(what));
    CHECK(list_folder(what.kept_dir).empty());
}

TEST_CASE("kept WAL: a bounded copy, or a move, with a note") {
    const test::TempDir wal;
    const test::TempDir state;
    for (int i = 1; i <= 6; ++i)
        test::write_text(wal / segment_name(Timeline{1}, i, megabyte), std::string(megabyte, 'x'));
    KeepWal what;
    what.wal_dir = wal.path();
    what.kept_dir = state / "kept";
    what.incarnation = IncarnationId{"00000000000000aa"};
    what.from = Lsn{3 * megabyte + 5};
    what.until = Lsn{5 * megabyte + 7};
    what.why = "a test";
    what.limit_bytes = 10 * megabyte;
    const auto kept = keep_wal(what);
    REQUIRE(kept);
    CHECK(kept->find("WAL 0/300005 to 0/500007 is kept in ") == 0);
    REQUIRE(list_folder(what.kept_dir).size() == 1);
    const std::string folder = what.kept_dir + "/" + list_folder(what.kept_dir)[0];
    CHECK(list_folder(folder).size() == 4);  // three segments and the note
    CHECK(test::read_text(folder + "/README").find("a test") != std::string::npos);
    CHECK(list_folder(wal.path()).size() == 6);
    CHECK(has_kept_wal(what.kept_dir, what.incarnation));
    CHECK_FALSE(has_kept_wal(what.kept_dir, IncarnationId{"00000000000000bb"}));

    what.incarnation = IncarnationId{"00000000000000bb"};
    what.limit_bytes = 4 * megabyte;
    REQUIRE(keep_wal(what));
    CHECK_FALSE(has_kept_wal(what.kept_dir, IncarnationId{"00000000000000aa"}));  // the oldest made room
    what.limit_bytes = 2 * megabyte;
    what.incarnation = IncarnationId{"00000000000000cc"};
    CHECK(keep_wal(what)->find("more than the limit") != std::string::npos);

    // Moved: the segment that it begins in stays up to there, since the last checkpoint may lie in it.
    what.move = true;
    what.until = {};
    what.incarnation = IncarnationId{"00000000000000dd"};
    REQUIRE(keep_wal(what));
    CHECK(list_folder(wal.path()).size() == 3);
    const std::string cut = test::read_text(wal / segment_name(Timeline{1}, 3, megabyte));
    CHECK(cut == std::string(5, 'x') + std::string(megabyte - 5, '\0'));
    REQUIRE(has_kept_wal(what.kept_dir, what.incarnation));
    for (const std::string& name : list_folder(what.kept_dir))
        if (name.ends_with(what.incarnation.v))
            CHECK(test::read_text(what.kept_dir + "/" + name + "/" + segment_name(Timeline{1}, 3, megabyte)) ==
                  std::string(megabyte, 'x'));
}

TEST_CASE("pg_control: short, unknown and nonsensical ones are refused") {
    std::string bytes(8192, '\0');
    put<std::uint64_t>(bytes, 0, 7000000000000000001ULL);
    put<std::uint32_t>(bytes, 8, 1300);
    put<std::uint32_t>(bytes, 16, 1);
    put<std::uint64_t>(bytes, 32, 0x3000028);
    put<std::uint64_t>(bytes, 40, 0x3000000);
    put<std::uint32_t>(bytes, 48, 2);
    const auto control = parse_control_file(bytes);
    REQUIRE(control);
    CHECK(control->system_id == SystemId{"7000000000000000001"});
    CHECK(control->clean());
    CHECK(control->checkpoint == Lsn{0x3000028});
    CHECK(control->redo == Lsn{0x3000000});
    CHECK(control->timeline == Timeline{2});
    put<std::uint32_t>(bytes, 16, 6);
    CHECK_FALSE(parse_control_file(bytes)->clean());
    put<std::uint32_t>(bytes, 16, 99);
    CHECK_FALSE(parse_control_file(bytes));
    put<std::uint32_t>(bytes, 16, 6);
    put<std::uint32_t>(bytes, 8, 1201);
    CHECK(parse_control_file(bytes).error().message.find("13 to 18") != std::string::npos);
    CHECK_FALSE(parse_control_file("short"));
}

TEST_CASE("backup_label says where recovery begins") {
    const auto label = parse_backup_label(
        "START WAL LOCATION: 0/2000028 (file 000000030000000000000002)\nCHECKPOINT LOCATION: 0/2000060\nBACKUP METHOD: "
        "x\n");
    REQUIRE(label);
    CHECK(label->timeline == Timeline{3});
    CHECK(label->checkpoint == Lsn{0x2000060});
    CHECK_FALSE(parse_backup_label(""));
    CHECK_FALSE(parse_backup_label("START WAL LOCATION: 0/2000028 (file 00)\nCHECKPOINT LOCATION: x\n"));
}

}  // namespace pgaf::keeper
