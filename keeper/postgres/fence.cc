#include "keeper/postgres/fence.h"

#include <algorithm>

#include "keeper/postgres/server_view.h"

namespace pgaf::keeper {
namespace {

constexpr Millis query_limit{5000};
constexpr Millis end_limit{2000};
/// A receiver that was asked for just before the reload may still come; that it comes again and again can't be.
constexpr int most_receivers = 20;
/// With more than this between replay and receive, the scan begins near the end of what was received.
constexpr std::uint64_t long_backlog = std::uint64_t{64} << 20;
constexpr std::uint64_t near_end = std::uint64_t{16} << 20;

/// Not pg_stat_wal_receiver, which hides a receiver that is still connecting.
Async<Result<int>> receiver_pid(Connection& connection) {
    const auto rows = co_await connection.query(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walreceiver' LIMIT 1", query_limit);
    if (!rows) co_return rows.error();
    co_return rows->size() == 0 ? 0 : static_cast<int>(rows->number(0, "pid"));
}

/// The startup process ends the receiver only when it next waits for WAL; while replay is paused, in conflict, delayed
/// or behind it never does. So the receiver is ended by its pid, until none is there.
Async<Result<>> end_receiver(Node& node, Connection& connection) {
    for (int ended = 0; ended < most_receivers; ++ended) {
        const auto pid = co_await receiver_pid(connection);
        if (!pid) co_return pid.error();
        if (*pid == 0) co_return Result<>{};
        if (auto done = co_await node.launcher.end_process(*pid, end_limit); !done)
            co_return done.error().in("ending the WAL receiver");
    }
    co_return error("a WAL receiver comes back again and again although primary_conninfo is empty");
}

}  // namespace

Async<Result<FencedEnd>> read_end(Node& node, Received known) {
    WalScan scan{node.data.wal_dir(), known.checkpoint_timeline, known.redo, known.replayed, known.system_id};
    if (known.received.v > known.replayed.v + long_backlog) scan.from = Lsn{known.received.v - near_end};
    const auto read_end = [scan] { return find_wal_end(scan); };
    const auto end = co_await node.blocking(read_end);
    if (!end) co_return end.error();
    // A tail that a server run before this one received is torn on disk only.
    co_return FencedEnd{*end, std::max({known.received, known.replayed, end->complete, end->torn})};
}

Async<Result<>> fence(Node& node, const Fence& step) {
    if (auto done = node.need_running(); !done) co_return done;
    if (auto done = node.know(step.layout); !done) co_return done;
    node.run().fenced.reset();
    const auto variable = node.following(step.layout, {}, closed_rule);
    if (!variable) co_return variable.error();
    auto connection = co_await node.put_in_force(*variable);
    if (!connection) co_return connection.error();
    for (int look_again = 0; look_again < most_receivers; ++look_again) {
        if (auto done = co_await end_receiver(node, **connection); !done) co_return done;
        const auto view = co_await look(**connection, query_limit);
        if (!view) co_return view.error();
        if (!view->in_recovery) co_return error("the server runs read-write: there is no receiver to fence");
        const Received known{view->checkpoint_timeline, view->redo, view->system_id, view->received, view->replayed};
        auto end = co_await read_end(node, known);
        if (!end) co_return end.error();
        // Nothing came back while the end was read, so nothing was added to it.
        const auto pid = co_await receiver_pid(**connection);
        if (!pid) co_return pid.error();
        if (*pid != 0) continue;
        // It would read them in a promotion, and not the older files: it has to be started anew, without them.
        if (const auto& unfinished = end->scanned.unfinished; !unfinished.empty())
            co_return error(unfinished.front() +
                            " in pg_wal was being received and ends before the older timeline's file of that segment: "
                            "PostgreSQL has to be stopped, so that it can be removed");
        node.run().fenced = *end;
        co_return Result<>{};
    }
    co_return error("a WAL receiver comes back again and again although primary_conninfo is empty");
}

}  // namespace pgaf::keeper
