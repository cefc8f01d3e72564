#include "keeper/postgres/facts_reader.h"

#include <sys/stat.h>

#include <charconv>
#include <utility>

#include "keeper/postgres/clients.h"
#include "keeper/postgres/files.h"
#include "keeper/postgres/history.h"
#include "keeper/postgres/server_status.h"
#include "keeper/postgres/wal_files.h"

namespace pgaf::keeper {
namespace {

/// Beyond this the answer is no longer fresh; the next observation asks again on a new connection.
constexpr Millis query_limit{1000};
constexpr std::chrono::seconds slot_interval{1};
/// How a postmaster ends that does not restart after the crash of one of its processes. Stopped, it says 0.
constexpr const char* own_end = "exit code 1";
constexpr std::uint64_t default_segment_bytes = std::uint64_t{16} << 20;

void add_trouble(Facts& facts, const std::string& text) {
    if (text.empty()) return;
    facts.trouble += (facts.trouble.empty() ? "" : "; ") + text;
}

std::optional<timespec> changed_at(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? std::optional(info.st_mtim) : std::nullopt;
}

bool same(const timespec& a, const std::optional<timespec>& b) {
    return b && a.tv_sec == b->tv_sec && a.tv_nsec == b->tv_nsec;
}

NodeName peer_at(const Layout& layout, const std::string& host, std::uint16_t port) {
    for (const Peer& peer : layout.peers)
        if (peer.host == host && peer.port == port) return peer.node;
    return {};
}

}  // namespace

std::uint32_t version_number(const std::string& text) {
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    const char* const end = text.data() + text.size();
    const auto r = std::from_chars(text.data(), end, major);
    if (r.ptr != end && *r.ptr == '.') std::from_chars(r.ptr + 1, end, minor);
    return major * 10000 + minor;
}

std::string version_warning(std::uint32_t version) {
    // The first minor version in which a server that has just started never takes waiting for standbys as not yet
    // known.
    constexpr std::uint32_t sound[] = {130021, 140018, 150013, 160009, 170005};
    for (const std::uint32_t first : sound) {
        if (version / 10000 != first / 10000 || version >= first) continue;
        const auto text = [](std::uint32_t v) { return std::to_string(v / 10000) + "." + std::to_string(v % 10000); };
        return "PostgreSQL " + text(version) +
               " may let commits through right after its start before it waits for standbys: update it to " +
               text(first) + " or later";
    }
    return {};
}

std::vector<std::string> FactsReader::probed_folders(bool rebuilding) const {
    if (rebuilding || node_.data.version() == 0) return {};
    const std::string& data = node_.config.data_dir;
    const std::string wal = node_.data.wal_dir();
    struct stat data_info {};
    struct stat wal_info {};
    const bool apart = ::stat(data.c_str(), &data_info) == 0 && ::stat(wal.c_str(), &wal_info) == 0 &&
                       data_info.st_dev != wal_info.st_dev;
    return apart ? std::vector{data, wal} : std::vector{data};
}

Async<Facts> FactsReader::observe(bool mark) {
    Facts facts;
    const LauncherView& launcher = node_.launcher.view();
    facts.launcher_connected = launcher.connected;
    facts.leaving = launcher.leaving;
    facts.exits = launcher.exits;
    facts.crashed = launcher.postmaster == 0 && launcher.last_exit && launcher.last_exit->status == own_end;
    facts.deadline_expired = launcher.postmaster == 0 && launcher.last_exit && launcher.last_exit->expired;
    facts.pg_version = version_number(launcher.pg_version);
    const auto readable = node_.data.readable();
    if (!readable) add_trouble(facts, "it can't be told what is in the data folder: " + readable.error().message);
    facts.folder_incarnation = node_.data.incarnation();
    facts.rebuilding = node_.data.rebuilding();
    facts.rebuilt = node_.data.rebuilt(facts.folder_incarnation);
    node_.disk.watch(probed_folders(facts.rebuilding));
    facts.disk = node_.disk.trouble();
    if (!node_.up() || answered_by_ != launcher.postmaster) node_.sessions.watch(0);
    if (!launcher.connected) {
        connection_.close();
        add_trouble(facts, node_.need_launcher().error().message);
        co_return facts;
    }
    if (launcher.starting) {
        connection_.close();
        add_starting(facts);
    } else if (launcher.postmaster == 0) {
        connection_.close();
        // Neither stopped nor absent may be said of a folder that nobody can tell (R2).
        if (!readable) co_return facts;
        co_await add_stopped(facts);
        // What changed while the folder was read made what was read another server's; its event brings the next look.
        if (launcher.starting || node_.up()) {
            add_starting(facts);
        } else if (!launcher.connected || launcher.exits != facts.exits) {
            facts.status = PgStatus::unknown;
            facts.end_exact = false;
        }
    } else {
        stopped_.reset();
        exit_untold_ = true;
        co_await add_running(facts, mark);
    }
    // PostgreSQL does not always say why it can't write.
    if (!facts.trouble.empty()) add_trouble(facts, node_.data.without_room());
    co_return facts;
}

/// Between the launcher's being asked and its answer: nobody may take it for stopped, or fenced (R4).
void FactsReader::add_starting(Facts& facts) {
    facts.status = PgStatus::starting;
    facts.end_exact = false;
    facts.in_recovery = node_.data.is_standby();
    facts.open_to_clients = node_.data.open_to_clients();
}

Async<StoppedWal> FactsReader::stopped_end(const ControlFile& control) {
    const std::string wal_dir = node_.data.wal_dir();
    WalScan scan{wal_dir, control.timeline, control.checkpoint, control.checkpoint, control.system_id};
    const auto label = read_backup_label(node_.config.data_dir);
    if (!label) co_return ScanError(label.error());
    if (*label) {
        scan.timeline = (*label)->timeline;
        scan.anchor = scan.from = (*label)->checkpoint;
    }
    const auto read_end = [scan] { return find_wal_end(scan); };
    reads_stopped_ = true;  // a look is cancelled only when there is no other one
    const auto end = co_await node_.blocking(read_end);
    reads_stopped_ = false;
    // Only what is not there may be on its way: what can't be read is not known (R4).
    if (end || !*label || !(end.error().damaged || end.error().empty)) co_return end;
    // A copy that has not been started yet may have to stream even the WAL that its recovery begins with.
    const auto bytes = segment_size(wal_dir);
    co_return WalEnd{scan.timeline, scan.from, scan.from, {}, bytes && *bytes ? *bytes : default_segment_bytes, {}};
}

Async<void> FactsReader::add_stopped(Facts& facts) {
    const DataDir& data = node_.data;
    node_.unfinished.clear();
    facts.status = PgStatus::absent;
    if (facts.rebuilding) co_return;
    if (data.version() == 0) {
        if (data.has_content())
            add_trouble(facts, "the data folder " + node_.config.data_dir +
                                   " is not empty, but holds no PostgreSQL (no PG_VERSION): move its contents away, or "
                                   "set another data folder");
        co_return;
    }
    facts.status = PgStatus::stopped;
    facts.in_recovery = data.is_standby();
    facts.open_to_clients = data.open_to_clients();
    const auto control = read_control_file(node_.config.data_dir);
    if (!control) co_return add_trouble(facts, control.error().message);
    facts.system_id = control->system_id;
    facts.clean_shutdown = control->clean();
    facts.checkpoint_timeline = control->timeline;
    if (std::exchange(exit_untold_, false) && !facts.in_recovery) {
        facts.end_pending = true;
        co_return;
    }
    const auto control_changed = changed_at(data.path("global/pg_control"));
    const auto wal_changed = changed_at(data.wal_dir());
    if (!control_changed || !wal_changed)
        co_return add_trouble(facts, "looking at " + data.path("global/pg_control") + " and " + data.wal_dir() +
                                         " has failed: is their disk mounted?");
    if (!stopped_ || !same(stopped_->control_changed, control_changed) || !same(stopped_->wal_changed, wal_changed)) {
        stopped_.reset();
        const auto end = co_await stopped_end(*control);
        // Not remembered: the next look may read it.
        if (!end) {
            facts.wal_damaged = end.error().damaged;
            co_return add_trouble(facts, end.error().message);
        }
        stopped_ = StoppedEnd{*control_changed, *wal_changed, *end};
    }
    node_.unfinished = stopped_->end.unfinished;
    facts.timeline = stopped_->end.timeline;
    facts.complete = stopped_->end.complete;
    facts.end = std::max(stopped_->end.complete, stopped_->end.torn);
    facts.wal_segment_bytes = stopped_->end.segment_bytes;
    // What a start would have to replay tells candidates apart (R5).
    facts.replayed = facts.clean_shutdown ? facts.complete : control->redo;
    facts.end_exact = true;
    add_forks(facts);
}

void FactsReader::add_forks(Facts& facts) {
    if (facts.timeline.empty() || (facts.timeline.v <= 1 && !facts.in_recovery)) return;
    const auto histories = read_histories(node_.data.wal_dir());
    if (!histories) return add_trouble(facts, histories.error().message);
    const auto own = histories->find(facts.timeline);
    if (own != histories->end()) facts.forks = own->second;
    for (auto above = histories->upper_bound(facts.timeline); above != histories->end(); ++above)
        facts.histories.push_back(above->first);
}

/// Longer than that of a heartbeat: what is slow is no reason to fail over (detection, evidence 4).
Millis FactsReader::stuck_limit() const {
    return std::max(node_.config.stuck_limit, Millis{2 * node_.data.node_timeout().v});
}

void FactsReader::judge_silence(Facts& facts) {
    const auto silent = Clock::now() - answered_;
    if (silent >= std::chrono::milliseconds(stuck_limit().v)) facts.status = PgStatus::stuck;
}

/// Once for each start of a server.
void FactsReader::warn_of_version(std::uint32_t version) {
    if (warned_of_ == answered_by_) return;
    warned_of_ = answered_by_;
    if (const std::string why = version_warning(version); !why.empty())
        node_.config.log.warning("postgres_version", why, {{"version", version}});
}

/// The server's answer; nothing when it gave none, with status and trouble said.
Async<std::optional<ServerView>> FactsReader::ask(Facts& facts) {
    if (answered_by_ != node_.launcher.view().postmaster) {
        answered_by_ = node_.launcher.view().postmaster;
        answered_ = Clock::now();
        connection_.close();
    }
    const std::string word = postmaster_word(node_.config.data_dir);
    facts.status = word == "stopping" ? PgStatus::stopping : word == "ready" ? PgStatus::running : PgStatus::starting;
    if (!connection_.is_open()) {
        const auto opened =
            co_await connection_.open(local_conninfo(node_.config, "pgaf-keeper observes"), query_limit);
        if (!opened) {
            // Any refusal with a SQLSTATE is an answer: starting, stopping, out of slots, or a broken configuration.
            const std::string& state = connection_.sqlstate();
            if (!state.empty() || facts.status == PgStatus::starting) answered_ = Clock::now();
            // While it restarts after a backend's crash, postmaster.pid still says "ready".
            if (state == "57P03" && facts.status == PgStatus::running) facts.status = PgStatus::starting;
            if (state != "57P03" && facts.status != PgStatus::starting)
                add_trouble(facts, explain_connection(opened.error(), state));
            judge_silence(facts);
            co_return std::nullopt;
        }
        warn_of_version(static_cast<std::uint32_t>(connection_.server_version()));
    }
    const auto view = co_await look(connection_, query_limit);
    if (!view) {
        if (!connection_.sqlstate().empty()) answered_ = Clock::now();
        add_trouble(facts, view.error().message);
        judge_silence(facts);
        co_return std::nullopt;
    }
    answered_ = Clock::now();
    if (facts.status != PgStatus::stopping) facts.status = PgStatus::running;
    node_.sessions.watch(answered_by_);
    if (const std::string nobody_gets_in = node_.sessions.trouble(stuck_limit()); !nobody_gets_in.empty()) {
        facts.status = PgStatus::stuck;
        add_trouble(facts, nobody_gets_in);
    }
    co_return *view;
}

/// Its own connection commits without waiting for standbys, so what it commits is flushed here at once. Without an
/// answer there is no mark, and the look that follows says what is wrong.
Async<void> FactsReader::write_mark(Facts& facts) {
    if (!connection_.is_open() || answered_by_ != node_.launcher.view().postmaster) co_return;
    const auto written =
        co_await connection_.query("SELECT pg_logical_emit_message(true, 'pgaf', 'lease') AS lsn", query_limit);
    if (written) facts.lease_mark = written->lsn(0, "lsn");
}

Async<void> FactsReader::add_running(Facts& facts, bool mark) {
    facts.in_recovery = node_.data.is_standby();
    facts.open_to_clients = node_.data.open_to_clients();
    if (mark && !facts.in_recovery) co_await write_mark(facts);
    const auto view = co_await ask(facts);
    if (!view) {
        if (!node_.up()) facts.status = PgStatus::unknown;
        co_return;
    }
    facts.pg_version = static_cast<std::uint32_t>(connection_.server_version());
    facts.in_recovery = view->in_recovery;
    facts.wal_segment_bytes = view->segment_bytes;
    facts.system_id = view->system_id;
    facts.checkpoint_timeline = view->checkpoint_timeline;
    facts.standby_names = view->standby_names;
    facts.alien_rule = node_.alien_rule(view->standby_names);
    if (view->in_recovery) {
        add_standby(facts, *view);
        co_await advance_slots(facts, *view);
    } else {
        facts.timeline = view->timeline;
        facts.end = facts.replayed = view->flushed;
        co_await end_impostors(facts, *view);
        if (!facts.open_to_clients) {
            const auto sessions = co_await count_client_sessions(connection_, query_limit);
            if (sessions) facts.client_sessions = *sessions;
        }
    }
    add_replication(facts, *view);
    add_forks(facts);
}

void FactsReader::add_standby(Facts& facts, const ServerView& view) {
    const Address upstream = address_of(view.conninfo);
    facts.following = peer_at(node_.layout, upstream.host, upstream.port);
    facts.replayed = view.replayed;
    facts.end = std::max(view.received, view.replayed);
    const bool streaming = view.receiver && view.receiver->status == "streaming";
    const Received local{view.checkpoint_timeline, view.redo, view.system_id, view.received, view.replayed};
    const auto upstream_says = upstream_.look(facts.following, local, view.segment_bytes, streaming);
    facts.wal_gone = upstream_says.gone;
    if (!upstream_says.trouble.empty()) add_trouble(facts, upstream_says.trouble);
    facts.replay_paused = view.replay_paused && !view.receiver;
    const auto& fenced = node_.run().fenced;
    if (fenced && view.conninfo.empty() && !view.receiver) {
        facts.timeline = fenced->scanned.timeline;
        facts.end = std::max(fenced->end, view.replayed);
        facts.complete = std::max(fenced->scanned.complete, view.replayed);
        facts.end_exact = true;
        return;
    }
    if (view.receiver && view.receiver->flushed >= view.replayed && !view.receiver->timeline.empty()) {
        facts.timeline = view.receiver->timeline;
        return;
    }
    const auto timeline =
        timeline_at({node_.data.wal_dir(), view.checkpoint_timeline, view.redo, view.redo, view.system_id}, facts.end);
    if (!timeline) return add_trouble(facts, timeline.error().message);
    facts.timeline = *timeline;
}

void FactsReader::add_replication(Facts& facts, const ServerView& view) {
    if (view.receiver) {
        facts.receiver.streaming = view.receiver->status == "streaming";
        facts.receiver.upstream = peer_at(node_.layout, view.receiver->host, view.receiver->port);
        facts.receiver.last_message_age = view.receiver->last_message_age;
    }
    for (const WalsenderRow& row : view.walsenders) {
        const auto member = parse_member_name(row.application, node_.config.cluster);
        if (!member || is_impostor(row, node_.config.cluster)) continue;
        facts.standbys.push_back(
            {member->incarnation, row.state == "streaming", row.flushed, row.replayed, row.replay_lag});
    }
    for (const SlotRow& slot : view.slots)
        if (!slot.lost) facts.slots.push_back(slot.name);
}

/// R14: whoever bears a member's name and is not that node could acknowledge in its place.
Async<void> FactsReader::end_impostors(Facts& facts, const ServerView& view) {
    for (const WalsenderRow& row : view.walsenders) {
        if (!is_impostor(row, node_.config.cluster)) continue;
        const std::string who = "a connection of user " + row.user + " with the application_name " + row.application +
                                " and " + (row.slot.empty() ? "no slot" : "the slot " + row.slot);
        const auto ended = co_await connection_.query("SELECT pg_terminate_backend($1::int)",
                                                      parameters(std::to_string(row.pid)), query_limit);
        node_.config.log.warning("impostor_ended", "ended " + who + ": that name is a cluster member's (R14)");
        add_trouble(facts, (ended ? "ended " : "could not end ") + who +
                               ", which is not that node: find out who uses it, and give it another name" +
                               (ended ? "" : ": " + ended.error().message));
    }
}

/// A standby's slots keep what its peers still lack, and nothing more.
Async<void> FactsReader::advance_slots(Facts& facts, const ServerView& view) {
    if (node_.peer_positions.empty() || Clock::now() - slots_advanced_ < slot_interval) co_return;
    slots_advanced_ = Clock::now();
    // A copy: the next acknowledgement replaces the positions while the queries wait for their answers.
    const auto positions = node_.peer_positions;
    for (const auto& [peer, position] : positions) {
        const std::string name = slot_name(peer);
        const Lsn target = std::min(position, view.replayed);
        for (const SlotRow& slot : view.slots) {
            if (slot.name != name || slot.active || slot.lost || slot.restart >= target) continue;
            const auto done = co_await connection_.query("SELECT pg_replication_slot_advance($1, $2::pg_lsn)",
                                                         parameters(name, target.text()), query_limit);
            if (!done) add_trouble(facts, "the slot " + name + " could not be advanced: " + done.error().message);
        }
    }
}

}  // namespace pgaf::keeper
