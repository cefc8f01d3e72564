#include "monitor/store/life_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/crc.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

namespace pgaf::monitor {
namespace {

/// Of one length, so that a text is overwritten as a whole; well below a sector.
constexpr std::size_t text_bytes = 128;

unsigned checksum(const std::string& text) {
    boost::crc_32_type crc;
    crc.process_bytes(text.data(), text.size());
    return crc.checksum();
}

std::string body_of(const StoreLife& life) {
    char text[text_bytes];
    std::snprintf(text, sizeof text, "pgaf store life %s commits %020llu term %020llu", life.life.c_str(),
                  static_cast<unsigned long long>(life.commits), static_cast<unsigned long long>(life.term.v));
    return text;
}

std::string text_of(const StoreLife& life) {
    std::string text = body_of(life);
    char crc[16];
    std::snprintf(crc, sizeof crc, " %08x", checksum(text));
    text += crc;
    text.resize(text_bytes - 1, ' ');
    return text + "\n";
}

Error failed(const std::string& path, const char* what) {
    return error("store: cannot " + std::string(what) + " " + path + ": " + std::strerror(errno) +
                 "; the monitor's user must be able to write it, and the disk must have room");
}

}  // namespace

Result<LifeFile> LifeFile::open(const std::string& path) {
    LifeFile file;
    file.path_ = path;
    file.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file.fd_ < 0) return failed(path, "open");
    return file;
}

LifeFile::LifeFile(LifeFile&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
LifeFile& LifeFile::operator=(LifeFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(fd_, other.fd_);
    return *this;
}
LifeFile::~LifeFile() {
    if (fd_ >= 0) ::close(fd_);
}

bool LifeFile::has_text() const {
    char first = 0;
    return ::pread(fd_, &first, 1, 0) == 1;
}

std::optional<StoreLife> LifeFile::read() const {
    char text[text_bytes + 1] = {};
    if (::pread(fd_, text, text_bytes, 0) != static_cast<ssize_t>(text_bytes)) return std::nullopt;
    StoreLife life;
    char id[17] = {};
    unsigned long long commits = 0;
    unsigned long long term = 0;
    if (std::sscanf(text, "pgaf store life %16[0-9a-f] commits %20llu term %20llu", id, &commits, &term) != 3)
        return std::nullopt;
    life = {id, commits, Term{term}};
    if (text_of(life) != text) return std::nullopt;
    return life;
}

Result<void> LifeFile::note(const StoreLife& life) {
    const std::string text = text_of(life);
    if (::pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) return failed(path_, "write");
    // Begins the write and does not wait; where it is not possible the kernel does so within half a minute.
    (void)::sync_file_range(fd_, 0, static_cast<off_t>(text.size()), SYNC_FILE_RANGE_WRITE);
    return {};
}

Result<void> LifeFile::note_durably(const StoreLife& life) {
    if (const auto noted = note(life); !noted) return noted;
    if (::fsync(fd_) != 0) return failed(path_, "sync");
    const std::string folder = std::filesystem::absolute(path_).parent_path().string();
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = fd >= 0 && ::fsync(fd) == 0;
    const int failure = errno;
    if (fd >= 0) ::close(fd);
    errno = failure;
    return synced ? Result<void>() : failed(folder, "sync");
}

}  // namespace pgaf::monitor
