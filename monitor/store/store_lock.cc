#include "monitor/store/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace pgaf::monitor {

Result<StoreLock> StoreLock::take(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error("store: cannot open " + path + ": " + std::strerror(errno) +
                     "; the monitor's user must be able to write there");
    }
    StoreLock lock;
    lock.fd_ = fd;
    // flock belongs to the open file, so a copy in the same process is refused too.
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const int failure = errno;
        if (failure != EWOULDBLOCK) return error("store: cannot lock " + path + ": " + std::strerror(failure));
        char holder[32] = {};
        const ssize_t got = ::pread(fd, holder, sizeof holder - 1, 0);
        const std::string pid = got > 0 ? " (process " + std::string(holder, static_cast<std::size_t>(got)) + ")" : "";
        return error("store: another pgaf-monitor" + pid + " uses the store beside " + path +
                     ": stop it, or set another store path");
    }
    const std::string pid = std::to_string(::getpid());
    // Only for the message above: the lock holds without it.
    if (::ftruncate(fd, 0) == 0) {
        [[maybe_unused]] const ssize_t written = ::pwrite(fd, pid.data(), pid.size(), 0);
    }
    return lock;
}

StoreLock::StoreLock(StoreLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
StoreLock& StoreLock::operator=(StoreLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}
StoreLock::~StoreLock() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace pgaf::monitor
