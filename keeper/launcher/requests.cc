// What the launcher does on each request of the keeper: one function a request.
#include <algorithm>
#include <memory>

#include "keeper/launcher/launcher.h"
#include "keeper/launcher/process.h"

namespace pgaf::launcher {
namespace {

bool writes_data(const std::string& program) {
    return program == "initdb" || program == "pg_basebackup" || program == "pg_rewind";
}

}  // namespace

void Launcher::answer(std::uint64_t id, const Result<>& result) {
    link_.send(result ? ok_line(id) : error_line(id, result.error().message));
}

Result<> Launcher::may_start() const {
    if (ending_ || leaving_) return error("the launcher is about to end: nothing is started any more");
    if (const auto program = runs_.writing(); !program.empty())
        return error(program + " is still at work on the data folder: wait until it has ended");
    if (!postmaster_.stopped())
        return error(postmaster_.pid() != 0 ? "PostgreSQL runs (pid " + std::to_string(postmaster_.pid()) + ")"
                                            : std::string("PostgreSQL is being started or cleared away: wait"));
    return {};
}

void Launcher::handle(std::uint64_t id, StartRequest request) {
    if (auto may = may_start(); !may) return answer(id, may.error());
    if (auto locked = lock_.renew(); !locked) return answer(id, locked.error());
    const auto data = programs_.has_data();
    if (!data) return answer(id, data.error());
    if (!*data)
        return answer(
            id, error("there is no data in " + settings_.data_dir + ": it has to be initialised or cloned first"));
    auto binaries = programs_.find();
    if (!binaries) return answer(id, binaries.error());
    binaries_ = *binaries;
    postmaster_.start(binaries_, std::move(request.args), [this, id, connection = connection_](Result<pid_t> pid) {
        if (connection == connection_)
            return link_.send(pid ? pid_line(id, *pid) : error_line(id, pid.error().message));
        // Who has come since was told that a start is under way (R4: until it is over, that node is not stopped).
        link_.send(pid ? started_line(*pid) : start_failed_line(pid.error().message));
    });
}

void Launcher::handle(std::uint64_t id, const StopRequest& request) {
    postmaster_.stop(request.immediate, request.limit, [this, id, connection = connection_](const ExitInfo& exit) {
        if (connection == connection_) link_.send(stopped_line(id, exit.clean, exit.status));
    });
}

void Launcher::handle(std::uint64_t id, const ReloadRequest&) {
    answer(id, postmaster_.reload());
}

void Launcher::handle(std::uint64_t id, const EndProcessRequest& request) {
    // Its answers never outlive the connection: forget_all() when it closes.
    child_ender_.end(postmaster_.pid(), request.pid, request.limit,
                     [this, id](Result<> result) { answer(id, result); });
}

void Launcher::handle(std::uint64_t id, RunRequest request) {
    const bool writes = writes_data(request.program);
    if (writes) {
        if (auto may = may_start(); !may) return answer(id, may.error().in(request.program));
        if (auto locked = lock_.renew(); !locked) return answer(id, locked.error());
    } else if (ending_) {
        return answer(id, error("the launcher is about to end: nothing is started any more"));
    }
    auto binaries = programs_.find();
    if (!binaries) return answer(id, binaries.error());
    binaries_ = *binaries;
    request.environment.push_back(users_.mark());
    const auto pid = runs_.start(id,
                                 Command{.path = binaries_.path(request.program),
                                         .args = std::move(request.args),
                                         .environment = child_environment(request.environment)},
                                 writes);
    link_.send(pid ? pid_line(id, *pid) : error_line(id, pid.error().message));
}

void Launcher::handle(std::uint64_t id, const KillRunRequest& request) {
    if (runs_.end(request.run)) return answer(id, {});
    answer(id, error("no program of the request " + std::to_string(request.run) + " is under way"));
}

void Launcher::handle(std::uint64_t id, const StatusRequest&) {
    link_.send(status_line(id, hello()));
}

void Launcher::handle(std::uint64_t id, const LetGoRequest&) {
    if (!leaving_) return answer(id, error("the launcher was not asked to end"));
    answer(id, {});
    if (!ending_) stop_and_end(false);
}

void Launcher::handle(std::uint64_t id, const DeadlineRequest& request) {
    // Asked for before the keeper had heard of the exit: it is not for whatever is started next.
    if (postmaster_.stopped()) return answer(id, error("no PostgreSQL runs that the deadline would be for"));
    loop_->cancel(deadline_timer_);
    deadline_.reset();
    if (request.limit.v > 0) {
        const auto now = EventLoop::now();
        // Never later than counted from now, should the two clocks differ (time namespaces).
        deadline_ =
            Millis{std::min(now.v + request.limit.v, request.until.value_or(Millis{now.v + request.limit.v}).v)};
        // Wakes the loop; what follows is check_deadline()'s, as at every waking.
        deadline_timer_ = loop_->after(Millis{deadline_->v - now.v}, [this] { check_deadline(); });
    }
    answer(id, {});
}

void Launcher::check_deadline() {
    if (!deadline_over()) return;
    // Only the launcher may have stood still: then a renewal of a moment ago waits in the socket. One that stood still
    // with the machine has expired as well, by its own time.
    link_.read_now();
    if (!deadline_over()) return;
    deadline_.reset();
    if (postmaster_.stopped()) return;
    log_.error("deadline_expired",
               "R8: the keeper has not renewed the deadline in time, PostgreSQL is stopped immediately",
               {{"pid", postmaster_.pid()}});
    postmaster_.expire();
    link_.send(event_line("deadline_expired"));
}

}  // namespace pgaf::launcher
