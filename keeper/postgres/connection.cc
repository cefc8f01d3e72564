#include "keeper/postgres/connection.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cctype>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace pgaf::keeper {
namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

Rows::Rows(pg_result* result) : result_(result, PQclear) {}

int Rows::size() const {
    return PQntuples(result_.get());
}

int Rows::column_index(const char* column) const {
    const int index = PQfnumber(result_.get(), column);
    if (index < 0) throw std::logic_error(std::string("no column ") + column + " in a result");
    return index;
}

bool Rows::is_null(int row, const char* column) const {
    return PQgetisnull(result_.get(), row, column_index(column));
}

std::string Rows::text(int row, const char* column) const {
    return PQgetvalue(result_.get(), row, column_index(column));
}

std::int64_t Rows::number(int row, const char* column) const {
    const std::string value = text(row, column);
    std::int64_t number = 0;
    std::from_chars(value.data(), value.data() + value.size(), number);
    return number;
}

Lsn Rows::lsn(int row, const char* column) const {
    return Lsn::parse(text(row, column)).value_or(Lsn{});
}

namespace {

enum class Waited { ready, late, failed };

std::string one_line(const char* text) {
    std::string line = text == nullptr ? "" : text;
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    for (std::size_t at; (at = line.find('\n')) != std::string::npos;) line.replace(at, 1, "; ");
    return line;
}

/// The SQLSTATE in "FATAL:  57P03: the database system is starting up": libpq offers it for results only.
std::string sqlstate_of(std::string_view message) {
    for (auto at = message.find(":  "); at != std::string_view::npos; at = message.find(":  ", at + 1)) {
        const auto code = message.substr(at + 3, 6);
        if (code.size() == 6 && code[5] == ':' && std::isalnum(static_cast<unsigned char>(code[0])))
            return std::string(code.substr(0, 5));
    }
    return {};
}

/// The verbose form without its LOCATION: where PostgreSQL's own source raised it helps nobody here.
std::string without_location(std::string message) {
    const auto at = message.find("; LOCATION:");
    if (at != std::string::npos) message.erase(at);
    return message;
}

}  // namespace

struct Connection::Impl {
    explicit Impl(asio::any_io_executor strand) : socket(strand), timer(strand) {}
    ~Impl() { close(); }

    PGconn* conn = nullptr;
    /// A duplicate of libpq's socket, since libpq closes its own whenever it likes.
    asio::posix::stream_descriptor socket;
    asio::steady_timer timer;
    std::string state;
    std::vector<std::string> notices;

    void close() {
        boost::system::error_code ignored;
        socket.close(ignored);
        if (conn != nullptr) PQfinish(conn);
        conn = nullptr;
    }

    bool watch_socket() {
        boost::system::error_code ec;
        socket.close(ec);
        const int copy = ::fcntl(PQsocket(conn), F_DUPFD_CLOEXEC, 0);
        if (copy < 0) return false;
        socket.assign(copy, ec);
        if (ec) ::close(copy);
        return !ec;
    }

    asio::awaitable<Waited> wait(asio::posix::descriptor_base::wait_type what, Clock::time_point deadline) {
        // The flag outlives this frame: an expired timer's handler may still be queued when the socket was first.
        auto late = std::make_shared<bool>(false);
        timer.expires_at(deadline);
        timer.async_wait([this, late](boost::system::error_code ec) {
            if (ec || late.use_count() == 1) return;
            *late = true;
            socket.cancel();
        });
        const auto [ec] = co_await socket.async_wait(what, asio::as_tuple(asio::use_awaitable));
        timer.cancel();
        if (!ec) co_return Waited::ready;
        co_return *late ? Waited::late : Waited::failed;
    }

    Error failed(const std::string& what, const char* detail) {
        const std::string message = one_line(detail);
        if (state.empty()) state = sqlstate_of(message);
        return error(what + ": " + (message.empty() ? "connection lost" : without_location(message)));
    }

    asio::awaitable<Result<>> finish_connect(Clock::time_point deadline) {
        for (auto poll = PGRES_POLLING_WRITING; poll != PGRES_POLLING_OK; poll = PQconnectPoll(conn)) {
            if (poll == PGRES_POLLING_FAILED) co_return failed("connecting", PQerrorMessage(conn));
            if (!watch_socket()) co_return failed("connecting", std::strerror(errno));
            const auto what = poll == PGRES_POLLING_READING ? asio::posix::descriptor_base::wait_read
                                                            : asio::posix::descriptor_base::wait_write;
            const Waited waited = co_await wait(what, deadline);
            if (waited == Waited::late) co_return error("connecting: no answer in time");
            if (waited == Waited::failed) co_return error("connecting: given up");
        }
        if (!watch_socket()) co_return failed("connecting", std::strerror(errno));
        co_return Result<>{};
    }

    asio::awaitable<Result<>> flush(Clock::time_point deadline) {
        for (int left; (left = PQflush(conn)) != 0;) {
            if (left < 0) co_return failed("sending a query", PQerrorMessage(conn));
            const Waited waited = co_await wait(asio::posix::descriptor_base::wait_write, deadline);
            if (waited != Waited::ready) co_return error("sending a query: no room in time");
        }
        co_return Result<>{};
    }

    asio::awaitable<Result<Rows>> collect(Clock::time_point deadline) {
        std::optional<Rows> rows;
        std::optional<Error> bad;
        for (;;) {
            if (PQconsumeInput(conn) == 0) co_return failed("query", PQerrorMessage(conn));
            while (PQisBusy(conn) == 0) {
                pg_result* result = PQgetResult(conn);
                if (result == nullptr) {
                    if (bad) co_return *bad;
                    if (!rows) co_return error("query: no result");
                    co_return *rows;
                }
                const Rows owned(result);
                const auto status = PQresultStatus(result);
                if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
                    rows = owned;
                } else if (!bad) {
                    const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
                    state = code == nullptr ? "" : code;
                    bad = failed("query", PQresultErrorMessage(result));
                }
            }
            const Waited waited = co_await wait(asio::posix::descriptor_base::wait_read, deadline);
            if (waited == Waited::late) co_return error("query: no answer in time");
            if (waited == Waited::failed) co_return error("query: given up");
        }
    }

    static void on_notice(void* self, const char* text) {
        auto& notices = static_cast<Impl*>(self)->notices;
        if (notices.size() < 20) notices.push_back(one_line(text));
    }
};

Connection::Connection(asio::any_io_executor strand) : impl_(std::make_unique<Impl>(std::move(strand))) {}
Connection::~Connection() = default;

namespace {

/// Closes the connection unless it is told that all went well: also when a cancelled coroutine unwinds.
struct CloseUnlessKept {
    Connection& connection;
    bool keep = false;
    ~CloseUnlessKept() {
        if (!keep) connection.close();
    }
};

}  // namespace

asio::awaitable<Result<>> Connection::open(std::string conninfo, Millis limit) {
    const auto deadline = Clock::now() + std::chrono::milliseconds(limit.v);
    close();
    impl_->state.clear();
    CloseUnlessKept guard{*this};
    impl_->conn = PQconnectStart(conninfo.c_str());
    if (impl_->conn == nullptr) co_return error("connecting: out of memory");
    if (PQstatus(impl_->conn) == CONNECTION_BAD) co_return impl_->failed("connecting", PQerrorMessage(impl_->conn));
    // Verbose only for the SQLSTATE of a refused connection, which libpq does not offer otherwise.
    PQsetErrorVerbosity(impl_->conn, PQERRORS_VERBOSE);
    PQsetNoticeProcessor(impl_->conn, &Impl::on_notice, impl_.get());
    auto done = co_await impl_->finish_connect(deadline);
    if (!done) co_return done;
    PQsetErrorVerbosity(impl_->conn, PQERRORS_DEFAULT);
    if (PQsetnonblocking(impl_->conn, 1) != 0) co_return impl_->failed("connecting", PQerrorMessage(impl_->conn));
    guard.keep = true;
    co_return done;
}

asio::awaitable<Result<Rows>> Connection::query(std::string sql, std::vector<std::string> parameters, Millis limit) {
    const auto deadline = Clock::now() + std::chrono::milliseconds(limit.v);
    impl_->state.clear();
    if (!is_open()) co_return error("query: not connected");
    CloseUnlessKept guard{*this};
    std::vector<const char*> values;
    for (const std::string& parameter : parameters) values.push_back(parameter.c_str());
    const int sent = parameters.empty() ? PQsendQuery(impl_->conn, sql.c_str())
                                        : PQsendQueryParams(impl_->conn, sql.c_str(), static_cast<int>(values.size()),
                                                            nullptr, values.data(), nullptr, nullptr, 0);
    if (sent == 0) co_return impl_->failed("sending a query", PQerrorMessage(impl_->conn));
    if (auto flushed = co_await impl_->flush(deadline); !flushed) co_return flushed.error();
    auto rows = co_await impl_->collect(deadline);
    // An error that the server reported leaves the session usable, unless it ended the session too.
    guard.keep = rows.has_value() || (!impl_->state.empty() && PQstatus(impl_->conn) == CONNECTION_OK);
    co_return rows;
}

void Connection::close() {
    impl_->close();
}
bool Connection::is_open() const {
    return impl_->conn != nullptr && PQstatus(impl_->conn) == CONNECTION_OK;
}
int Connection::backend_pid() const {
    return impl_->conn == nullptr ? 0 : PQbackendPID(impl_->conn);
}
int Connection::server_version() const {
    return impl_->conn == nullptr ? 0 : PQserverVersion(impl_->conn);
}
Result<std::string> Connection::scram_verifier(const std::string& role, const std::string& password) const {
    if (!is_open()) return error("making a password's verifier: not connected");
    const std::unique_ptr<char, decltype(&PQfreemem)> made(
        PQencryptPasswordConn(impl_->conn, password.c_str(), role.c_str(), "scram-sha-256"), PQfreemem);
    if (!made) return error("making a password's verifier: " + one_line(PQerrorMessage(impl_->conn)));
    return std::string(made.get());
}
const std::string& Connection::sqlstate() const {
    return impl_->state;
}
std::vector<std::string> Connection::take_notices() {
    return std::exchange(impl_->notices, {});
}

std::string conninfo_value(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + "'";
}

Address address_of(const std::string& conninfo) {
    Address address;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(conninfo.c_str(), nullptr), PQconninfoFree);
    if (!options) return address;
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
        if (option->val == nullptr) continue;
        const std::string_view keyword = option->keyword;
        const std::string_view value = option->val;
        if (keyword == "host") address.host = value;
        if (keyword == "port") std::from_chars(value.data(), value.data() + value.size(), address.port);
    }
    return address;
}

asio::awaitable<void> pause_for(Millis time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(time.v));
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace pgaf::keeper
