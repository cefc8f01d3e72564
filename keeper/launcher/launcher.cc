#include "keeper/launcher/launcher.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "common/ids.h"
#include "keeper/launcher/process.h"

namespace pgaf::launcher {

Launcher::Launcher(std::unique_ptr<EventLoop> loop, Settings settings, Log log)
    : loop_(std::move(loop)),
      settings_(std::move(settings)),
      log_(std::move(log)),
      life_(random_id()),
      lock_(settings_.data_dir, log_),
      users_(settings_.data_dir),
      programs_(settings_.data_dir, settings_.bin_dir),
      server_log_(*loop_, settings_.log_file),
      runs_(*loop_,
            {.output = [this](auto run, const char* stream,
                              const auto& text) { link_.send(output_line(run, stream, text)); },
             .ended = [this](auto run, int code) { link_.send(run_ended_line(run, code)); }},
            log_),
      sweeper_(
          *loop_, users_, [this] { return runs_.groups(); }, [this] { reap(); }, log_),
      postmaster_(
          *loop_, sweeper_, server_log_, users_, settings_.data_dir,
          [this] {
              // A deadline is for a server that runs; the next one gets its own.
              deadline_.reset();
              link_.send(exited_line(postmaster_.exits(), *postmaster_.last_exit()));
          },
          log_),
      child_ender_(*loop_),
      link_(*loop_, settings_.socket,
            {.opened =
                 [this] {
                     ++connection_;
                     link_.send(hello_line(hello()));
                 },
             .closed = [this](bool replaced) { on_closed(replaced); },
             .line = [this](std::string_view line) { on_line(line); },
             .room = [this](bool room) { runs_.set_reading(room); }},
            log_) {}

Result<> Launcher::run() {
    if (auto done = prepare(); !done) return done;
    if (auto done = loop_->run(); !done) return done;
    link_.flush();
    if (failure_) return *failure_;
    return {};
}

Result<> Launcher::prepare() {
    if (auto done = take_signals(); !done) return done;
    // R13: orphans of the postmaster become this process's children, and can be waited for.
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return error(std::string("PR_SET_CHILD_SUBREAPER: ") + std::strerror(errno));
    if (auto done = lock_.take(); !done) return done;
    auto binaries = programs_.find();
    if (!binaries) return binaries.error();
    binaries_ = *binaries;
    loop_->on_wake([this] { check_deadline(); });
    // R13: "no postmaster" in the first hello means that nothing of an earlier life is left either.
    sweeper_.sweep(false, [this] { serve(); });
    return {};
}

void Launcher::serve() {
    if (const auto foreign = sweeper_.foreign_postmaster(); foreign != 0)
        return fail(foreign_server(settings_.data_dir, foreign));
    if (auto done = link_.listen(); !done) return fail(done.error());
    log_.info("serving", "waits for a keeper",
              {{"data_dir", settings_.data_dir},
               {"socket", settings_.socket},
               {"bin_dir", binaries_.dir},
               {"version", binaries_.version}});
}

Result<> Launcher::take_signals() {
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);  // the end of a terminal is no reason to stop a database
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGQUIT}) {
        ::signal(number, SIG_DFL);  // a shell that starts it in the background has them ignored, and that is inherited
        ::sigaddset(&set, number);
    }
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_) return error(std::string("signalfd: ") + std::strerror(errno));
    loop_->watch(signals_.get(), EPOLLIN, [this](std::uint32_t) { on_signals(); });
    return {};
}

void Launcher::on_signals() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap();
        else if (info.ssi_signo == SIGTERM)
            leave();
        else
            stop_and_end(ending_);  // asked for again: at once
    }
}

void Launcher::reap() {
    int status = 0;
    bool any = false;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
        any = true;
        if (!runs_.reaped(pid, status)) postmaster_.reaped(pid, status);
    }
    if (any) runs_.look_for_ended();
}

void Launcher::on_line(std::string_view line) {
    auto parsed = parse_request(line);
    if (const auto* wrong = std::get_if<Malformed>(&parsed)) {
        log_.warning("bad_request", wrong->problem, {{"id", wrong->id}});
        return link_.send(error_line(wrong->id, wrong->problem));
    }
    auto& request = std::get<Request>(parsed);
    std::visit([&](auto& operation) { handle(request.id, std::move(operation)); }, request.operation);
}

void Launcher::on_closed(bool replaced) {
    child_ender_.forget_all();
    runs_.abandon_all();
    if (leaving_ && !ending_ && !replaced) {
        log_.info("handover_lost", "the keeper has gone before it let go");
        stop_and_end(false);
    }
}

HelloInfo Launcher::hello() const {
    return {.life = life_,
            .data_dir = settings_.data_dir,
            .bin_dir = binaries_.dir,
            .pg_version = binaries_.version,
            .postmaster = postmaster_.pid(),
            .starting = postmaster_.starting(),
            .exits = postmaster_.exits(),
            .leaving = leaving_,
            .last_exit = postmaster_.last_exit()};
}

void Launcher::leave() {
    if (leaving_ || !link_.connected()) return stop_and_end(false);
    leaving_ = true;
    log_.info("leaving", "asked to end: the keeper may hand over first", {{"limit_ms", settings_.handover_limit}});
    link_.send(event_line("leaving"));
    handover_timer_ = loop_->after(settings_.handover_limit, [this] {
        log_.warning("handover_limit", "the keeper has not let go in time");
        stop_and_end(false);
    });
}

void Launcher::stop_and_end(bool immediate) {
    leaving_ = true;
    loop_->cancel(handover_timer_);
    if (!ending_) runs_.abandon_all();
    const bool first = !std::exchange(ending_, true);
    postmaster_.stop(immediate, std::nullopt, [this, first](const ExitInfo&) {
        if (first) runs_.when_empty([this] { loop_->stop(); });
    });
}

void Launcher::fail(Error error) {
    failure_ = std::move(error);
    loop_->stop();
}

}  // namespace pgaf::launcher
