#include "keeper/postgres/commit_wait.h"

#include <algorithm>
#include <boost/asio/detached.hpp>

namespace pgaf::keeper {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Millis query_limit{5000};

/// A commit under way on a connection of its own; it may wait for ever, so somebody else looks on and cancels it.
struct Commit {
    explicit Commit(std::shared_ptr<Connection> on) : connection(std::move(on)) {}
    std::shared_ptr<Connection> connection;
    bool ended = false;
    std::string failure;
};

Async<void> make_commit(std::shared_ptr<Commit> commit) {
    // A transactional message is the smallest thing with a transaction id, and so with a commit that waits.
    const auto done = co_await commit->connection->query(
        "SELECT pg_logical_emit_message(true, 'pgaf', 'does a commit wait?')", Millis{30000});
    if (!done) commit->failure = done.error().message;
    commit->ended = true;
}

/// Whether that commit has been seen waiting; false: it went through.
Async<Result<bool>> waits(std::shared_ptr<Commit> commit, Connection& connection, Clock::time_point deadline) {
    const std::string pid = std::to_string(commit->connection->backend_pid());
    for (;;) {
        const auto rows = co_await connection.query(
            "SELECT coalesce(bool_or(wait_event = 'SyncRep'), false) AS waits FROM pg_stat_activity WHERE pid = "
            "$1::int",
            parameters(pid), query_limit);
        if (!rows) co_return rows.error();
        if (rows->flag(0, "waits")) co_return true;
        if (commit->ended) co_return false;
        if (Clock::now() > deadline) co_return error("a commit of the keeper's own takes too long");
        co_await pause_for(Millis{1});
    }
}

/// Closes its connection whatever happens, so that make_commit() ends too.
struct CloseAtEnd {
    std::shared_ptr<Connection> connection;
    ~CloseAtEnd() { connection->close(); }
};

Async<Result<>> cancel_wait(std::shared_ptr<Commit> commit, Connection& connection) {
    const std::string pid = std::to_string(commit->connection->backend_pid());
    const auto done = co_await connection.query("SELECT pg_cancel_backend($1::int)", parameters(pid), query_limit);
    if (!done) co_return done.error();
    for (const auto deadline = Clock::now() + std::chrono::seconds(2); !commit->ended && Clock::now() < deadline;)
        co_await pause_for(Millis{1});
    co_return Result<>{};
}

}  // namespace

Async<Result<>> see_commit_wait(Node& node, Connection& connection, Millis limit) {
    const auto deadline = Clock::now() + std::chrono::milliseconds(limit.v);
    auto own = co_await node.connect();
    if (!own) co_return own.error();
    const CloseAtEnd close{*own};
    if (const auto set = co_await (*own)->query("SET synchronous_commit = on", query_limit); !set)
        co_return set.error();
    for (Millis pause{2}; Clock::now() < deadline; pause = Millis{std::min<std::int64_t>(pause.v * 2, 100)}) {
        auto commit = std::make_shared<Commit>(*own);
        boost::asio::co_spawn(node.strand, make_commit(commit), boost::asio::detached);
        const auto seen = co_await waits(commit, connection, deadline);
        if (!seen) co_return seen.error();
        if (*seen) co_return co_await cancel_wait(commit, connection);
        if (!commit->failure.empty()) co_return error(commit->failure).in("a commit of the keeper's own");
        co_await pause_for(pause);
    }
    co_return error(
        "commits still do not wait for standbys although the rule says so: the checkpointer has not turned it "
        "on yet; see what keeps it busy (a slow disk?)");
}

}  // namespace pgaf::keeper
