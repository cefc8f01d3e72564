#include "keeper/launcher/event_loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace pgaf::launcher {
namespace {

/// The timerfd's own entry in epoll: no watch ever has this token.
constexpr std::uint64_t timer_token = 0;

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::make() {
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return error(std::string("epoll_create1: ") + std::strerror(errno));
    Fd timer(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    if (!timer) return error(std::string("timerfd_create: ") + std::strerror(errno));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = timer_token;
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, timer.get(), &event) != 0)
        return error(std::string("epoll_ctl: ") + std::strerror(errno));
    return std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll), std::move(timer)));
}

bool EventLoop::watch(int fd, std::uint32_t events, Callback callback) {
    forget(fd);
    const auto token = next_token_++;
    epoll_event event{};
    event.events = events;
    event.data.u64 = token;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return false;
    watches_[token] = std::make_shared<Watch>(Watch{fd, std::move(callback)});
    tokens_[fd] = token;
    return true;
}

void EventLoop::forget(int fd) {
    const auto found = tokens_.find(fd);
    if (found == tokens_.end()) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    watches_.erase(found->second);
    tokens_.erase(found);
}

EventLoop::TimerId EventLoop::after(Millis delay, std::function<void()> callback) {
    const auto id = next_timer_++;
    timers_[{Millis{now().v + std::max<std::int64_t>(delay.v, 0)}, id}] = std::move(callback);
    return id;
}

void EventLoop::cancel(TimerId timer) {
    std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer; });
}

void EventLoop::arm() {
    const Millis next = timers_.empty() ? Millis{-1} : timers_.begin()->first.first;
    if (next == armed_) return;
    armed_ = next;
    itimerspec spec{};
    if (next.v >= 0) {
        // Never 0, which would disarm it.
        const auto at = std::max<std::int64_t>(next.v, 1);
        spec.it_value.tv_sec = at / 1000;
        spec.it_value.tv_nsec = at % 1000 * 1'000'000;
    }
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void EventLoop::run_timers() {
    const auto time = now();
    while (!timers_.empty() && timers_.begin()->first.first <= time) {
        const auto due = timers_.begin();
        const auto callback = std::move(due->second);
        timers_.erase(due);
        callback();
    }
}

Result<> EventLoop::run() {
    epoll_event events[32];
    while (!stopped_) {
        arm();
        const int count = ::epoll_wait(epoll_.get(), events, std::size(events), -1);
        if (count < 0 && errno != EINTR) return error(std::string("epoll_wait: ") + std::strerror(errno));
        if (on_wake_) on_wake_();
        run_timers();
        for (int i = 0; i < count && !stopped_; ++i) {
            const auto token = events[i].data.u64;
            if (token == timer_token) {
                armed_ = Millis{-1};  // it has fired: arm it again, even for a moment that is the same
                std::uint64_t expirations = 0;
                // Only empties it; that nothing is there to read means that it is empty.
                [[maybe_unused]] const auto got = ::read(timer_.get(), &expirations, sizeof expirations);
                continue;
            }
            const auto found = watches_.find(token);
            if (found == watches_.end()) continue;  // forgotten by a callback before
            const auto watch = found->second;       // stays alive while it runs, also when it forgets itself
            watch->callback(events[i].events);
        }
    }
    return {};
}

Millis EventLoop::now() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return Millis{static_cast<std::int64_t>(time.tv_sec) * 1000 + time.tv_nsec / 1'000'000};
}

}  // namespace pgaf::launcher
