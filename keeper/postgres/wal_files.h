// WAL segment files of a folder, read page by page along the way through the timelines (history.h). Checks page headers
// as PostgreSQL's reader does; knows nothing of records.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/result.h"
#include "keeper/postgres/history.h"

namespace pgaf::keeper {

inline constexpr std::uint64_t wal_page_bytes = 8192;

/// A page's header, as far as a reader needs it.
struct WalPage {
    const unsigned char* bytes = nullptr;
    Lsn at;
    /// Timeline of the file that the page was read from.
    Timeline timeline;
    std::uint32_t header_bytes = 0;
    bool continues_record = false;
    /// The record that would go on here was given up (13.5 and later): a new one begins.
    bool overwrites_record = false;
    std::uint32_t remaining = 0;
};

/// "0000000200000000000000A3" and back. No segment size: the name's three numbers only.
[[nodiscard]] std::string segment_name(Timeline timeline, std::uint64_t segment, std::uint64_t segment_bytes);
struct SegmentName {
    Timeline timeline;
    std::uint32_t log = 0;
    std::uint32_t number = 0;
};
[[nodiscard]] bool parse_segment_name(const std::string& name, SegmentName& out);
/// Where a segment begins.
[[nodiscard]] Lsn segment_start(const SegmentName& name, std::uint64_t segment_bytes);
/// The size of the segments in a pg_wal folder; 0: there is none. An error: the folder can't be read.
[[nodiscard]] Result<std::uint64_t> segment_size(const std::string& wal_dir);

/// pread(2), or a test's.
using ReadAt = std::function<ssize_t(int fd, void* to, std::size_t size, off_t at)>;

class WalFiles {
  public:
    /// `system` empty: not checked. `hidden`: names of segments that are taken for absent.
    WalFiles(std::string wal_dir, std::uint64_t segment_bytes, std::vector<Leg> way, SystemId system,
             std::vector<std::string> hidden = {}, ReadAt read_at = {});
    ~WalFiles();
    WalFiles(const WalFiles&) = delete;
    WalFiles& operator=(const WalFiles&) = delete;

    /// The page at `at` (a multiple of the page size); null when it is not there or not of this place in the WAL: the
    /// end of what was written, unless trouble() says otherwise. Valid until the next call.
    const WalPage* page(Lsn at);
    /// A file or page that is there and could not be read: what lies behind it is not known, so nothing seen before it
    /// is an end (R4). After it there are no pages any more.
    [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }
    /// The segment that was read last, when it belongs to a timeline that begins only after `end`: it repeats an older
    /// timeline's WAL from its start on, and that timeline's file may hold more of it. Empty: it does not.
    [[nodiscard]] std::string repeated_until(Lsn end) const;
    [[nodiscard]] std::uint64_t segment_bytes() const { return segment_bytes_; }
    [[nodiscard]] const std::vector<Leg>& way() const { return way_; }

  private:
    bool open_segment(std::uint64_t segment);
    bool fill_chunk(std::uint64_t from);
    bool check_header();

    std::string wal_dir_;
    std::uint64_t segment_bytes_;
    std::vector<Leg> way_;
    SystemId system_;
    std::vector<std::string> hidden_;
    ReadAt read_at_;
    std::optional<Error> trouble_;
    int fd_ = -1;
    std::string open_path_;
    std::uint64_t open_segment_ = ~std::uint64_t{0};
    Leg open_leg_;
    std::vector<unsigned char> chunk_;
    std::uint64_t chunk_at_ = 0;
    std::size_t chunk_size_ = 0;
    WalPage page_;
};

}  // namespace pgaf::keeper
