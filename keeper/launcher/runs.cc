#include "keeper/launcher/runs.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <vector>

#include "common/launcher_protocol.h"

namespace pgaf::launcher {
namespace {

constexpr std::size_t max_runs = 8;
/// initdb removes what it has made when it is asked to end; that takes a moment.
constexpr Millis kill_grace{2000};
/// A process that left the group and holds the output open is not waited for.
constexpr Millis drain_grace{1000};

}  // namespace

Runs::Runs(EventLoop& loop, Callbacks callbacks, Log log)
    : loop_(loop), callbacks_(std::move(callbacks)), log_(std::move(log)) {}

Runs::~Runs() {
    for (auto& [pid, run] : runs_) {
        close_stream(run->out);
        close_stream(run->err);
        loop_.cancel(run->kill_timer);
        loop_.cancel(run->drain_timer);
        ::kill(-pid, SIGKILL);
    }
}

Result<pid_t> Runs::start(std::uint64_t id, Command command, bool writes) {
    const auto program = std::filesystem::path(command.path).filename().string();
    for (const auto& [pid, run] : runs_)
        if (run->id == id && !run->abandoned)
            return error("a program of the request " + std::to_string(id) + " is under way");
    if (runs_.size() >= max_runs) return error("too many programs under way: wait until one has ended");
    int out[2];
    int err[2];
    if (::pipe2(out, O_CLOEXEC) != 0) return error(std::string("pipe: ") + std::strerror(errno));
    Fd out_reader(out[0]);
    const Fd out_writer(out[1]);
    if (::pipe2(err, O_CLOEXEC) != 0) return error(std::string("pipe: ") + std::strerror(errno));
    Fd err_reader(err[0]);
    const Fd err_writer(err[1]);
    ::fcntl(out_reader.get(), F_SETFL, O_NONBLOCK);
    ::fcntl(err_reader.get(), F_SETFL, O_NONBLOCK);

    command.out = out_writer.get();
    command.err = err_writer.get();
    command.death_signal = SIGKILL;
    const auto pid = spawn(command);
    if (!pid) return pid;
    const LineBuffer lines(max_output_bytes, LineBuffer::Overlong::split);
    auto run = std::make_shared<Run>(Run{.id = id,
                                         .program = program,
                                         .writes = writes,
                                         .group = *pid,
                                         .out = {"stdout", std::move(out_reader), lines},
                                         .err = {"stderr", std::move(err_reader), lines}});
    runs_[*pid] = run;
    if (reading_) {
        watch(run, run->out);
        watch(run, run->err);
    }
    log_.info("run_started", "the keeper asked for it", {{"run", id}, {"program", program}, {"pid", *pid}});
    return pid;
}

void Runs::watch(const std::shared_ptr<Run>& run, Stream& stream) {
    if (!stream.fd) return;
    loop_.watch(stream.fd.get(), EPOLLIN, [this, run, &stream](std::uint32_t) {
        read(*run, stream);
        finish_if_over(*run);
    });
}

void Runs::read(Run& run, Stream& stream) {
    // Bounded: a program that never pauses must not keep the launcher from its other duties.
    for (int rounds = 0; rounds < 8 && stream.fd && reading_; ++rounds) {
        char buffer[16 * 1024];
        const auto got = ::read(stream.fd.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        std::vector<std::string> lines;
        // A stream that is split is never refused.
        if (got > 0) static_cast<void>(stream.lines.feed({buffer, static_cast<std::size_t>(got)}, lines));
        if (got <= 0) stream.lines.end(lines);
        if (got <= 0) close_stream(stream);
        tell(run, stream, lines);
    }
}

void Runs::tell(const Run& run, const Stream& stream, const std::vector<std::string>& lines) {
    if (run.abandoned) return;
    for (const auto& line : lines) callbacks_.output(run.id, stream.name, line);
}

void Runs::close_stream(Stream& stream) {
    if (!stream.fd) return;
    loop_.forget(stream.fd.get());
    stream.fd.reset();
}

void Runs::set_reading(bool reading) {
    reading_ = reading;
    for (auto& [pid, run] : runs_)
        for (auto* stream : {&run->out, &run->err}) {
            if (reading)
                watch(run, *stream);
            else if (stream->fd)
                loop_.forget(stream->fd.get());
        }
}

bool Runs::end(std::uint64_t id) {
    for (auto& [pid, run] : runs_)
        if (run->id == id && !run->abandoned) return end(*run), true;
    return false;
}

void Runs::end(Run& run) {
    if (run.kill_timer != 0 || run.leader_gone) return;
    log_.info("run_ending", "it was asked to end", {{"run", run.id}, {"program", run.program}});
    ::kill(-run.group, SIGTERM);
    run.kill_timer = loop_.after(kill_grace, [group = run.group] { ::kill(-group, SIGKILL); });
}

void Runs::abandon_all() {
    for (auto& [pid, run] : runs_) {
        run->abandoned = true;
        end(*run);
    }
}

void Runs::drain_later(const std::shared_ptr<Run>& run) {
    run->drain_timer = loop_.after(drain_grace, [this, run] {
        if (!reading_) return drain_later(run);  // the keeper is slow, not the output
        close_stream(run->out);
        close_stream(run->err);
        finish_if_over(*run);
    });
}

bool Runs::reaped(pid_t pid, int status) {
    const auto found = runs_.find(pid);
    if (found == runs_.end()) return false;
    const auto run = found->second;
    run->leader_gone = true;
    run->code = exit_code_of(status);
    // What it left in its group (a base backup's second process) must not write on.
    ::kill(-run->group, SIGKILL);
    drain_later(run);
    read(*run, run->out);
    read(*run, run->err);
    finish_if_over(*run);
    return true;
}

void Runs::look_for_ended() {
    const auto all = runs_;
    for (const auto& [pid, run] : all) finish_if_over(*run);
}

bool Runs::finish_if_over(Run& run) {
    // The group's number can't have been given to others: its last member was reaped by this process just now.
    if (!run.leader_gone || run.out.fd || run.err.fd || !runs_.contains(run.group) || ::kill(-run.group, 0) == 0)
        return false;
    loop_.cancel(run.kill_timer);
    loop_.cancel(run.drain_timer);
    const auto ended = runs_.extract(run.group).mapped();
    log_.info("run_ended", "it and its group are gone",
              {{"run", ended->id}, {"program", ended->program}, {"code", ended->code}});
    if (!ended->abandoned) callbacks_.ended(ended->id, ended->code);
    if (runs_.empty() && when_empty_) std::exchange(when_empty_, nullptr)();
    return true;
}

std::string Runs::writing() const {
    for (const auto& [pid, run] : runs_)
        if (run->writes) return run->program;
    return {};
}

std::set<pid_t> Runs::groups() const {
    std::set<pid_t> result;
    for (const auto& [pid, run] : runs_) result.insert(pid);
    return result;
}

void Runs::when_empty(std::function<void()> callback) {
    if (runs_.empty()) return callback();
    when_empty_ = std::move(callback);
}

}  // namespace pgaf::launcher
