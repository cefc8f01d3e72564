#include "tests/load/session.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <stdexcept>

namespace pgaf::load {
namespace {

int millis_left(Clock::time_point deadline) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    // poll() takes an int; a deadline beyond it is as good as none.
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

std::string first_line(const char* text) {
    const std::string message = text != nullptr ? text : "";
    return message.substr(0, message.find('\n'));
}

/// A commit whose wait for its standbys was cancelled is reported as done, with a warning: that is no acknowledgement.
void note_warning(void* warned, const PGresult* notice) {
    const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity != nullptr && std::string(severity) == "WARNING") *static_cast<bool*>(warned) = true;
}

}  // namespace

std::int64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

Wait wait_for(int socket, short events, Clock::time_point deadline, const StopSwitch& stop) {
    for (;;) {
        pollfd fds[2] = {{socket, events, 0}, {stop.fd(), POLLIN, 0}};
        const int count = poll(fds, 2, millis_left(deadline));
        if (fds[0].revents != 0) return Wait::ready;
        if (count > 0) return Wait::stopped;
        if (count == 0) return Wait::timeout;
    }
}

StopSwitch::StopSwitch() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_ < 0) throw std::runtime_error("eventfd: the system has no file descriptor left");
}

StopSwitch::~StopSwitch() {
    close(fd_);
}

void StopSwitch::throw_switch() const noexcept {
    const std::uint64_t one = 1;
    // Can only fail when the counter is full, which means that the switch has been thrown.
    [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

bool StopSwitch::thrown() const {
    return wait_until(Clock::now());
}

bool StopSwitch::wait_until(Clock::time_point deadline) const {
    for (;;) {
        pollfd event = {fd_, POLLIN, 0};
        const int count = poll(&event, 1, millis_left(deadline));
        if (count > 0) return true;
        if (count == 0) return false;
    }
}

Result<Session> Session::connect(const Host& host, milliseconds limit, const StopSwitch& stop) {
    std::vector<const char*> keywords;
    std::vector<const char*> values;
    for (const auto& [keyword, value] : host.parameters) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    const Clock::time_point deadline = Clock::now() + limit;
    Session session(Connection(PQconnectStartParams(keywords.data(), values.data(), 0), &PQfinish), host.name, stop);
    PGconn* const raw = session.raw();
    if (raw == nullptr) return error(host.name + ": out of memory");
    PQsetNoticeReceiver(raw, &note_warning, session.warned_.get());

    PostgresPollingStatusType state = PQstatus(raw) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
        if (state == PGRES_POLLING_FAILED) return error(host.name + ": " + session.trouble());
        const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        const Wait wait = wait_for(PQsocket(raw), events, deadline, stop);
        if (wait == Wait::stopped) return error(host.name + ": stopped");
        if (wait == Wait::timeout)
            return error(host.name + ": no answer in " + std::to_string(limit.count()) + " ms while connecting");
        state = PQconnectPoll(raw);
    }
    if (PQsetnonblocking(raw, 1) != 0) return error(host.name + ": " + session.trouble());
    return session;
}

std::string Session::trouble() const {
    return first_line(PQerrorMessage(raw()));
}

Result<Session::Answer> Session::finish(bool sent, milliseconds limit) {
    timed_out_ = refused_ = false;
    if (!sent) return error(server_ + ": " + trouble());
    const Clock::time_point deadline = Clock::now() + limit;
    for (int left = 1; (left = PQflush(raw())) != 0;) {
        if (left < 0) return error(server_ + ": " + trouble());
        if (wait_for(PQsocket(raw()), POLLOUT | POLLIN, deadline, *stop_) != Wait::ready) {
            timed_out_ = true;
            return error(server_ + ": takes no data");
        }
        if (PQconsumeInput(raw()) == 0) return error(server_ + ": " + trouble());
    }
    Answer last(nullptr, &PQclear);
    for (;;) {
        while (PQisBusy(raw()) != 0) {
            const Wait wait = wait_for(PQsocket(raw()), POLLIN, deadline, *stop_);
            if (wait == Wait::stopped) return error(server_ + ": stopped before the answer came");
            if (wait == Wait::timeout) {
                timed_out_ = true;
                return error(server_ + ": no answer in " + std::to_string(limit.count()) + " ms");
            }
            if (PQconsumeInput(raw()) == 0) return error(server_ + ": " + trouble());
        }
        Answer next(PQgetResult(raw()), &PQclear);
        if (next == nullptr) break;
        const ExecStatusType status = PQresultStatus(next.get());
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
            // FATAL and PANIC end a session that may have committed already; ERROR undoes what it was said about.
            const char* severity = PQresultErrorField(next.get(), PG_DIAG_SEVERITY_NONLOCALIZED);
            refused_ = severity != nullptr && std::string(severity) == "ERROR";
            return error(server_ + ": " + first_line(PQresultErrorMessage(next.get())));
        }
        last = std::move(next);
    }
    if (last == nullptr) return error(server_ + ": no result; " + trouble());
    return last;
}

Outcome Session::insert(const std::string& run_id, std::uint32_t writer, std::uint64_t n, milliseconds limit) {
    // The row and the server's identity come in one round trip.
    static const std::string sql =
        std::string("INSERT INTO pgaf_load_rows (run, writer, n) VALUES ($1, $2::int, $3::bigint) RETURNING ") +
        timeline_sql;
    return run(sql, {run_id, std::to_string(writer), std::to_string(n)}, limit);
}

Outcome Session::run(const std::string& sql, const std::vector<std::string>& parameters, milliseconds limit) {
    std::vector<const char*> values;
    for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
    *warned_ = false;
    const int sent = parameters.empty() ? PQsendQuery(raw(), sql.c_str())
                                        : PQsendQueryParams(raw(), sql.c_str(), static_cast<int>(values.size()),
                                                            nullptr, values.data(), nullptr, nullptr, 0);
    auto answer = finish(sent != 0, limit);
    Outcome outcome;
    outcome.timed_out = timed_out_;
    if (answer.has_error()) {
        outcome.failed = refused_;
        outcome.reason = answer.error().message;
        return outcome;
    }
    PGresult* const result = answer.value().get();
    if (*warned_) {
        outcome.reason = server_ + ": committed with a warning: the wait for the standbys was cancelled";
    } else if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) < 1) {
        outcome.reason = server_ + ": no row came back";
    } else {
        outcome.acknowledged = true;
        if (PQntuples(result) > 0)
            for (int column = 0; column < PQnfields(result); ++column)
                outcome.row.emplace_back(PQgetvalue(result, 0, column));
        if (!outcome.row.empty())
            outcome.timeline = static_cast<std::uint32_t>(std::strtoul(outcome.row.back().c_str(), nullptr, 16));
    }
    return outcome;
}

Result<> Session::execute(const std::string& sql, milliseconds limit) {
    auto answer = finish(PQsendQuery(raw(), sql.c_str()) != 0, limit);
    if (answer.has_error()) return answer.error();
    return {};
}

Result<std::string> Session::value(const std::string& sql, milliseconds limit) {
    auto answer = finish(PQsendQuery(raw(), sql.c_str()) != 0, limit);
    if (answer.has_error()) return answer.error();
    if (PQntuples(answer.value().get()) != 1 || PQnfields(answer.value().get()) != 1)
        return error(server_ + ": one value was expected of: " + sql);
    return std::string(PQgetvalue(answer.value().get(), 0, 0));
}

}  // namespace pgaf::load
