#include "keeper/launcher/child_ender.h"

#include <sys/epoll.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "keeper/launcher/proc_scan.h"
#include "keeper/launcher/process.h"

namespace pgaf::launcher {
namespace {

constexpr std::size_t max_waiting = 64;

}  // namespace

ChildEnder::~ChildEnder() {
    forget_all();
}

void ChildEnder::end(pid_t postmaster, pid_t pid, std::optional<Millis> limit, std::function<void(Result<>)> answer) {
    if (waiting_.size() >= max_waiting) return answer(error("too many processes are being ended already"));
    // First the pidfd, then the question whose child it is: so the answer is about the process that gets the signal.
    auto process = open_pidfd(pid);
    const auto info = read_process(pid);
    if (!process || !info || info->dead()) return answer(Result<>{});
    if (postmaster == 0 || info->parent != postmaster)
        return answer(error("process " + std::to_string(pid) + " is no child of the postmaster" +
                            (postmaster == 0 ? ", which does not run" : " " + std::to_string(postmaster)) +
                            ": it is left alone"));
    if (!send_signal(process, SIGTERM) && errno != ESRCH)
        return answer(error("SIGTERM to process " + std::to_string(pid) + ": " + std::strerror(errno)));
    const auto number = next_++;
    auto& waiting = waiting_[number];
    waiting.answer = std::move(answer);
    waiting.process = std::move(process);
    loop_.watch(waiting.process.get(), EPOLLIN, [this, number](std::uint32_t) { finish(number, {}); });
    if (limit)
        waiting.timer = loop_.after(*limit, [this, number, pid] {
            finish(number, error("process " + std::to_string(pid) + " has not ended in time after SIGTERM"));
        });
}

void ChildEnder::finish(std::uint64_t number, Result<> result) {
    auto ended = std::move(waiting_.extract(number).mapped());
    loop_.forget(ended.process.get());
    loop_.cancel(ended.timer);
    ended.answer(std::move(result));
}

void ChildEnder::forget_all() {
    for (auto& [number, waiting] : waiting_) {
        loop_.forget(waiting.process.get());
        loop_.cancel(waiting.timer);
    }
    waiting_.clear();
}

}  // namespace pgaf::launcher
