// A libpq connection on Asio: opened and used without blocking, every wait with a limit. Knows nothing of replication,
// roles or configuration. One coroutine at a time may use a connection; a call that is cancelled or runs into its
// limit closes it, so that no answer of an old question is ever taken for that of a new one.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/result.h"

struct pg_result;

namespace pgaf::keeper {

/// Rows of a result. Columns are found by name; a name that the query does not have is a broken program.
class Rows {
  public:
    explicit Rows(pg_result* result);
    [[nodiscard]] int size() const;
    [[nodiscard]] bool is_null(int row, const char* column) const;
    /// Empty for NULL.
    [[nodiscard]] std::string text(int row, const char* column) const;
    [[nodiscard]] bool flag(int row, const char* column) const { return text(row, column) == "t"; }
    /// 0 for NULL.
    [[nodiscard]] std::int64_t number(int row, const char* column) const;
    [[nodiscard]] Lsn lsn(int row, const char* column) const;

  private:
    [[nodiscard]] int column_index(const char* column) const;
    std::shared_ptr<pg_result> result_;
};

class Connection {
  public:
    explicit Connection(boost::asio::any_io_executor strand);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// `conninfo` as libpq understands it. Closes what was open before.
    boost::asio::awaitable<Result<>> open(std::string conninfo, Millis limit);
    /// One statement with parameters ($1, ...), or several without. Answers the rows of the last one.
    boost::asio::awaitable<Result<Rows>> query(std::string sql, std::vector<std::string> parameters, Millis limit);
    boost::asio::awaitable<Result<Rows>> query(std::string sql, Millis limit) {
        return query(std::move(sql), {}, limit);
    }
    void close();

    [[nodiscard]] bool is_open() const;
    /// In the server's pid namespace; 0 when closed.
    [[nodiscard]] int backend_pid() const;
    [[nodiscard]] int server_version() const;
    /// What PostgreSQL stores of `password` (SCRAM-SHA-256), made here, so that the server is not told the password
    /// (PQencryptPasswordConn in the PostgreSQL manual). Asks the server nothing.
    [[nodiscard]] Result<std::string> scram_verifier(const std::string& role, const std::string& password) const;
    /// SQLSTATE of the latest failure, of open() too; empty when the server did not say one (out of reach, timed out).
    [[nodiscard]] const std::string& sqlstate() const;
    /// Notices and warnings since the last call, at most 20: a cancelled wait for a standby is one (WARNING, success).
    [[nodiscard]] std::vector<std::string> take_notices();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Parameters of a query. A braced list in a co_await expression breaks g++ 12.
template <class... Text>
[[nodiscard]] std::vector<std::string> parameters(const Text&... text) {
    return std::vector<std::string>{std::string(text)...};
}

/// `text` as a value of a libpq connection string.
[[nodiscard]] std::string conninfo_value(std::string_view text);

/// Host and port of a connection string; empty and 0 when it has none or is none.
struct Address {
    std::string host;
    std::uint16_t port = 0;
};
[[nodiscard]] Address address_of(const std::string& conninfo);

/// Waits on `strand`; cancellable.
boost::asio::awaitable<void> pause_for(Millis time);

}  // namespace pgaf::keeper
