#include "tests/load/finder.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <sstream>

namespace pgaf::load {
namespace {

/// Between two rounds over all hosts: a round that fails costs the servers real work.
constexpr milliseconds round_pause{10};
constexpr std::size_t longest_answer = 16 * 1024;

class Socket {
  public:
    explicit Socket(int fd) : fd_(fd) {}
    ~Socket() {
        if (fd_ >= 0) close(fd_);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    [[nodiscard]] int fd() const { return fd_; }

  private:
    int fd_;
};

/// The first line of the answer.
Result<std::string> first_line_of(int fd, const std::string& address, Clock::time_point deadline,
                                  const StopSwitch& stop) {
    std::string answer;
    while (answer.find('\n') == std::string::npos && answer.size() < longest_answer) {
        if (wait_for(fd, POLLIN, deadline, stop) != Wait::ready) return error(address + ": no answer in time");
        char buffer[1024];
        const ssize_t count = recv(fd, buffer, sizeof buffer, 0);
        if (count <= 0) return error(address + ": the connection ended before the answer");
        answer.append(buffer, static_cast<std::size_t>(count));
    }
    return answer.substr(0, answer.find('\n'));
}

}  // namespace

Result<Targets> targets_of(const std::string& uri, const std::string& http) {
    Targets targets;
    auto primaries = hosts_of(uri, "read-write");
    if (primaries.has_error()) return primaries.error();
    targets.primaries = std::move(primaries.value());
    auto any = hosts_of(uri, "any");
    if (any.has_error()) return any.error();
    targets.any = std::move(any.value());
    std::istringstream words(http);
    for (std::string word; std::getline(words, word, ',');) targets.http.push_back(word);
    if (!targets.http.empty() && targets.http.size() != targets.any.size())
        return error("the URI names " + std::to_string(targets.any.size()) + " hosts and --http " +
                     std::to_string(targets.http.size()) + " addresses; name one for each host, in the same order");
    return targets;
}

Result<bool> says_primary(const std::string& address, milliseconds limit, const StopSwitch& stop) {
    const Clock::time_point deadline = Clock::now() + limit;
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos) return error(address + " is not host:port");
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints, &found) != 0)
        return error(address + " is no numeric address and port");
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
    const Socket socket(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (socket.fd() < 0) return error(address + ": no socket");
    if (connect(socket.fd(), found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS)
        return error(address + ": can't connect");
    if (wait_for(socket.fd(), POLLOUT, deadline, stop) != Wait::ready)
        return error(address + ": no connection in time");
    const std::string request = "GET /primary HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\n\r\n";
    if (send(socket.fd(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
        return error(address + ": the request could not be sent");
    auto line = first_line_of(socket.fd(), address, deadline, stop);
    if (line.has_error()) return line.error();
    return line.value().find(" 200 ") != std::string::npos;
}

milliseconds patience(milliseconds at_first, std::size_t rounds) {
    constexpr milliseconds most{5000};
    for (std::size_t round = 16; round < rounds && at_first < most; ++round) at_first *= 2;
    return std::min(at_first, most);
}

Finder::Finder(const Targets& targets, By by, std::size_t first, milliseconds limit, const StopSwitch& stop,
               const StopSwitch& cut)
    : targets_(&targets),
      by_(by == By::http && targets.http.empty() ? By::role : by),
      next_(first),
      limit_(limit),
      stop_(&stop),
      cut_(&cut) {}

Result<Session> Finder::connect(std::size_t index, milliseconds limit) {
    if (by_ == By::role) return Session::connect(targets_->primaries[index], limit, *cut_);
    if (by_ == By::http) {
        auto primary = says_primary(targets_->http[index], limit, *cut_);
        if (primary.has_error()) return primary.error();
        if (!primary.value()) return error(targets_->http[index] + " says that it is not the primary");
    }
    return Session::connect(targets_->any[index], limit, *cut_);
}

std::optional<Session> Finder::find() {
    const std::size_t count = targets_->any.size();
    auto session = connect(next_ % count, patience(limit_, tries_ / count));
    if (session.has_value()) {
        tries_ = 0;
        return std::move(session.value());
    }
    ++next_;
    if (++tries_ % count == 0) stop_->wait_until(Clock::now() + round_pause);
    return std::nullopt;
}

Result<> prepare(const Targets& targets, const std::string& sql, milliseconds connect_limit, std::int64_t limit_s,
                 const StopSwitch& stop) {
    const Clock::time_point deadline = Clock::now() + std::chrono::seconds(limit_s);
    std::string last;
    while (Clock::now() < deadline && !stop.thrown()) {
        for (const Host& host : targets.primaries) {
            auto session = Session::connect(host, connect_limit, stop);
            Result<> made =
                session.has_error() ? Result<>(session.error()) : session.value().execute(sql, milliseconds(10'000));
            if (made.has_value()) return {};
            last = made.error().message;
        }
        stop.wait_until(Clock::now() + milliseconds(50));
    }
    return error("no host of the URI took a write in " + std::to_string(limit_s) + " s; the last answer was: " + last);
}

}  // namespace pgaf::load
