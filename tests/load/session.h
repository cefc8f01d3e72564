// One connection to PostgreSQL for the load, over libpq's non-blocking calls: every wait has a limit and ends at once
// when the load is stopped. Knows nothing of the log.
#pragma once

#include <libpq-fe.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/result.h"
#include "tests/load/hosts.h"

namespace pgaf::load {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC, the clock of the harness's time.monotonic()
using std::chrono::milliseconds;

/// Nanoseconds of CLOCK_MONOTONIC, as the log has them.
[[nodiscard]] std::int64_t now_ns();

/// A switch that many threads can wait for beside their socket; once thrown it stays so.
class StopSwitch {
  public:
    StopSwitch();
    ~StopSwitch();
    StopSwitch(const StopSwitch&) = delete;
    StopSwitch& operator=(const StopSwitch&) = delete;
    /// Safe in a signal handler.
    void throw_switch() const noexcept;
    [[nodiscard]] bool thrown() const;
    /// Waits until the time has passed or the switch is thrown; true when thrown.
    bool wait_until(Clock::time_point deadline) const;
    [[nodiscard]] int fd() const { return fd_; }

  private:
    int fd_;
};

enum class Wait { ready, timeout, stopped };
/// Waits for poll()'s `events` on a socket.
Wait wait_for(int socket, short events, Clock::time_point deadline, const StopSwitch& stop);

/// What became of a statement.
struct Outcome {
    /// The server said that it is committed, without a warning.
    bool acknowledged = false;
    /// The server said ERROR: nothing of it is committed, now or later. Else, when not acknowledged, it may be.
    bool failed = false;
    /// Timeline of the server that acknowledged; 0: it was not asked for it.
    std::uint32_t timeline = 0;
    /// The columns of the first row, as text.
    std::vector<std::string> row;
    /// Not acknowledged: why.
    std::string reason;
    /// The time limit passed without an answer.
    bool timed_out = false;
};

class Session {
  public:
    /// Connects to one host within the limit; a server that is not what the host's target_session_attrs asks for is an
    /// error like any other.
    static Result<Session> connect(const Host& host, milliseconds limit, const StopSwitch& stop);

    /// Inserts one row in a transaction of its own. After an outcome that is not acknowledged the session is of no
    /// further use.
    Outcome insert(const std::string& run, std::uint32_t writer, std::uint64_t n, milliseconds limit);

    /// Runs a statement; without parameters it may be several, separated by semicolons: all of them or none. When it
    /// returns a row, the last column has to be `timeline_sql`. A session is of no further use after an outcome that is
    /// not acknowledged.
    Outcome run(const std::string& sql, const std::vector<std::string>& parameters, milliseconds limit);

    /// Runs a statement without parameters, and drops what it returns.
    Result<> execute(const std::string& sql, milliseconds limit);
    /// Runs a statement and returns its only value.
    Result<std::string> value(const std::string& sql, milliseconds limit);

    [[nodiscard]] const std::string& server() const { return server_; }
    [[nodiscard]] PGconn* raw() const { return connection_.get(); }

  private:
    using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
    using Answer = std::unique_ptr<PGresult, decltype(&PQclear)>;

    Session(Connection connection, std::string server, const StopSwitch& stop)
        : connection_(std::move(connection)), server_(std::move(server)), stop_(&stop) {}

    /// Sends what is to be sent and waits for the last result of the statement.
    Result<Answer> finish(bool sent, milliseconds limit);
    [[nodiscard]] std::string trouble() const;

    Connection connection_;
    std::string server_;
    const StopSwitch* stop_;
    /// Set by the notice receiver: the statement brought a warning. On the heap, since sessions are moved.
    std::unique_ptr<bool> warned_ = std::make_unique<bool>(false);
    bool timed_out_ = false;
    bool refused_ = false;
};

/// What a primary says when it is asked for its timeline: the name of the WAL file begins with it, in hexadecimal
/// digits.
inline constexpr const char* timeline_sql = "substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)";

}  // namespace pgaf::load
