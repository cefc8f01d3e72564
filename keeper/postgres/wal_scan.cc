#include "keeper/postgres/wal_scan.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "keeper/postgres/crc32c.h"
#include "keeper/postgres/files.h"
#include "keeper/postgres/history.h"
#include "keeper/postgres/wal_files.h"

namespace pgaf::keeper {
namespace {

// struct XLogRecord (access/xlogrecord.h), the same since 9.5.
constexpr std::uint32_t record_header_bytes = 24;
constexpr std::size_t prev_at = 8;
constexpr std::size_t info_at = 16;
constexpr std::size_t rmgr_at = 17;
constexpr std::size_t crc_at = 20;
/// XLogRecordMaxSize, and some more.
constexpr std::uint32_t longest_record = std::uint32_t{1021} << 20;
/// How far back a record's beginning is looked for: a longer record there makes the scan give up.
constexpr std::uint64_t farthest_back = std::uint64_t{256} << 20;

constexpr std::uint64_t aligned(std::uint64_t v) {
    return (v + 7) & ~std::uint64_t{7};
}
constexpr std::uint64_t page_of(std::uint64_t v) {
    return v / wal_page_bytes * wal_page_bytes;
}

struct Record {
    Lsn start;
    Lsn end;
    Timeline timeline;
};

/// Reads records one after the other, each checked as PostgreSQL's reader checks it.
class Reader {
  public:
    explicit Reader(WalFiles& files) : files_(files) {}

    /// The record that begins at `at` (or after the page header there). `prev`: start of the one before, if known.
    std::optional<Record> read(Lsn at, std::optional<Lsn> prev);
    /// Where the first record that begins on this page or after it does; nothing when that can't be seen.
    std::optional<Lsn> first_record(std::uint64_t page_at);
    /// After a read() that found no record: the end of the last page that belongs to an incomplete one; 0: none.
    [[nodiscard]] Lsn torn() const { return torn_; }

  private:
    void take(const unsigned char* bytes, std::size_t size);
    bool header_fits(Lsn start, std::optional<Lsn> prev) const;

    WalFiles& files_;
    unsigned char header_[record_header_bytes] = {};
    std::uint32_t got_ = 0;
    std::uint32_t total_ = 0;
    Crc32c crc_;
    Lsn torn_;
};

std::optional<Lsn> Reader::first_record(std::uint64_t page_at) {
    for (;; page_at += wal_page_bytes) {
        const WalPage* page = files_.page(Lsn{page_at});
        if (page == nullptr) return std::nullopt;
        if (!page->continues_record || page->overwrites_record) return Lsn{page_at + page->header_bytes};
        const std::uint64_t after = page_at + page->header_bytes + aligned(page->remaining);
        if (after < page_at + wal_page_bytes) return Lsn{after};
    }
}

/// Adds a piece of the record.
void Reader::take(const unsigned char* bytes, std::size_t size) {
    if (got_ < record_header_bytes) {
        const std::size_t part = std::min<std::size_t>(size, record_header_bytes - got_);
        std::memcpy(header_ + got_, bytes, part);
        bytes += part;
        size -= part;
        got_ += static_cast<std::uint32_t>(part);
    }
    crc_.add(bytes, size);
    got_ += static_cast<std::uint32_t>(size);
}

bool Reader::header_fits(Lsn start, std::optional<Lsn> prev) const {
    std::uint64_t said = 0;
    std::memcpy(&said, header_ + prev_at, sizeof said);
    return prev ? said == prev->v : said < start.v;
}

std::optional<Record> Reader::read(Lsn at, std::optional<Lsn> prev) {
    torn_ = {};
    const WalPage* page = files_.page(Lsn{page_of(at.v)});
    if (page == nullptr) return std::nullopt;
    if (at.v % wal_page_bytes < page->header_bytes) {
        if (page->continues_record && !page->overwrites_record) return std::nullopt;
        at.v = page->at.v + page->header_bytes;
    }
    std::uint64_t offset = at.v - page->at.v;
    std::memcpy(&total_, page->bytes + offset, sizeof total_);
    if (total_ < record_header_bytes || total_ > longest_record) return std::nullopt;
    got_ = 0;
    crc_ = Crc32c{};
    std::uint64_t end = 0;
    bool header_checked = false;
    for (;;) {
        const std::uint64_t part = std::min<std::uint64_t>(total_ - got_, wal_page_bytes - offset);
        take(page->bytes + offset, part);
        if (!header_checked && got_ >= record_header_bytes) {
            if (!header_fits(at, prev)) {
                torn_ = {};
                return std::nullopt;
            }
            header_checked = true;
        }
        end = page->at.v + offset + part;
        if (got_ == total_) break;
        torn_ = Lsn{page->at.v + wal_page_bytes};
        page = files_.page(Lsn{page->at.v + wal_page_bytes});
        if (page == nullptr) return std::nullopt;
        // The record was given up, and another begins on this page: it follows the same `prev`.
        if (page->overwrites_record) return read(Lsn{page->at.v}, prev);
        if (!page->continues_record || page->remaining != total_ - got_) return std::nullopt;
        offset = page->header_bytes;
    }
    std::uint32_t wanted = 0;
    std::memcpy(&wanted, header_ + crc_at, sizeof wanted);
    crc_.add(header_, crc_at);
    torn_ = {};
    if (crc_.value() != wanted) return std::nullopt;
    // After a switch record the rest of the segment is empty.
    const bool is_switch = header_[rmgr_at] == 0 && (header_[info_at] & 0xF0) == 0x40;
    const std::uint64_t segment = files_.segment_bytes();
    end = is_switch ? (end + segment - 1) / segment * segment : aligned(end);
    return Record{at, Lsn{end}, page->timeline};
}

/// The start of a record before `from`, so that the prev link of the one at `from` can be checked: the rest of a page
/// that is being filled may hold a stale record with a good CRC.
std::optional<Lsn> record_before(Reader& reader, Lsn from) {
    if (from.v == 0) return std::nullopt;
    for (std::uint64_t page = page_of(from.v - 1); page + farthest_back > from.v; page -= wal_page_bytes) {
        const auto first = reader.first_record(page);
        if (first && *first < from) return first;
        if (page == 0) break;
    }
    return std::nullopt;
}

Timeline owner(const std::vector<Leg>& way, Timeline file, Lsn end) {
    Timeline owner = way.front().timeline;
    for (const Leg& leg : way)
        if (leg.timeline <= file && leg.begin < end) owner = leg.timeline;
    return owner;
}

using ScanResult = boost::system::result<WalEnd, ScanError>;

struct Seen {
    ScanResult end;
    /// The file in which it ended, when an older timeline's may hold more (WalFiles::repeated_until).
    std::string repeated;
};

Seen read_to_end(const WalScan& scan, WalFiles& files) {
    Reader reader(files);
    const auto start = record_before(reader, scan.from);
    Lsn at = start.value_or(scan.from);
    std::optional<Record> last;
    while (const auto record = reader.read(at, last ? std::optional(last->start) : std::nullopt)) {
        last = record;
        at = record->end;
    }
    // Not even the record before `from` is there: what was read ends before it.
    const std::string repeated = files.repeated_until(last || at.v == 0 ? at : Lsn{at.v - 1});
    if (!last || at < scan.from)
        return {ScanError(error("WAL in " + scan.wal_dir + " can't be read from " + scan.from.text() +
                                " on: no complete record at " + at.text() +
                                "; if it was removed or damaged, reset this node so that it is cloned anew"),
                          true),
                repeated};
    const std::uint64_t segment = files.segment_bytes();
    WalEnd end{owner(files.way(), last->timeline, last->end), last->start, last->end, {}, segment, {}};
    if (reader.torn().v / segment > last->end.v / segment) end.torn = reader.torn();
    return {end, repeated};
}

}  // namespace

Result<Timeline> timeline_at(const WalScan& scan, Lsn at) {
    const auto histories = read_histories(scan.wal_dir);
    if (!histories) return histories.error();
    const auto segment = segment_size(scan.wal_dir);
    if (!segment) return segment.error();
    if (*segment == 0) return error("there is no WAL segment in " + scan.wal_dir);
    const auto way = newest_way(*histories, scan.timeline, scan.anchor);
    for (auto leg = way.rbegin(); leg != way.rend(); ++leg) {
        if (leg->begin >= at) continue;
        const std::string path = scan.wal_dir + "/" + segment_name(leg->timeline, (at.v - 1) / *segment, *segment);
        if (::access(path.c_str(), F_OK) == 0) return leg->timeline;
        if (errno != ENOENT) return file_error("looking at", path, errno);
    }
    return scan.timeline;
}

boost::system::result<WalEnd, ScanError> find_wal_end(const WalScan& scan) {
    const auto histories = read_histories(scan.wal_dir);
    if (!histories) return ScanError(histories.error());
    const auto segment = segment_size(scan.wal_dir);
    if (!segment) return ScanError(segment.error());
    if (*segment == 0) {
        ScanError none(error("there is no WAL segment in " + scan.wal_dir +
                             "; is its disk mounted? If its WAL was removed, reset this node so that it is cloned "
                             "anew"));
        none.empty = true;
        return none;
    }
    const auto way = newest_way(*histories, scan.timeline, scan.anchor);
    std::vector<std::string> hidden;
    std::optional<ScanResult> furthest;
    for (;;) {
        WalFiles files(scan.wal_dir, *segment, way, scan.system_id, hidden);
        auto seen = read_to_end(scan, files);
        if (files.trouble()) return ScanError(files.trouble()->in("the end of WAL is not known"));
        if (seen.end) seen.end->unfinished = hidden;
        const bool further = !furthest || (seen.end && (!*furthest || (*furthest)->complete < seen.end->complete));
        if (further) furthest = seen.end;
        if (seen.repeated.empty()) return *furthest;
        hidden.push_back(seen.repeated);
    }
}

}  // namespace pgaf::keeper
