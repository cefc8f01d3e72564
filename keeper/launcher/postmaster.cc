#include "keeper/launcher/postmaster.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "keeper/launcher/process.h"

namespace pgaf::launcher {
namespace {

/// A postmaster whose walsenders were ended has little left to do.
constexpr Millis walsender_grace{200};
/// SIGQUIT makes every PostgreSQL process exit at once; one that has not by then is stuck or stopped. For the data,
/// SIGKILL is no worse.
constexpr Millis immediate_grace{1000};

}  // namespace

Error foreign_server(const std::string& data_dir, pid_t pid) {
    return error("a PostgreSQL server that pgaf has not started runs on " + data_dir + " (pid " + std::to_string(pid) +
                 "): stop it: pg_ctl stop -D " + data_dir);
}

Postmaster::Postmaster(EventLoop& loop, Sweeper& sweeper, ServerLog& server_log, const FolderUsers& users,
                       std::string data_dir, std::function<void()> exited, Log log)
    : loop_(loop),
      sweeper_(sweeper),
      server_log_(server_log),
      users_(users),
      data_dir_(std::move(data_dir)),
      exited_(std::move(exited)),
      log_(std::move(log)) {}

Postmaster::~Postmaster() {
    loop_.cancel(escalation_);
}

void Postmaster::start(const Binaries& binaries, std::vector<std::string> args,
                       std::function<void(Result<pid_t>)> answer) {
    state_ = State::starting;
    sweeper_.sweep(false, [this, binaries, args = std::move(args), answer = std::move(answer)] {
        const auto asked = std::exchange(force_, Force::none);
        auto launched = launch(binaries, args);
        state_ = launched ? State::running : State::stopped;
        answer(std::move(launched));
        if (asked != Force::none && state_ == State::running) return apply(asked);
        if (state_ == State::stopped)
            for (auto& waiting : std::exchange(waiting_, {})) waiting(not_running());
    });
}

ExitInfo Postmaster::not_running() const {
    return {"not running", last_exit_ && last_exit_->clean, {}};
}

Result<pid_t> Postmaster::launch(const Binaries& binaries, const std::vector<std::string>& args) {
    // A server that somebody started by hand is neither killed nor joined (R9: nothing but the keeper starts
    // PostgreSQL).
    if (const auto foreign = sweeper_.foreign_postmaster(); foreign != 0) return foreign_server(data_dir_, foreign);
    auto log = server_log_.open();
    if (!log) return log.error();
    std::vector<std::string> all{"-D", data_dir_};
    all.insert(all.end(), args.begin(), args.end());
    const auto pid = spawn({.path = binaries.path("postgres"),
                            .args = std::move(all),
                            .environment = child_environment({users_.mark()}),
                            .out = log->get(),
                            .err = log->get(),
                            .death_signal = SIGQUIT,
                            .new_session = true});
    if (!pid) return pid;
    pid_ = *pid;
    log_.info("postmaster_started", "the keeper asked for it", {{"pid", pid_}, {"version", binaries.version}});
    return pid;
}

void Postmaster::stop(bool immediate, std::optional<Millis> limit, std::function<void(const ExitInfo&)> answer) {
    if (state_ == State::stopped) return answer(not_running());
    waiting_.push_back(std::move(answer));
    if (state_ == State::clearing) return;
    if (state_ == State::starting) {
        force_ = std::max(force_, immediate ? Force::immediate : Force::fast);
        return;
    }
    if (immediate) return apply(Force::immediate);
    apply(Force::fast);
    if (limit && force_ == Force::fast) apply_later(*limit, Force::end_walsenders);
}

void Postmaster::expire() {
    if (state_ == State::stopped) return;
    expired_ = state_ == State::running;
    stop(true, std::nullopt, [](const ExitInfo&) {});
}

void Postmaster::apply_later(Millis delay, Force force) {
    const Millis at{EventLoop::now().v + delay.v};
    if (escalation_ != 0 && escalates_at_ <= at) return;
    loop_.cancel(escalation_);
    escalates_at_ = at;
    escalation_ = loop_.after(delay, [this, force] {
        escalation_ = 0;
        apply(force);
    });
}

void Postmaster::apply(Force force) {
    if (state_ != State::running || force <= force_) return;
    if (force > Force::fast) {
        loop_.cancel(escalation_);
        escalation_ = 0;
    }
    force_ = force;
    switch (force) {
        case Force::none:
            return;
        case Force::fast:
            ::kill(pid_, SIGINT);
            log_.info("stop_fast", "PostgreSQL is asked to stop", {{"pid", pid_}});
            return;
        case Force::end_walsenders:
            end_walsenders();
            return apply_later(walsender_grace, Force::immediate);
        case Force::immediate:
            ::kill(pid_, SIGQUIT);
            log_.info("stop_immediate", "PostgreSQL is stopped without a checkpoint", {{"pid", pid_}});
            return apply_later(immediate_grace, Force::kill);
        case Force::kill:
            // Its children are killed once it is gone (R13).
            ::kill(pid_, SIGKILL);
            log_.warning("stop_kill", "the postmaster did not end by SIGQUIT in time", {{"pid", pid_}});
            return;
    }
}

void Postmaster::end_walsenders() {
    int count = 0;
    for (const auto& process : walsenders_of(pid_))
        if (send_signal(open_exactly(process), SIGTERM)) ++count;
    log_.warning("stop_limit", "the fast stop took too long: walsenders that wait for their standbys are ended",
                 {{"walsenders", count}});
}

Result<> Postmaster::reload() {
    if (state_ != State::running) return error("PostgreSQL does not run: there is nothing to reload");
    if (::kill(pid_, SIGHUP) != 0) return error(std::string("SIGHUP to the postmaster: ") + std::strerror(errno));
    return {};
}

bool Postmaster::reaped(pid_t pid, int status) {
    if (state_ != State::running || pid != pid_) return false;
    status_ = status;
    state_ = State::clearing;
    loop_.cancel(escalation_);
    escalation_ = 0;
    sweeper_.sweep(true, [this] { all_gone(); });
    return true;
}

void Postmaster::all_gone() {
    state_ = State::stopped;
    pid_ = 0;
    ++exits_;
    // A stop that needed force has not waited for its standbys, whatever the exit code says.
    const bool clean = describe_wait_status(status_) == "exit code 0" && force_ <= Force::fast;
    last_exit_ = ExitInfo{describe_wait_status(status_), clean, server_log_.last_lines(), expired_};
    expired_ = false;
    log_.info("postmaster_exited", "it and all that it left are gone",
              {{"status", last_exit_->status}, {"exits", exits_}, {"clean", clean}});
    force_ = Force::none;
    const ExitInfo info = *last_exit_;
    exited_();
    for (auto& answer : std::exchange(waiting_, {})) answer(info);
}

}  // namespace pgaf::launcher
