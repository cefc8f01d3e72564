#include "keeper/postgres/rebuild.h"

#include <charconv>

#include "keeper/postgres/control_file.h"
#include "keeper/postgres/facts_reader.h"
#include "keeper/postgres/files.h"
#include "keeper/postgres/kept_wal.h"
#include "keeper/postgres/lifecycle.h"
#include "keeper/postgres/passwords.h"

namespace pgaf::keeper {
namespace {

using Clock = std::chrono::steady_clock;
/// A source that is out of reach may only be busy; for so long the folder stays as it is.
constexpr Millis source_limit{30000};

std::string kept_dir(const Node& node) {
    return node.config.state_dir + "/wal-kept";
}

Result<Peer> source_of(const Layout& layout, const NodeName& upstream) {
    const Peer* peer = find_peer(layout.peers, upstream);
    if (peer == nullptr) return error(upstream.v + ", to copy from, is no peer of this node");
    return *peer;
}

/// Not a member's name: what copies must never count as a standby (R14).
std::string source_conninfo(const Node& node, const Peer& source) {
    return upstream_conninfo(node.config, source, "pgaf copy for " + node.config.node.v, "postgres");
}

Result<> same_version(const Node& node, const Connection& source, const Peer& peer) {
    const int theirs = source.server_version() / 10000;
    const int ours = static_cast<int>(version_number(node.launcher.view().pg_version) / 10000);
    if (theirs == ours) return {};
    return error(peer.node.v + " runs PostgreSQL " + std::to_string(theirs) + ", this node has the programs of " +
                 std::to_string(ours) + ": install PostgreSQL " + std::to_string(theirs) + " here");
}

/// The source can be logged into and is of our version; asked before anything here is touched.
Async<Result<>> reach(Node& node, const Peer& peer, const Progress& progress) {
    if (auto done = write_passfile(node.config); !done) co_return done;
    const auto deadline = Clock::now() + std::chrono::milliseconds(source_limit.v);
    Connection source(node.strand);
    for (;;) {
        const auto opened = co_await source.open(source_conninfo(node, peer), Millis{5000});
        if (opened) co_return same_version(node, source, peer);
        const Error bad = opened.error().in(peer.node.v + " (" + peer.host + ":" + std::to_string(peer.port) + ")");
        if (source.sqlstate().substr(0, 3) == "28P")
            co_return error(bad.message + "; the replication password file has to be the same on all nodes");
        if (Clock::now() > deadline) co_return bad;
        progress("waiting for " + bad.message);
        co_await pause_for(Millis{500});
    }
}

/// After both: the source's configuration, id and slots came along (T), and no standby.signal did.
Result<> make_ours(Node& node, const Layout& layout, const IncarnationId& next) {
    if (auto done = node.data.write_incarnation(next); !done) return done;
    Layout ours = layout;
    ours.incarnation = next;
    for (Peer& peer : ours.peers)
        if (peer.node == ours.self) peer.incarnation = next;
    if (auto done = node.know(ours); !done) return done;
    if (auto done = node.data.write_settings(Variable{}); !done) return done;
    if (auto done = node.data.write_access(ours, true); !done) return done;
    if (auto done = node.data.set_standby(true); !done) return done;
    return sync_folder(node.config.data_dir);
}

/// Calls `progress` with each new percentage.
LauncherClient::OnLine percentages(std::string what, Progress progress) {
    auto last = std::make_shared<int>(-1);
    return [what = std::move(what), progress = std::move(progress), last](std::string_view, std::string_view line) {
        const int percent = percent_of(line);
        if (percent < 0 || percent == *last) return;
        *last = percent;
        progress(what + ", " + std::to_string(percent) + " %");
    };
}

Error with_remedy(const Error& bad) {
    if (bad.message.find("No space left on device") != std::string::npos)
        return error(bad.message + "; free some space, the step is tried again");
    // The data folder itself has been emptied before, so what is not empty is a tablespace's place.
    const bool place = bad.message.find("exists but is not empty") != std::string::npos;
    if (place || bad.message.find("tablespace") != std::string::npos ||
        bad.message.find("pg_tblspc") != std::string::npos)
        return error(bad.message +
                     "; tablespaces are copied to the same paths as on the source: they must exist here, empty");
    return bad;
}

/// Keeps the WAL from `from` on (0: from the last checkpoint on); says where. Empty: there is none.
Async<Result<std::string>> keep_aside(Node& node, Lsn from, const std::string& why, const Progress& progress) {
    KeepWal what{node.data.wal_dir(),        kept_dir(node), node.data.incarnation(), {}, from, {}, why,
                 node.config.kept_wal_bytes, false};
    const auto control = read_control_file(node.config.data_dir);
    if (control) {
        const WalScan scan{what.wal_dir, control->timeline, control->checkpoint, control->checkpoint, {}};
        const auto read_end = [scan] { return find_wal_end(scan); };
        const auto end = co_await node.blocking(read_end);
        // Recycled segments lie behind the end; unknown, all are kept.
        if (end) what.until = std::max(end->complete, end->torn);
        if (from.empty()) what.from = control->redo;
    }
    if (what.until.v != 0 && what.from >= what.until) co_return std::string{};
    const auto keep_it = [what] { return keep_wal(what); };
    const auto kept = co_await node.blocking(keep_it);
    if (kept && !kept->empty()) {
        node.config.log.warning("wal_kept", *kept, {{"why", why}});
        progress(*kept);
    }
    co_return kept;
}

/// The folder is whole, and a new incarnation's. What was done, and what was kept of the old one, is for the event log.
Async<Result<>> finish(Node& node, const Layout& layout, const IncarnationId& next, std::string what) {
    if (auto ours = make_ours(node, layout, next); !ours) co_return ours;
    if (auto durable = co_await make_durable(node); !durable) co_return durable;
    if (auto noted = node.data.note_rebuilt(next, what); !noted) co_return noted;
    co_return node.data.end_rebuild();
}

std::string with_kept(const std::string& what, const std::string& kept) {
    return kept.empty() ? what : what + "; " + kept;
}

}  // namespace

int percent_of(std::string_view line) {
    const auto sign = line.find('%');
    if (sign == std::string_view::npos) return -1;
    auto begin = sign;
    while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') --begin;
    int percent = -1;
    std::from_chars(line.data() + begin, line.data() + sign, percent);
    return percent >= 0 && percent <= 100 ? percent : -1;
}

Async<Result<>> rewind(Node& node, const Rewind& step, const Progress& progress) {
    if (auto done = node.need_stopped(); !done) co_return done;
    const auto source = source_of(step.layout, step.upstream);
    if (!source) co_return source.error();
    progress("rewinding against " + step.upstream.v + ": " + step.why);
    if (auto done = co_await reach(node, *source, progress); !done) co_return done;
    const std::string why = "rewound against " + step.upstream.v + ": " + step.why;
    const auto kept = co_await keep_aside(node, step.fork, why, progress);
    if (!kept) co_return kept.error();
    const std::string begun = "a rewind against " + step.upstream.v + " was begun";
    if (auto done = co_await begin_rebuild(node, begun, *kept); !done) co_return done;
    // pg_rewind ends an unclean server by a single-user start, which no standby can do.
    if (auto done = node.data.write_settings(Variable{}); !done) co_return done;
    if (auto done = node.data.set_standby(false); !done) co_return done;
    Program program;
    program.name = "pg_rewind";
    program.args = {"--target-pgdata=" + node.config.data_dir, "--source-server=" + source_conninfo(node, *source),
                    "--progress", "--no-sync"};
    auto no_need = std::make_shared<bool>(false);
    const auto percent = percentages("rewinding against " + step.upstream.v, progress);
    LauncherClient::OnLine on_line = [no_need, percent](std::string_view stream, std::string_view line) {
        if (line.find("no rewind required") != std::string_view::npos) *no_need = true;
        percent(stream, line);
    };
    const auto done = co_await run_program(node, std::move(program), std::move(on_line));
    if (!done) co_return with_remedy(done.error());
    // The record says that it diverged, and pg_rewind can't see it (one timeline id for two timelines, or no checkpoint
    // on the source's newest yet): streaming now would build on rows that the cluster does not have.
    if (*no_need) co_return error("pg_rewind sees no divergence, but the cluster's history does (" + step.why + ")");
    const std::string what = with_kept(why, *kept);
    co_return co_await finish(node, step.layout, step.next, what);
}

Async<Result<>> clone(Node& node, const Clone& step, const Progress& progress) {
    if (auto done = node.need_stopped(); !done) co_return done;
    const auto source = source_of(step.layout, step.upstream);
    if (!source) co_return source.error();
    progress("cloning from " + step.upstream.v + ": " + step.why);
    if (node.data.version() == 0 && node.data.has_content() && !node.data.rebuilding())
        co_return error("the data folder " + node.config.data_dir +
                        " is not empty, but holds no PostgreSQL: it is not emptied");
    if (auto done = node.data.refuse_tablespaces(); !done) co_return done;
    if (auto done = co_await reach(node, *source, progress); !done) co_return done;
    // A rewind that failed, or the clone before, has kept it already.
    const bool had_data = node.data.version() != 0 || node.data.rebuilding();
    const std::string why = (had_data ? "cloned anew from " : "cloned from ") + step.upstream.v + ": " + step.why;
    Result<std::string> kept = node.data.kept_by_rebuild();
    if (had_data && !node.data.rebuilding()) kept = co_await keep_aside(node, Lsn{}, why, progress);
    if (!kept) co_return kept.error();
    const std::string begun = "a clone of " + step.upstream.v + " was begun";
    if (auto done = co_await begin_rebuild(node, begun, *kept); !done) co_return done;
    if (auto done = make_folder(node.config.data_dir); !done) co_return done;
    const std::string data_dir = node.config.data_dir;
    const auto empty = [data_dir] { return empty_folder(data_dir); };
    if (auto done = co_await node.blocking(empty); !done) co_return done;
    Program program;
    program.name = "pg_basebackup";
    program.args = {"--pgdata=" + data_dir,
                    "--dbname=" + source_conninfo(node, *source),
                    "--wal-method=stream",
                    "--checkpoint=fast",
                    "--progress",
                    "--no-password",
                    "--no-sync",
                    "--label=pgaf clone for " + node.config.node.v};
    auto on_line = percentages("cloning from " + step.upstream.v, progress);
    const auto done = co_await run_program(node, std::move(program), std::move(on_line));
    if (!done) co_return with_remedy(done.error());
    const std::string what = with_kept(why, *kept);
    co_return co_await finish(node, step.layout, step.next, what);
}

Async<Result<>> drop_torn_tail(Node& node, const DropTornTail& step, const Progress& progress) {
    if (auto done = node.need_stopped(); !done) co_return done;
    const auto control = read_control_file(node.config.data_dir);
    if (!control) co_return control.error();
    const WalScan scan{node.data.wal_dir(), control->timeline, control->checkpoint, control->checkpoint, {}};
    const auto read_end = [scan] { return find_wal_end(scan); };
    const auto end = co_await node.blocking(read_end);
    if (!end) co_return end.error();
    if (end->timeline != step.timeline || end->complete > step.fork)
        co_return error("its WAL has changed: it ends at " + end->complete.text() + " on timeline " +
                        std::to_string(end->timeline.v) + ", the fork is at " + step.fork.text());
    // All complete records stay, so that it starts as before and has forgotten nothing that it said (R4).
    const KeepWal what{scan.wal_dir,
                       kept_dir(node),
                       node.data.incarnation(),
                       step.timeline,
                       end->complete,
                       {},
                       "a torn record reached into a later segment than the fork's",
                       node.config.kept_wal_bytes,
                       true};
    const auto move_it = [what] { return keep_wal(what); };
    const auto moved = co_await node.blocking(move_it);
    if (!moved) co_return moved.error();
    node.config.log.warning("torn_tail_moved", *moved);
    progress(*moved);
    co_return node.data.note_rebuilt(what.incarnation,
                                     "freed of a torn end of WAL, which reached into a later segment "
                                     "than the fork's; " +
                                         *moved);
}

}  // namespace pgaf::keeper
