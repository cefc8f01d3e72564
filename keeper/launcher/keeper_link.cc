#include "keeper/launcher/keeper_link.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "common/launcher_protocol.h"

namespace pgaf::launcher {
namespace {

/// More than this unsent: programs are not read from any more.
constexpr std::size_t high_water_bytes = 512 * 1024;
constexpr std::size_t low_water_bytes = 64 * 1024;
/// More than this unsent: the keeper does not read, and is disconnected. It learns everything from the next hello.
constexpr std::size_t max_unsent_bytes = 4 * 1024 * 1024;

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

Fd make_socket(int flags) {
    return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

}  // namespace

KeeperLink::KeeperLink(EventLoop& loop, std::string path, Callbacks callbacks, Log log)
    : loop_(loop),
      path_(std::move(path)),
      callbacks_(std::move(callbacks)),
      log_(std::move(log)),
      lines_(max_line_bytes, LineBuffer::Overlong::refuse) {}

KeeperLink::~KeeperLink() {
    if (connection_) loop_.forget(connection_.get());
    if (!listener_) return;
    loop_.forget(listener_.get());
    ::unlink(path_.c_str());  // the next launcher replaces it anyway
}

Result<> KeeperLink::prepare_folder() const {
    const auto folder = std::filesystem::path(path_).parent_path().string();
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
        return error("cannot create the folder of the socket " + path_ + ": " + std::strerror(errno));
    struct stat entry {};
    if (::stat(folder.c_str(), &entry) != 0) return error("cannot look at " + folder + ": " + std::strerror(errno));
    // Who can rename in the folder can put another socket in this one's place.
    const bool others_write = (entry.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (entry.st_mode & S_ISVTX) == 0;
    if ((entry.st_uid != ::geteuid() && entry.st_uid != 0) || others_write)
        return error("the folder of the socket, " + folder +
                     ", has to belong to this user and be writable by nobody else: chmod 0700 it");
    return {};
}

Result<> KeeperLink::lock_socket() {
    // Not by trying to connect: that would take a living launcher's keeper away from it.
    const auto name = path_ + ".lock";
    Fd file(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return error("cannot create " + name + ": " + std::strerror(errno));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) return error("another pgaf-launcher listens on " + path_ + ": give another --socket");
        return error("cannot lock " + name + ": " + std::strerror(errno));
    }
    lock_ = std::move(file);
    return {};
}

Result<> KeeperLink::remove_stale_socket() const {
    struct stat entry {};
    if (::lstat(path_.c_str(), &entry) != 0) {
        if (errno == ENOENT) return {};
        return error("cannot look at the socket " + path_ + ": " + std::strerror(errno));
    }
    if (!S_ISSOCK(entry.st_mode)) return error(path_ + " exists and is no socket: remove it, or give another --socket");
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT)
        return error("cannot remove the stale socket " + path_ + ": " + std::strerror(errno));
    return {};
}

Result<> KeeperLink::listen() {
    if (auto done = prepare_folder(); !done) return done;
    if (auto done = lock_socket(); !done) return done;
    if (auto done = remove_stale_socket(); !done) return done;
    auto socket = make_socket(SOCK_NONBLOCK);
    if (!socket) return error(std::string("socket: ") + std::strerror(errno));
    const auto address = address_of(path_);
    const auto mask = ::umask(0177);  // 0600 from its first moment on
    const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int reason = errno;
    ::umask(mask);
    if (bound != 0) return error("cannot make the socket " + path_ + ": " + std::strerror(reason));
    if (::listen(socket.get(), 4) != 0) return error("cannot listen on " + path_ + ": " + std::strerror(errno));
    listener_ = std::move(socket);
    loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_one(); });
    return {};
}

void KeeperLink::accept_one() {
    Fd incoming(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!incoming) return;  // it has gone again
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(incoming.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
        (peer.uid != ::geteuid() && peer.uid != 0)) {
        log_.warning("keeper_refused", "a connection of another user was refused", {{"uid", peer.uid}});
        return;
    }
    if (connection_) disconnect("a newer keeper connection replaces it", true);
    connection_ = std::move(incoming);
    lines_ = LineBuffer(max_line_bytes, LineBuffer::Overlong::refuse);
    wants_output_ = false;
    loop_.watch(connection_.get(), EPOLLIN, [this](std::uint32_t events) { on_connection_event(events); });
    log_.info("keeper_connected", "a keeper has connected", {{"pid", peer.pid}});
    callbacks_.opened();
}

void KeeperLink::disconnect(const std::string& why, bool replaced) {
    if (!connection_) return;
    log_.info("keeper_disconnected", why);
    loop_.forget(connection_.get());
    connection_.reset();
    unsent_.clear();
    if (!std::exchange(roomy_, true)) callbacks_.room(true);
    callbacks_.closed(replaced);
}

void KeeperLink::on_connection_event(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) flush();
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_now();
}

void KeeperLink::read_now() {
    // Bounded, so that a chatty keeper can't keep the launcher from its other duties.
    for (int rounds = 0; rounds < 16 && connection_; ++rounds) {
        char buffer[16 * 1024];
        const auto got = ::recv(connection_.get(), buffer, sizeof buffer, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) return disconnect(got == 0 ? "the keeper has closed the connection" : std::strerror(errno));
        std::vector<std::string> lines;
        const bool fine = lines_.feed({buffer, static_cast<std::size_t>(got)}, lines);
        const int number = connection_.get();
        for (const auto& line : lines) {
            callbacks_.line(line);
            if (connection_.get() != number) return;  // a request may end in a disconnection
        }
        if (!fine) return disconnect("the keeper has sent a line that is too long");
    }
}

void KeeperLink::send(const std::string& line) {
    if (!connection_) return;
    if (unsent_.size() + line.size() > max_unsent_bytes) return disconnect("the keeper does not read what it is sent");
    unsent_ += line;
    flush();
}

void KeeperLink::flush() {
    while (connection_ && !unsent_.empty()) {
        const auto put = ::send(connection_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) break;  // full, or broken: then reading tells
        unsent_.erase(0, static_cast<std::size_t>(put));
    }
    if (connection_) update_interest();
}

void KeeperLink::update_interest() {
    if (wants_output_ == unsent_.empty()) {
        wants_output_ = !unsent_.empty();
        const std::uint32_t events = EPOLLIN | (wants_output_ ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
        loop_.watch(connection_.get(), events, [this](std::uint32_t seen) { on_connection_event(seen); });
    }
    const bool roomy = roomy_ ? unsent_.size() < high_water_bytes : unsent_.size() < low_water_bytes;
    if (roomy == roomy_) return;
    roomy_ = roomy;
    callbacks_.room(roomy);
}

}  // namespace pgaf::launcher
