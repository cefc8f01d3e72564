#include "keeper/postgres/wal_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "keeper/postgres/files.h"

namespace pgaf::keeper {
namespace {

// struct XLogPageHeaderData and XLogLongPageHeaderData (access/xlog_internal.h), the same since 9.3.
constexpr std::size_t info_at = 2;
constexpr std::size_t pageaddr_at = 8;
constexpr std::size_t rem_len_at = 16;
constexpr std::uint32_t short_header_bytes = 24;
constexpr std::size_t sysid_at = 24;
constexpr std::uint32_t long_header_bytes = 40;
constexpr std::uint16_t first_is_contrecord = 0x0001;
constexpr std::uint16_t long_header = 0x0002;
constexpr std::uint16_t overwrite_contrecord = 0x0008;
constexpr std::size_t chunk_bytes = std::size_t{256} << 10;

template <class T>
T field(const unsigned char* bytes, std::size_t at) {
    T value;
    std::memcpy(&value, bytes + at, sizeof value);
    return value;
}

bool hex(std::string_view text, std::uint32_t& value) {
    const auto r = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return r.ec == std::errc{} && r.ptr == text.data() + text.size();
}

}  // namespace

std::string segment_name(Timeline timeline, std::uint64_t segment, std::uint64_t segment_bytes) {
    const std::uint64_t per_log = 0x100000000ULL / segment_bytes;
    char name[32];
    std::snprintf(name, sizeof name, "%08X%08X%08X", timeline.v, static_cast<unsigned>(segment / per_log),
                  static_cast<unsigned>(segment % per_log));
    return name;
}

bool parse_segment_name(const std::string& name, SegmentName& out) {
    if (name.size() != 24) return false;
    const std::string_view text = name;
    return hex(text.substr(0, 8), out.timeline.v) && hex(text.substr(8, 8), out.log) &&
           hex(text.substr(16, 8), out.number);
}

Lsn segment_start(const SegmentName& name, std::uint64_t segment_bytes) {
    return Lsn{(static_cast<std::uint64_t>(name.log) << 32) + name.number * segment_bytes};
}

Result<std::uint64_t> segment_size(const std::string& wal_dir) {
    const auto names = read_folder(wal_dir);
    if (!names) return names.error();
    SegmentName parsed;
    for (const std::string& name : *names) {
        if (!parse_segment_name(name, parsed)) continue;
        struct stat info {};
        if (::stat((wal_dir + "/" + name).c_str(), &info) != 0) {
            if (errno == ENOENT) continue;
            return file_error("looking at", wal_dir + "/" + name, errno);
        }
        if (!S_ISREG(info.st_mode)) continue;
        const auto size = static_cast<std::uint64_t>(info.st_size);
        if (size >= (1U << 20) && size <= (1U << 30) && (size & (size - 1)) == 0) return size;
    }
    return std::uint64_t{0};
}

WalFiles::WalFiles(std::string wal_dir, std::uint64_t segment_bytes, std::vector<Leg> way, SystemId system,
                   std::vector<std::string> hidden, ReadAt read_at)
    : wal_dir_(std::move(wal_dir)),
      segment_bytes_(segment_bytes),
      way_(std::move(way)),
      system_(std::move(system)),
      hidden_(std::move(hidden)),
      read_at_(read_at ? std::move(read_at) : ReadAt(&::pread)),
      chunk_(chunk_bytes) {}

WalFiles::~WalFiles() {
    if (fd_ >= 0) ::close(fd_);
}

/// As XLogFileReadAnyTLI: the newest timeline of the way that has begun by this segment and has a file of it. Only a
/// file that is not there sends it to an older timeline.
bool WalFiles::open_segment(std::uint64_t segment) {
    if (segment == open_segment_) return fd_ >= 0;
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    open_segment_ = segment;
    chunk_size_ = 0;
    for (auto leg = way_.rbegin(); leg != way_.rend(); ++leg) {
        if (segment < leg->begin.v / segment_bytes_) continue;
        const std::string name = segment_name(leg->timeline, segment, segment_bytes_);
        if (std::find(hidden_.begin(), hidden_.end(), name) != hidden_.end()) continue;
        open_path_ = wal_dir_ + "/" + name;
        fd_ = ::open(open_path_.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd_ < 0 && errno == ENOENT) continue;
        if (fd_ < 0) {
            trouble_ = file_error("reading WAL in", open_path_, errno);
            return false;
        }
        open_leg_ = *leg;
        return true;
    }
    return false;
}

std::string WalFiles::repeated_until(Lsn end) const {
    return fd_ >= 0 && end < open_leg_.begin ? segment_name(open_leg_.timeline, open_segment_, segment_bytes_)
                                             : std::string{};
}

bool WalFiles::check_header() {
    const unsigned char* bytes = page_.bytes;
    const auto info = field<std::uint16_t>(bytes, info_at);
    if (field<std::uint16_t>(bytes, 0) == 0) return false;
    if (field<std::uint64_t>(bytes, pageaddr_at) != page_.at.v) return false;
    const bool first = page_.at.v % segment_bytes_ == 0;
    if (first != ((info & long_header) != 0)) return false;
    if (first && !system_.empty() && std::to_string(field<std::uint64_t>(bytes, sysid_at)) != system_.v) return false;
    page_.header_bytes = first ? long_header_bytes : short_header_bytes;
    page_.continues_record = (info & first_is_contrecord) != 0;
    page_.overwrites_record = (info & overwrite_contrecord) != 0;
    page_.remaining = field<std::uint32_t>(bytes, rem_len_at);
    return true;
}

/// Fewer bytes than asked for: the file ends there.
bool WalFiles::fill_chunk(std::uint64_t from) {
    chunk_at_ = from;
    chunk_size_ = 0;
    while (chunk_size_ < chunk_bytes) {
        const auto at = static_cast<off_t>(chunk_at_ % segment_bytes_ + chunk_size_);
        const ssize_t got = read_at_(fd_, chunk_.data() + chunk_size_, chunk_bytes - chunk_size_, at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            trouble_ = file_error("reading WAL in", open_path_, errno);
            chunk_size_ = 0;
            return false;
        }
        if (got == 0) break;
        chunk_size_ += static_cast<std::size_t>(got);
    }
    return true;
}

const WalPage* WalFiles::page(Lsn at) {
    if (trouble_ || !open_segment(at.v / segment_bytes_)) return nullptr;
    if (at.v < chunk_at_ || at.v + wal_page_bytes > chunk_at_ + chunk_size_) {
        if (!fill_chunk(at.v / chunk_bytes * chunk_bytes)) return nullptr;
        if (at.v + wal_page_bytes > chunk_at_ + chunk_size_) return nullptr;
    }
    page_.bytes = chunk_.data() + (at.v - chunk_at_);
    page_.at = at;
    page_.timeline = open_leg_.timeline;
    return check_header() ? &page_ : nullptr;
}

}  // namespace pgaf::keeper
