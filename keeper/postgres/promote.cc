#include "keeper/postgres/promote.h"

#include "keeper/postgres/files.h"
#include "keeper/postgres/history.h"
#include "keeper/postgres/server_view.h"

namespace pgaf::keeper {
namespace {

constexpr Millis query_limit{5000};
/// pg_control is written when recovery ends, and that rings; this is for systems without inotify, and for conflicts.
constexpr Millis look_again{20};

/// Sessions that replay waits for: it would wait for max_standby_streaming_delay, and does not see a reload meanwhile.
/// By pg_locks, since pg_blocking_pids() does not know the startup process; it asks for locks of relations only.
constexpr const char* end_conflicts = R"(
SELECT count(pg_terminate_backend(a.pid)) AS ended
FROM pg_stat_activity a, pg_stat_activity s
WHERE s.backend_type = 'startup' AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
  AND (((s.wait_event LIKE 'RecoveryConflict%' OR s.wait_event_type = 'BufferPin') AND a.backend_xmin IS NOT NULL)
    OR EXISTS (SELECT FROM pg_locks w JOIN pg_locks h USING (database, relation)
               WHERE w.pid = s.pid AND NOT w.granted AND h.pid = a.pid AND h.granted)))";

Async<Result<>> wait_for_end_of_recovery(Node& node, Connection& connection, const Progress& progress) {
    const FolderWatch watch(node.strand, node.config.data_dir + "/global", node.changed);
    if (const auto asked = co_await connection.query("SELECT pg_promote(false)", query_limit); !asked)
        co_return asked.error().in("pg_promote");
    for (;;) {
        const std::uint64_t seen = node.changed.rings();
        if (!node.up()) co_return error("PostgreSQL exited while it was promoted; its log says why");
        const auto rows = co_await connection.query("SELECT pg_is_in_recovery() AS recovery", query_limit);
        if (!rows) co_return rows.error();
        if (!rows->flag(0, "recovery")) co_return Result<>{};
        co_await node.changed.wait(seen, look_again);
        if (node.changed.rings() > seen) continue;
        const auto ended = co_await connection.query(end_conflicts, query_limit);
        if (!ended) co_return ended.error();
        if (ended->number(0, "ended") > 0)
            progress("ended " + ended->text(0, "ended") + " sessions that held back the replay before the promotion");
    }
}

Timeline newest_own_timeline(const Node& node, const ServerView& view) {
    const auto own = timeline_at({node.data.wal_dir(), view.checkpoint_timeline, view.redo, view.redo, view.system_id},
                                 std::max(view.received, view.replayed));
    return own ? *own : view.checkpoint_timeline;
}

}  // namespace

Result<> reserve_timelines(const std::string& wal_dir, Timeline own, Timeline assigned) {
    if (assigned <= own)
        return error("timeline " + std::to_string(assigned.v) + " was assigned, but this node is on timeline " +
                     std::to_string(own.v) + " already");
    if (file_exists(wal_dir + "/" + history_file_name(assigned)))
        return error("timeline " + std::to_string(assigned.v) + " was assigned, but " + wal_dir + "/" +
                     history_file_name(assigned) + " exists: somebody else has promoted a server to it");
    // They count in this promotion only: the next one begins at the id that this one takes.
    for (Timeline id{own.v + 1}; id < assigned; ++id.v) {
        const std::string path = wal_dir + "/" + history_file_name(id);
        if (file_exists(path)) continue;
        if (auto done = write_file(path, "", 0600, Write::atomic); !done) return done;
    }
    return {};
}

Async<Result<>> promote(Node& node, const Promote& step, const Progress& progress) {
    if (auto done = node.need_running(); !done) co_return done;
    if (auto done = node.know(step.layout); !done) co_return done;
    const auto rule = standby_names(step.rule.rule, step.layout);
    if (!rule) co_return rule.error();
    auto variable = node.following(step.layout, {}, *rule);
    if (!variable) co_return variable.error();
    variable->replay_first = true;
    progress("promoting to timeline " + std::to_string(step.timeline.v));
    auto connection = co_await node.put_in_force(*variable);
    if (!connection) co_return connection.error();
    const auto before = co_await look(**connection, query_limit);
    if (!before) co_return before.error();
    if (!before->in_recovery) co_return error("this server is no standby, so it can't be promoted");
    if (before->receiver) co_return error("the standby still has a WAL receiver: it has to be fenced first");
    if (auto done = reserve_timelines(node.data.wal_dir(), newest_own_timeline(node, *before), step.timeline); !done)
        co_return done;
    node.run().closed_all_along = false;
    node.run().fenced.reset();
    if (auto done = co_await wait_for_end_of_recovery(node, **connection, progress); !done) co_return done;
    const auto after = co_await look(**connection, query_limit);
    if (!after) co_return after.error();
    if (after->timeline != step.timeline)
        co_return error("PostgreSQL took timeline " + std::to_string(after->timeline.v) + " in its promotion, but " +
                        std::to_string(step.timeline.v) + " was assigned");
    co_return Result<>{};
}

}  // namespace pgaf::keeper
