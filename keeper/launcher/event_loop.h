// The launcher's one thread waits here: descriptors by epoll, timers by one timerfd on CLOCK_BOOTTIME (which runs on
// while the machine sleeps, R8). Knows nothing of what it waits for.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "common/ids.h"
#include "common/result.h"
#include "keeper/launcher/fd.h"

namespace pgaf::launcher {

class EventLoop {
  public:
    /// Called with epoll's events (EPOLLIN, ...).
    using Callback = std::function<void(std::uint32_t events)>;
    using TimerId = std::uint64_t;

    static Result<std::unique_ptr<EventLoop>> make();

    /// False when the descriptor can't be waited for (a regular file). Watching it again replaces what was before.
    bool watch(int fd, std::uint32_t events, Callback callback);
    /// Before the descriptor is closed. Safe inside of any callback, for any descriptor.
    void forget(int fd);

    TimerId after(Millis delay, std::function<void()> callback);
    /// Nothing happens when it has fired already.
    void cancel(TimerId timer);

    /// Called each time the loop wakes, before anything else is looked at.
    void on_wake(std::function<void()> hook) { on_wake_ = std::move(hook); }

    /// Until stop().
    Result<> run();
    void stop() { stopped_ = true; }

    /// CLOCK_BOOTTIME.
    [[nodiscard]] static Millis now();

  private:
    struct Watch {
        int fd = -1;
        Callback callback;
    };
    EventLoop(Fd epoll, Fd timer) : epoll_(std::move(epoll)), timer_(std::move(timer)) {}
    void run_timers();
    void arm();

    Fd epoll_;
    Fd timer_;
    /// By token: a descriptor's number may come again within one batch of events, a token never does.
    std::unordered_map<std::uint64_t, std::shared_ptr<Watch>> watches_;
    std::unordered_map<int, std::uint64_t> tokens_;
    std::map<std::pair<Millis, TimerId>, std::function<void()>> timers_;
    std::function<void()> on_wake_;
    std::uint64_t next_token_ = 1;
    TimerId next_timer_ = 1;
    Millis armed_{-1};
    bool stopped_ = false;
};

}  // namespace pgaf::launcher
