#include "keeper/postgres/lifecycle.h"

#include <algorithm>
#include <boost/asio/detached.hpp>
#include <utility>

#include "keeper/postgres/control_file.h"
#include "keeper/postgres/files.h"
#include "keeper/postgres/kept_wal.h"
#include "keeper/postgres/passwords.h"
#include "keeper/postgres/role.h"
#include "keeper/postgres/server_status.h"
#include "keeper/postgres/wal_scan.h"

namespace pgaf::keeper {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Millis start_limit{10000};
constexpr Millis slot_query_limit{10000};

/// A frozen standby would hold a fast stop for wal_sender_timeout; longer than this after the shutdown checkpoint is on
/// disk nobody waits for it (protocol: switchover order).
constexpr Millis walsender_grace{1000};

/// Why the postmaster ended right after its start, in the words that it said last.
Error start_failure(const Node& node) {
    std::string message = "PostgreSQL did not start";
    const auto& exit = node.launcher.view().last_exit;
    if (!exit) return error(message);
    message += " (" + exit->status + ")";
    const std::size_t first = exit->last_lines.size() > 4 ? exit->last_lines.size() - 4 : 0;
    for (std::size_t i = first; i < exit->last_lines.size(); ++i) message += "; " + exit->last_lines[i];
    for (const std::string& line : exit->last_lines) {
        if (line.find("Address already in use") != std::string::npos)
            message +=
                ". Port " + std::to_string(node.config.port) + " is taken: end what uses it, or set another port";
        if (line.find("No space left on device") != std::string::npos) message += ". Free some space on its disk";
        if (line.find("incompatible with server") != std::string::npos)
            message +=
                ". The data folder is of another major version: install that one, or set the launcher's --bin-dir";
    }
    return error(std::move(message));
}

/// PostgreSQL would take the newest of them for its own way, and the next promotion would name it as the parent.
Result<> move_strays(Node& node, const std::vector<Timeline>& strays) {
    const auto kept =
        keep_histories(node.data.wal_dir(), node.config.state_dir + "/wal-kept", node.data.incarnation(), strays);
    if (!kept) return kept.error();
    if (!kept->empty()) node.config.log.warning("history_moved", *kept);
    return {};
}

/// PostgreSQL would recover to their end, which is less than it has said (R4). Nothing is lost with them: the older
/// timeline's files have all that they have, and more.
Result<> remove_unfinished(Node& node) {
    for (const std::string& name : std::exchange(node.unfinished, {})) {
        if (auto done = remove_file(node.data.wal_dir() + "/" + name); !done) return done;
        node.config.log.warning("unfinished_removed", name +
                                                          " was being received again and ends before the older "
                                                          "timeline's file of that segment");
    }
    return {};
}

/// Files as they must be before any start: whose folder it is, settings, access, the signal file.
Result<> prepare(Node& node, const Layout& layout, const Variable& variable, bool standby, bool open_to_clients) {
    if (node.data.rebuilding())
        return error("the data folder " + node.config.data_dir +
                     " is half-made (a clone or rewind was interrupted): it has to be cloned");
    if (node.data.version() == 0) return error("there is no PostgreSQL data folder at " + node.config.data_dir);
    if (node.data.version() < 13)
        return error("the data folder has PostgreSQL " + std::to_string(node.data.version()) +
                     "; pgaf works with 13 and later: upgrade it with pg_upgrade");
    if (node.data.incarnation() != layout.incarnation)
        return error("the data folder " + node.config.data_dir + " is of incarnation \"" + node.data.incarnation().v +
                     "\", not of " + layout.incarnation.v + ": it was exchanged under the keeper");
    if (auto done = node.know(layout); !done) return done;
    if (auto done = node.data.write_settings(variable); !done) return done;
    if (auto done = node.data.write_access(layout, open_to_clients); !done) return done;
    return node.data.set_standby(standby);
}

/// What a promotion that was broken off has left would be taken for the newest timeline. The last checkpoint may be
/// several timelines back.
Result<> drop_placeholders(const Node& node) {
    const auto control = read_control_file(node.config.data_dir);
    if (!control) return control.error();
    return node.data.remove_placeholders_beyond(control->timeline, control->checkpoint);
}

}  // namespace

Async<Result<>> start_and_wait(Node& node, const Progress& progress, Millis limit) {
    const FolderWatch watch(node.strand, node.config.data_dir, node.changed);
    const std::uint64_t exits = node.launcher.view().exits;
    if (!node.up()) {
        if (auto pid = co_await node.launcher.start(); !pid) co_return pid.error().in("starting PostgreSQL");
    }
    progress("PostgreSQL is starting");
    const auto deadline = Clock::now() + std::chrono::milliseconds(limit.v);
    for (;;) {
        const std::uint64_t seen = node.changed.rings();
        if (node.launcher.view().exits != exits || !node.up()) co_return start_failure(node);
        if (postmaster_word(node.config.data_dir) == "ready") {
            if (auto connection = co_await node.connect(Millis{1000}); connection) co_return Result<>{};
        }
        if (Clock::now() >= deadline) co_return Result<>{};
        co_await node.changed.wait(seen, Millis{100});
    }
}

Async<Result<>> begin_rebuild(Node& node, const std::string& why, const std::string& kept) {
    if (auto done = node.data.begin_rebuild(why, kept); !done) co_return done;
    const auto leave = [&probe = node.disk]() -> Result<> {
        probe.leave();
        return {};
    };
    co_return co_await node.blocking(leave);
}

Async<Result<>> make_durable(Node& node) {
    const std::string data = node.config.data_dir;
    const std::string wal = node.data.wal_dir();
    const auto sync_both = [data, wal]() -> Result<> {
        if (auto done = sync_filesystem(data); !done) return done;
        // pg_wal may be a link to another disk.
        return sync_filesystem(wal);
    };
    co_return co_await node.blocking(sync_both);
}

Async<Result<>> start_primary(Node& node, const StartPrimary& step, const Progress& progress) {
    if (auto done = node.need_stopped(); !done) co_return done;
    Variable variable;  // the closed rule, no upstream (R6)
    if (auto done = write_passfile(node.config); !done) co_return done;
    if (auto done = prepare(node, step.layout, variable, false, false); !done) co_return done;
    if (auto done = drop_placeholders(node); !done) co_return done;
    if (auto done = remove_unfinished(node); !done) co_return done;
    if (auto done = co_await start_and_wait(node, progress, start_limit); !done) co_return done;
    node.run().closed_all_along = true;
    node.run().standby_names = closed_rule;
    // Crash recovery goes on: the rest is done by update_peers once it takes connections.
    if (postmaster_word(node.config.data_dir) != "ready") co_return Result<>{};
    if (auto done = co_await ensure_role(node); !done) co_return done;
    co_return co_await align_slots(node, step.layout);
}

Async<Result<>> start_standby(Node& node, const StartStandby& step, const Progress& progress) {
    if (auto done = node.need_stopped(); !done) co_return done;
    const auto variable = node.following(step.layout, step.upstream, closed_rule);
    if (!variable) co_return variable.error();
    if (auto done = write_passfile(node.config); !done) co_return done;
    if (auto done = prepare(node, step.layout, *variable, true, true); !done) co_return done;
    if (auto done = move_strays(node, step.strays); !done) co_return done;
    if (auto done = drop_placeholders(node); !done) co_return done;
    if (auto done = remove_unfinished(node); !done) co_return done;
    if (auto done = co_await start_and_wait(node, progress, start_limit); !done) co_return done;
    node.run().closed_all_along = true;
    node.run().standby_names = closed_rule;
    // Not yet consistent: the slots are made by update_peers once it takes connections.
    if (postmaster_word(node.config.data_dir) != "ready") co_return Result<>{};
    co_return co_await align_slots(node, step.layout);
}

Async<Result<>> follow(Node& node, const Follow& step) {
    if (auto done = node.need_running(); !done) co_return done;
    const auto variable = node.following(step.layout, step.upstream, closed_rule);
    if (!variable) co_return variable.error();
    if (auto done = write_passfile(node.config); !done) co_return done;
    node.run().fenced.reset();
    if (auto done = node.know(step.layout); !done) co_return done;
    if (auto done = node.data.write_access(step.layout, true); !done) co_return done;
    const auto seen = co_await node.put_in_force(*variable);
    if (!seen) co_return seen.error();
    co_return Result<>{};
}

namespace {

struct StopUnderWay {
    bool done = false;
    Result<StopOutcome> outcome = error("stopping PostgreSQL: given up");
};

/// Until the stop has ended; escalates once the shutdown checkpoint is on disk and only walsenders are waited for.
Async<void> watch_stop(Node& node, std::shared_ptr<StopUnderWay> stop) {
    const FolderWatch watch(node.strand, node.config.data_dir + "/global", node.changed);
    std::optional<Clock::time_point> checkpointed;
    while (!stop->done) {
        const std::uint64_t seen = node.changed.rings();
        const auto control = read_control_file(node.config.data_dir);
        if (!checkpointed && control && control->clean()) checkpointed = Clock::now();
        Millis wait{1000};
        if (checkpointed) {
            const auto left = *checkpointed + std::chrono::milliseconds(walsender_grace.v) - Clock::now();
            if (left.count() <= 0) {
                (void)co_await node.launcher.stop(StopMode::fast, Millis{1});
                co_return;
            }
            wait = Millis{std::chrono::duration_cast<std::chrono::milliseconds>(left).count() + 1};
        }
        co_await node.changed.wait(seen, wait);
    }
}

}  // namespace

Async<Result<>> stop(Node& node, const Stop& step, const Progress& progress) {
    if (auto done = node.need_launcher(); !done) co_return done;
    progress(step.mode == StopMode::fast ? "PostgreSQL is stopping" : "PostgreSQL is stopping at once");
    if (step.mode == StopMode::immediate) {
        auto stopped = co_await node.launcher.stop(StopMode::immediate);
        if (!stopped) co_return stopped.error();
        co_return Result<>{};
    }
    auto under_way = std::make_shared<StopUnderWay>();
    Bell& bell = node.changed;
    boost::asio::co_spawn(
        node.strand,
        [](std::shared_ptr<Node> self, std::shared_ptr<StopUnderWay> stop) -> Async<void> {
            stop->outcome = co_await self->launcher.stop(StopMode::fast);
            stop->done = true;
            self->changed.ring();
        }(node.shared_from_this(), under_way),
        boost::asio::detached);
    co_await watch_stop(node, under_way);
    while (!under_way->done) {
        const std::uint64_t seen = bell.rings();
        co_await bell.wait(seen, Millis{1000});
    }
    if (!under_way->outcome) co_return under_way->outcome.error();
    co_return Result<>{};
}

Async<Result<>> adopt(Node& node, const Adopt& step) {
    if (node.data.version() == 0)
        co_return error("there is no PostgreSQL data folder at " + node.config.data_dir + " to adopt");
    if (node.data.rebuilding()) co_return error("the data folder is half-made: it has to be cloned, not adopted");
    if (auto done = node.know(step.layout); !done) co_return done;
    if (auto done = write_passfile(node.config); !done) co_return done;
    if (auto done = node.data.write_incarnation(step.layout.incarnation); !done) co_return done;
    const Variable variable = node.data.settings().value_or(Variable{});
    if (auto done = node.data.write_settings(variable); !done) co_return done;
    if (auto done = node.data.write_access(step.layout, node.data.open_to_clients()); !done) co_return done;
    if (node.up()) co_return co_await node.launcher.reload();
    co_return Result<>{};
}

Async<Result<>> resume_replay(Node& node) {
    auto connection = co_await node.connect();
    if (!connection) co_return connection.error();
    const auto resumed = co_await (*connection)->query("SELECT pg_wal_replay_resume()", slot_query_limit);
    if (!resumed) co_return resumed.error().in("resuming replay");
    co_return Result<>{};
}

Async<Result<>> update_peers(Node& node, const UpdatePeers& step) {
    if (auto done = node.need_running(); !done) co_return done;
    if (auto done = co_await node.set_access(step.layout, node.data.open_to_clients()); !done) co_return done;
    auto done = co_await align_slots(node, step.layout);
    // A standby has it from its primary.
    if (!done || node.data.is_standby()) co_return done;
    co_return co_await ensure_role(node);
}

Async<Result<>> align_slots(Node& node, const Layout& layout) {
    auto connection = co_await node.connect();
    if (!connection) co_return connection.error();
    const auto rows =
        co_await (*connection)
            ->query(
                "SELECT slot_name, active, coalesce(wal_status = 'lost', false) OR restart_lsn IS NULL AS useless "
                "FROM pg_replication_slots WHERE slot_type = 'physical' AND slot_name LIKE 'pgaf\\_%'",
                slot_query_limit);
    if (!rows) co_return rows.error();
    std::vector<std::string> wanted;
    for (const Peer& peer : layout.peers)
        if (peer.node != layout.self) wanted.push_back(slot_name(peer.node));
    for (int i = 0; i < rows->size(); ++i) {
        const std::string name = rows->text(i, "slot_name");
        const auto found = std::find(wanted.begin(), wanted.end(), name);
        const bool keep = found != wanted.end() && !rows->flag(i, "useless");
        if (keep || rows->flag(i, "active")) {
            if (found != wanted.end()) wanted.erase(found);
            continue;
        }
        const auto dropped =
            co_await (*connection)->query("SELECT pg_drop_replication_slot($1)", parameters(name), slot_query_limit);
        if (!dropped) co_return dropped.error().in("dropping the slot " + name);
    }
    for (const std::string& name : wanted) {
        const auto made =
            co_await (*connection)
                ->query("SELECT pg_create_physical_replication_slot($1, true)", parameters(name), slot_query_limit);
        if (!made) co_return made.error().in("creating the slot " + name);
    }
    co_return Result<>{};
}

Async<Result<>> checkpoint(Node& node) {
    if (auto done = node.need_running(); !done) co_return done;
    auto connection = co_await node.connect();
    if (!connection) co_return connection.error();
    // As long as it takes on a loaded disk; whoever no longer wants it cancels the step.
    const auto unlimited = co_await (*connection)->query("SET statement_timeout = 0", slot_query_limit);
    if (!unlimited) co_return unlimited.error();
    const auto done = co_await (*connection)->query("CHECKPOINT", Millis{3600 * 1000});
    if (!done) co_return done.error().in("checkpoint");
    co_return Result<>{};
}

}  // namespace pgaf::keeper
