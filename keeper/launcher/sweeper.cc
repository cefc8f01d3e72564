#include "keeper/launcher/sweeper.h"

#include <sys/epoll.h>

#include <csignal>

#include "keeper/launcher/process.h"

namespace pgaf::launcher {
namespace {

constexpr std::size_t max_waited = 64;
/// The logging collector ends by itself as soon as all who write to it are gone.
constexpr Millis logger_grace{100};
constexpr Millis complain_after{5000};

bool is_logger(pid_t pid) {
    const auto title = process_title(pid);
    return title.starts_with("postgres: ") && title.find(": logger ") != std::string::npos;
}

}  // namespace

Sweeper::Sweeper(EventLoop& loop, const FolderUsers& users, std::function<std::set<pid_t>()> spared,
                 std::function<void()> reap, Log log)
    : loop_(loop), users_(users), spared_(std::move(spared)), reap_(std::move(reap)), log_(std::move(log)) {}

Sweeper::~Sweeper() {
    forget_all();
}

void Sweeper::forget_all() {
    for (const auto& [pid, fd] : waited_) loop_.forget(fd.get());
    waited_.clear();
    loop_.cancel(logger_timer_);
    loop_.cancel(complain_timer_);
    logger_timer_ = complain_timer_ = 0;
}

void Sweeper::sweep(bool spare_logger, std::function<void()> done) {
    done_ = std::move(done);
    spare_logger_ = spare_logger;
    look();
}

/// Kills what is there and begins to wait for it. False: nothing was there.
bool Sweeper::kill_what_is_left() {
    reap_();
    const auto found = users_.find(spared_());
    foreign_ = found.foreign_postmaster;
    pids_.clear();
    for (const auto& process : found.leftovers) {
        auto fd = open_exactly(process);
        if (!fd) continue;
        if (spare_logger_ && is_logger(process.pid)) {
            if (logger_timer_ == 0)
                logger_timer_ = loop_.after(logger_grace, [this] {
                    spare_logger_ = false;
                    look();
                });
        } else {
            // Not SIGQUIT: a backend that runs on after its postmaster may acknowledge a commit at any moment.
            send_signal(fd, SIGKILL);
        }
        pids_ += (pids_.empty() ? "" : " ") + std::to_string(process.pid);
        if (waited_.size() >= max_waited || waited_.contains(process.pid)) continue;
        const int number = fd.get();
        waited_[process.pid] = std::move(fd);
        loop_.watch(number, EPOLLIN, [this, pid = process.pid](std::uint32_t) { gone(pid); });
    }
    return !found.leftovers.empty();
}

void Sweeper::look() {
    // Again when all of it was gone before it could be waited for: it may have left something itself.
    while (kill_what_is_left() && waited_.empty()) {
    }
    if (waited_.empty()) {
        forget_all();
        const auto done = std::exchange(done_, nullptr);
        done();
    } else if (complain_timer_ == 0) {
        complain_timer_ = loop_.after(complain_after, [this] {
            complain_timer_ = 0;
            log_.warning("sweep_slow", "processes of the data folder were killed and do not end: is a disk stuck?",
                         {{"pids", pids_}});
            look();
        });
    }
}

void Sweeper::gone(pid_t pid) {
    const auto found = waited_.find(pid);
    loop_.forget(found->second.get());
    waited_.erase(found);
    // What it left may have been forked since the last look.
    if (waited_.empty()) look();
}

}  // namespace pgaf::launcher
