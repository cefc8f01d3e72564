#include "keeper/launcher/server_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

namespace pgaf::launcher {
namespace {

constexpr std::size_t max_tail_bytes = 8 * 1024;
constexpr std::size_t max_tail_lines = 20;
/// Unwritten output of more than this stays in the pipe: PostgreSQL waits, as it would on standard error itself.
constexpr std::size_t max_unwritten_bytes = 256 * 1024;
/// What a pipe that reports room takes without blocking.
constexpr std::size_t chunk_bytes = 4096;

}  // namespace

std::vector<std::string> last_lines_of(const std::string& text, std::size_t count, bool first_is_partial) {
    std::vector<std::string> lines;
    std::istringstream rest(text);
    for (std::string line; std::getline(rest, line);) lines.push_back(std::move(line));
    if (first_is_partial && lines.size() > 1) lines.erase(lines.begin());
    if (lines.size() > count) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
    return lines;
}

ServerLog::~ServerLog() {
    if (pipe_) loop_.forget(pipe_.get());
    wait_for_room(false);
}

Result<Fd> ServerLog::open() {
    tail_.clear();
    if (!file_.empty()) {
        Fd file(::open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
        if (!file) return error("cannot open PostgreSQL's log file " + file_ + ": " + std::strerror(errno));
        struct stat entry {};
        begin_ = ::fstat(file.get(), &entry) == 0 ? entry.st_size : 0;
        return file;
    }
    if (pipe_) loop_.forget(pipe_.get());
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return error(std::string("pipe for PostgreSQL's log: ") + std::strerror(errno));
    pipe_.reset(ends[0]);
    ::fcntl(pipe_.get(), F_SETFL, O_NONBLOCK);
    loop_.watch(pipe_.get(), EPOLLIN, [this](std::uint32_t) { on_readable(); });
    return Fd(ends[1]);
}

void ServerLog::on_readable() {
    while (unwritten_.size() < max_unwritten_bytes) {
        char buffer[chunk_bytes];
        const auto got = ::read(pipe_.get(), buffer, sizeof buffer);
        if (got < 0) break;  // empty
        if (got == 0) {      // nobody writes to it any more
            loop_.forget(pipe_.get());
            pipe_.reset();
            break;
        }
        unwritten_.append(buffer, static_cast<std::size_t>(got));
        tail_.append(buffer, static_cast<std::size_t>(got));
        if (tail_.size() > 2 * max_tail_bytes) tail_.erase(0, tail_.size() - max_tail_bytes);
    }
    pass_on();
}

void ServerLog::pass_on() {
    while (!unwritten_.empty()) {
        pollfd room{STDERR_FILENO, POLLOUT, 0};
        if (::poll(&room, 1, 0) == 0) return wait_for_room(true);
        const auto put = ::write(STDERR_FILENO, unwritten_.data(), std::min(unwritten_.size(), chunk_bytes));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) return wait_for_room(true);
        // Standard error that is closed or broken takes nothing, now or later.
        if (put < 0) unwritten_.clear();
        if (put > 0) unwritten_.erase(0, static_cast<std::size_t>(put));
    }
    wait_for_room(false);
}

void ServerLog::wait_for_room(bool wait) {
    if (wait == waiting_for_room_) return;
    waiting_for_room_ = wait;
    if (!wait) {
        loop_.forget(STDERR_FILENO);
        if (pipe_) loop_.watch(pipe_.get(), EPOLLIN, [this](std::uint32_t) { on_readable(); });
        return;
    }
    // Not read from meanwhile: then PostgreSQL waits once the pipe is full.
    if (pipe_) loop_.forget(pipe_.get());
    loop_.watch(STDERR_FILENO, EPOLLOUT, [this](std::uint32_t) { pass_on(); });
}

std::vector<std::string> ServerLog::last_lines() {
    if (file_.empty()) {
        if (pipe_) on_readable();
        const bool cut = tail_.size() > max_tail_bytes;
        return last_lines_of(cut ? tail_.substr(tail_.size() - max_tail_bytes) : tail_, max_tail_lines, cut);
    }
    const Fd file(::open(file_.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat entry {};
    if (!file || ::fstat(file.get(), &entry) != 0) return {"(the log file " + file_ + " can't be read)"};
    // A file that was cut or replaced since begins anew.
    const long long begin = entry.st_size < begin_ ? 0 : begin_;
    const long long from =
        std::max(begin, static_cast<long long>(entry.st_size) - static_cast<long long>(max_tail_bytes));
    std::string text(max_tail_bytes, '\0');
    const auto got = ::pread(file.get(), text.data(), text.size(), from);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return last_lines_of(text, max_tail_lines, from > begin);
}

}  // namespace pgaf::launcher
