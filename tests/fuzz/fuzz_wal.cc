// WAL as the keeper reads it to tell where a server's own ends: a folder with valid records over several pages, of
// which the input changes bytes, with or without the record's CRC put right again. The answer is an end or an error; an
// end is found again from itself, and nothing is read beyond what is there.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "keeper/postgres/crc32c.h"
#include "keeper/postgres/wal_files.h"
#include "keeper/postgres/wal_scan.h"
#include "tests/fuzz/fuzz.h"

namespace pgaf::keeper {
namespace {

constexpr std::uint64_t segment_bytes = 1U << 20;
constexpr std::uint64_t start = 3 * segment_bytes;

/// A segment's beginning, written as PostgreSQL writes it: records over page boundaries, a header on each page.
class Segment {
  public:
    Segment() { page_header(0); }

    void record(std::uint32_t length, std::uint8_t fill) {
        std::string bytes(length, static_cast<char>(fill));
        const std::uint64_t at = start + written_.size();
        std::memcpy(bytes.data(), &length, 4);
        std::memset(bytes.data() + 4, 0, 20);
        std::memcpy(bytes.data() + 8, &last_, 8);
        bytes[17] = 1;
        mend(bytes);
        last_ = at;
        for (std::size_t done = 0; done < length;) {
            if (written_.size() % wal_page_bytes == 0) page_header(static_cast<std::uint32_t>(length - done));
            const auto room = wal_page_bytes - written_.size() % wal_page_bytes;
            const auto now = std::min<std::size_t>(room, length - done);
            written_.append(bytes, done, now);
            done += now;
        }
        while (written_.size() % 8 != 0) written_.push_back('\0');
    }
    [[nodiscard]] std::string& bytes() { return written_; }

    /// The CRC of the record that lies at the beginning of `bytes`, as far as it lies within them.
    static void mend(std::string& bytes, std::size_t at = 0) {
        std::uint32_t length = 0;
        if (bytes.size() - at < 24) return;
        std::memcpy(&length, bytes.data() + at, 4);
        if (length < 24 || length > bytes.size() - at) return;
        const auto* data = reinterpret_cast<const unsigned char*>(bytes.data()) + at;
        Crc32c crc;
        crc.add(data + 24, length - 24);
        crc.add(data, 20);
        const std::uint32_t value = crc.value();
        std::memcpy(bytes.data() + at + 20, &value, 4);
    }

  private:
    void page_header(std::uint32_t remaining) {
        const std::uint64_t at = start + written_.size();
        std::string header(written_.empty() ? 40 : 24, '\0');
        const std::uint16_t magic = 0xD110;
        const auto info = static_cast<std::uint16_t>((written_.empty() ? 2 : 0) | (remaining > 0 ? 1 : 0));
        const std::uint32_t timeline = 1;
        std::memcpy(header.data(), &magic, 2);
        std::memcpy(header.data() + 2, &info, 2);
        std::memcpy(header.data() + 4, &timeline, 4);
        std::memcpy(header.data() + 8, &at, 8);
        std::memcpy(header.data() + 16, &remaining, 4);
        if (written_.empty()) {
            const std::uint64_t system = 42;
            const auto size = static_cast<std::uint32_t>(segment_bytes);
            std::memcpy(header.data() + 24, &system, 8);
            std::memcpy(header.data() + 32, &size, 4);
            std::memcpy(header.data() + 36, &wal_page_bytes, 4);
        }
        written_ += header;
    }

    std::string written_;
    std::uint64_t last_ = 0;
};

std::string make_segment(FuzzedDataProvider& input) {
    Segment segment;
    const auto records = input.ConsumeIntegralInRange<int>(1, 12);
    for (int i = 0; i < records; ++i)
        segment.record(input.ConsumeIntegralInRange<std::uint32_t>(24, 20000), input.ConsumeIntegral<std::uint8_t>());
    std::string bytes = segment.bytes();
    bytes.resize(std::max<std::size_t>(bytes.size(), 4 * wal_page_bytes) / wal_page_bytes * wal_page_bytes +
                 wal_page_bytes);
    while (input.remaining_bytes() > 0) {
        const auto at = input.ConsumeIntegralInRange<std::size_t>(0, bytes.size() - 1);
        const auto put = input.ConsumeRandomLengthString(64);
        bytes.replace(at, std::min(put.size(), bytes.size() - at), put, 0, std::min(put.size(), bytes.size() - at));
        if (input.ConsumeBool()) Segment::mend(bytes, at / 8 * 8);
    }
    return bytes;
}

}  // namespace
}  // namespace pgaf::keeper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pgaf;
    using fuzz::require;
    static const fuzz::Folder folder;
    FuzzedDataProvider input(data, size);
    const auto file =
        folder.write(keeper::segment_name(Timeline{1}, 3, keeper::segment_bytes), keeper::make_segment(input));
    std::filesystem::resize_file(file, keeper::segment_bytes);

    keeper::WalScan scan;
    scan.wal_dir = folder.path("");
    scan.timeline = Timeline{1};
    scan.anchor = scan.from = Lsn{keeper::start + 40};
    const auto end = keeper::find_wal_end(scan);
    if (!end) {
        require(!end.error().message.empty(), "an error has a message");
        return 0;
    }
    require(end->complete >= scan.from && end->complete <= Lsn{keeper::start + keeper::segment_bytes},
            "an end within the folder");
    require(end->last_record < end->complete, "the last record lies before its end");
    scan.from = end->complete;
    const auto again = keeper::find_wal_end(scan);
    require(again && again->complete == end->complete, "from its end on, there is no other");
    return 0;
}
