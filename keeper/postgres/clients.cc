#include "keeper/postgres/clients.h"

#include <algorithm>

namespace pgaf::keeper {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Millis query_limit{5000};
constexpr Millis reload_limit{3000};
/// A session that is deep in a system call ends when that returns.
constexpr Millis sessions_limit{5000};
/// So long those who wait for a standby are kept for the readers' sake. A reader that is still there then may be so for
/// long; the lease is over, and the rest of the limit is for closing at all (I7).
constexpr Millis readers_limit{1000};
/// Who can read now or with its next word, and commits nothing when it is ended. Without an xid: unless it waits in
/// COMMIT PREPARED, whose xid is not its own. Active with an xid: it may be inside its commit, and goes last.
constexpr const char* readers =
    " AND wait_event IS DISTINCT FROM 'SyncRep' AND (backend_xid IS NULL OR state LIKE 'idle in transaction%')";

/// Who is a client: neither the superuser over the local socket, nor another node's keeper or its programs. Sessions
/// that are still authenticating do not show in the view: they are seen, and ended, a look later.
std::string of_clients(const char* select) {
    std::string sql = select;
    sql +=
        " FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND NOT (client_addr "
        "IS NULL AND usename = current_user) AND usename <> '";
    sql += replication_role;
    sql += "'";
    return sql;
}

/// When the postmaster has last read its configuration, as a connection shows it that was made just now.
Async<Result<std::string>> load_time(Node& node) {
    auto connection = co_await node.connect();
    if (!connection) co_return connection.error();
    const auto rows = co_await (*connection)->query("SELECT pg_conf_load_time()::text AS at", query_limit);
    if (!rows) co_return rows.error();
    co_return rows->text(0, "at");
}

/// The postmaster reads pg_hba.conf some time after the signal; until then it lets clients in.
Async<Result<>> wait_until_read(Node& node, std::string before) {
    const auto deadline = Clock::now() + std::chrono::milliseconds(reload_limit.v);
    for (Millis pause{1};; pause = Millis{std::min<std::int64_t>(pause.v * 2, 50)}) {
        const auto now = co_await load_time(node);
        if (!now) co_return now.error();
        if (*now != before) co_return Result<>{};
        if (Clock::now() > deadline) co_return error("the postmaster does not read its configuration anew");
        co_await pause_for(pause);
    }
}

/// Ends these sessions, and waits until they are gone, or the deadline is over; says how many are left.
Async<Result<std::int64_t>> end_them(Connection& connection, std::string which, Clock::time_point deadline) {
    for (Millis pause{2};; pause = Millis{std::min<std::int64_t>(pause.v * 2, 100)}) {
        const auto ended = co_await connection.query(which, query_limit);
        if (!ended) co_return ended.error().in("ending the clients' sessions");
        const std::int64_t left = ended->number(0, "n");
        if (left == 0 || Clock::now() > deadline) co_return left;
        co_await pause_for(pause);
    }
}

/// Whoever waits for a standby is told nothing: the connection ends, and so nobody takes its commit for done. But the
/// commit shows from then on, though no standby may ever have it. So readers go first: then nobody sees it.
Async<Result<>> end_sessions(Node& node) {
    auto connection = co_await node.connect();
    if (!connection) co_return connection.error();
    const auto begin = Clock::now();
    const std::string all = of_clients("SELECT count(pg_terminate_backend(pid)) AS n");
    const auto reading =
        co_await end_them(**connection, all + readers, begin + std::chrono::milliseconds(readers_limit.v));
    if (!reading) co_return reading.error();
    const auto left = co_await end_them(**connection, all, begin + std::chrono::milliseconds(sessions_limit.v));
    if (!left) co_return left.error();
    if (*left > 0) co_return error(std::to_string(*left) + " sessions of clients do not end");
    co_return Result<>{};
}

}  // namespace

Async<Result<>> close_to_clients(Node& node, const CloseToClients& step) {
    if (auto done = node.need_running(); !done) co_return done;
    const auto before = co_await load_time(node);
    if (!before) co_return before.error();
    if (auto done = co_await node.set_access(step.layout, false); !done) co_return done;
    if (auto done = co_await wait_until_read(node, *before); !done) co_return done;
    co_return co_await end_sessions(node);
}

Async<Result<std::uint32_t>> count_client_sessions(Connection& connection, Millis limit) {
    const std::string count = of_clients("SELECT count(*) AS n");
    const auto rows = co_await connection.query(count, limit);
    if (!rows) co_return rows.error();
    co_return static_cast<std::uint32_t>(rows->number(0, "n"));
}

}  // namespace pgaf::keeper
