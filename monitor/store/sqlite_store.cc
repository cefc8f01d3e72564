#include "monitor/store/sqlite_store.h"

#include <filesystem>
#include <map>

#include "common/json.h"
#include "monitor/store/sqlite_db.h"
#include "monitor/store/store_lock.h"

namespace pgaf::monitor {
namespace {

/// 'pgaf' in SQLite's header, so that another program's file is never taken for a store.
constexpr std::int64_t application_id = 0x70676166;
constexpr std::int64_t schema_version = 1;
/// The event log is cut back after this many new events of a cluster: it may be longer than asked for by so many.
constexpr std::uint32_t prune_every = 128;

constexpr auto schema = R"sql(
CREATE TABLE monitor (only INTEGER PRIMARY KEY CHECK (only = 1), term INTEGER NOT NULL, id TEXT NOT NULL);
INSERT INTO monitor VALUES (1, 0, '');
CREATE TABLE clusters (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, unix_ms INTEGER NOT NULL, cluster TEXT NOT NULL,
                     epoch INTEGER NOT NULL, node TEXT NOT NULL, kind TEXT NOT NULL, rule TEXT NOT NULL,
                     message TEXT NOT NULL, evidence TEXT NOT NULL);
CREATE INDEX events_of_cluster ON events (cluster, seq);
)sql";

class SqliteStore : public Store {
  public:
    SqliteStore(std::unique_ptr<Database> db, StoreLock lock, std::uint32_t events_kept)
        : lock_(std::move(lock)), db_(std::move(db)), events_kept_(events_kept) {}

    /// Prepares what save() runs each time.
    Result<void> prepare();

    Result<Term> begin_term(const MonitorId& monitor) override;
    Result<std::vector<fsm::ClusterRecord>> load() override;
    Result<std::vector<Event>> save(const fsm::ClusterRecord& record, const std::vector<fsm::LogEntry>& log,
                                    std::int64_t unix_ms) override;
    Result<std::vector<Event>> events(const EventQuery& query) override;
    Result<std::uint64_t> last_event(const ClusterName& cluster) override;

  private:
    Result<void> check_term();
    Result<Event> append(const ClusterName& cluster, const fsm::LogEntry& entry, std::int64_t unix_ms);
    Result<void> prune(const ClusterName& cluster, std::size_t added);

    StoreLock lock_;  // first: given back after the database is closed
    std::unique_ptr<Database> db_;
    std::uint32_t events_kept_;
    Term term_;
    MonitorId monitor_;
    Statement put_record_;
    Statement put_event_;
    /// Events appended to a cluster since its log was last cut back.
    std::map<ClusterName, std::size_t> unpruned_;
};

Result<void> SqliteStore::prepare() {
    auto record =
        db_->prepare("INSERT INTO clusters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record");
    if (!record) return record.error();
    auto event = db_->prepare(
        "INSERT INTO events (unix_ms, cluster, epoch, node, kind, rule, message, evidence)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    if (!event) return event.error();
    put_record_ = std::move(*record);
    put_event_ = std::move(*event);
    return {};
}

Result<Term> SqliteStore::begin_term(const MonitorId& monitor) {
    auto transaction = Transaction::begin(*db_);
    if (!transaction) return transaction.error();
    auto update = db_->prepare("UPDATE monitor SET term = term + 1, id = ?");
    if (!update) return update.error();
    update->bind(monitor.v);
    if (const auto done = update->run(); !done) return done.error();
    const auto term = db_->query_integer("SELECT term FROM monitor");
    if (!term) return term.error();
    if (const auto done = (*transaction)->commit(); !done) return done.error();
    term_ = Term{static_cast<std::uint64_t>(*term)};
    monitor_ = monitor;
    return term_;
}

/// R10: the leadership is a condition of each write. The lock keeps others out already, but a lock file can be deleted,
/// and not every network file system keeps locks.
Result<void> SqliteStore::check_term() {
    const auto term = db_->query_integer("SELECT term FROM monitor");
    if (!term) return term.error();
    if (static_cast<std::uint64_t>(*term) == term_.v && !term_.empty()) return {};
    return error("store " + db_->path() + ": another monitor has begun term " + std::to_string(*term) +
                 " after this one's " + std::to_string(term_.v) +
                 "; only one may run on a store: stop the other, or give it a store of its own");
}

Result<std::vector<fsm::ClusterRecord>> SqliteStore::load() {
    auto rows = db_->prepare("SELECT name, record FROM clusters ORDER BY name");
    if (!rows) return rows.error();
    std::vector<fsm::ClusterRecord> records;
    while (true) {
        const auto row = rows->step();
        if (!row) return row.error();
        if (!*row) return records;
        const std::string where = "store " + db_->path() + ": the record of cluster " + rows->text(0) + " is damaged";
        const auto json = nlohmann::json::parse(rows->text(1), nullptr, false);
        if (json.is_discarded()) return error(where + " (no JSON); put a backup of the file in its place");
        auto record = from_json<fsm::ClusterRecord>(json);
        if (!record) return record.error().in(where + "; put a backup of the file in its place");
        records.push_back(std::move(*record));
    }
}

Result<Event> SqliteStore::append(const ClusterName& cluster, const fsm::LogEntry& entry, std::int64_t unix_ms) {
    put_event_.bind(unix_ms).bind(cluster.v).bind(static_cast<std::int64_t>(entry.epoch.v)).bind(entry.node.v);
    put_event_.bind(entry.kind).bind(entry.rule).bind(entry.message).bind(entry.evidence);
    if (const auto done = put_event_.run(); !done) return done.error();
    const auto seq = static_cast<std::uint64_t>(sqlite3_last_insert_rowid(db_->handle()));
    return Event{seq, unix_ms, cluster, entry};
}

Result<void> SqliteStore::prune(const ClusterName& cluster, std::size_t added) {
    // A first use counts as full, so that a log that was left too long is cut back too.
    auto& unpruned = unpruned_.try_emplace(cluster, prune_every).first->second;
    unpruned += added;
    if (unpruned < prune_every) return {};
    auto statement = db_->prepare(
        "DELETE FROM events WHERE cluster = ?1 AND seq <= (SELECT seq FROM events WHERE cluster = ?1"
        " ORDER BY seq DESC LIMIT 1 OFFSET ?2)");
    if (!statement) return statement.error();
    statement->bind(cluster.v).bind(std::int64_t{events_kept_});
    if (const auto done = statement->run(); !done) return done.error();
    unpruned = 0;
    return {};
}

Result<std::vector<Event>> SqliteStore::save(const fsm::ClusterRecord& record, const std::vector<fsm::LogEntry>& log,
                                             std::int64_t unix_ms) {
    // `replace`: a message may hold what PostgreSQL said, in any encoding, and must not stop a failover.
    const std::string json = to_json(record).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    auto transaction = Transaction::begin(*db_);
    if (!transaction) return transaction.error();
    if (const auto mine = check_term(); !mine) return mine.error();
    put_record_.bind(record.name.v).bind(json);
    if (const auto done = put_record_.run(); !done) return done.error();
    std::vector<Event> added;
    for (const auto& entry : log) {
        auto event = append(record.name, entry, unix_ms);
        if (!event) return event.error();
        added.push_back(std::move(*event));
    }
    if (!added.empty()) {
        if (const auto done = prune(record.name, added.size()); !done) return done.error();
    }
    if (const auto done = (*transaction)->commit(); !done) return done.error();
    return added;
}

Result<std::vector<Event>> SqliteStore::events(const EventQuery& query) {
    auto rows = db_->prepare(
        "SELECT seq, unix_ms, epoch, node, kind, rule, message, evidence FROM events"
        " WHERE cluster = ? AND seq > ? AND unix_ms >= ? ORDER BY seq " +
        std::string(query.newest ? "DESC" : "ASC") + " LIMIT ?");
    if (!rows) return rows.error();
    rows->bind(query.cluster.v).bind(static_cast<std::int64_t>(query.after)).bind(query.since_unix_ms);
    rows->bind(std::int64_t{query.limit});
    std::vector<Event> found;
    while (true) {
        const auto row = rows->step();
        if (!row) return row.error();
        if (!*row) break;
        fsm::LogEntry entry{Epoch{static_cast<std::uint64_t>(rows->integer(2))},
                            NodeName{rows->text(3)},
                            rows->text(4),
                            rows->text(5),
                            rows->text(6),
                            rows->text(7)};
        found.push_back(
            {static_cast<std::uint64_t>(rows->integer(0)), rows->integer(1), query.cluster, std::move(entry)});
    }
    if (query.newest) std::reverse(found.begin(), found.end());
    return found;
}

Result<std::uint64_t> SqliteStore::last_event(const ClusterName& cluster) {
    auto row = db_->prepare("SELECT coalesce(max(seq), 0) FROM events WHERE cluster = ?");
    if (!row) return row.error();
    row->bind(cluster.v);
    if (const auto stepped = row->step(); !stepped) return stepped.error();
    return static_cast<std::uint64_t>(row->integer(0));
}

// ---- opening ------------------------------------------------------------------------------------------------------

/// Reads only, so that a file of somebody else's is left as it is. True: a store. False: an empty file, to be set up.
Result<bool> recognise(Database& db) {
    const auto id = db.query_integer("PRAGMA application_id");
    if (!id) return id.error();
    const auto tables = db.query_integer("SELECT count(*) FROM sqlite_schema");
    if (!tables) return tables.error();
    if (*tables == 0 && *id == 0) return false;
    if (*id != application_id) {
        return error("store " + db.path() +
                     ": the file is an SQLite database of another program; set another store path");
    }
    const auto version = db.query_integer("PRAGMA user_version");
    if (!version) return version.error();
    if (*version != schema_version) {
        return error("store " + db.path() + ": written by another version of pgaf (schema " + std::to_string(*version) +
                     ", this program knows " + std::to_string(schema_version) + "); use that version of pgaf-monitor");
    }
    const auto health = db.query_text("PRAGMA quick_check(1)");
    if (!health) return health.error();
    if (*health != "ok") return error(db.failure(SQLITE_CORRUPT).message + " (" + *health + ")");
    return true;
}

Result<void> set_up(Database& db) {
    auto transaction = Transaction::begin(db);
    if (!transaction) return transaction.error();
    if (const auto done = db.execute(schema); !done) return done;
    if (const auto done = db.execute("PRAGMA application_id = " + std::to_string(application_id)); !done) return done;
    if (const auto done = db.execute("PRAGMA user_version = " + std::to_string(schema_version)); !done) return done;
    return (*transaction)->commit();
}

Result<void> set_modes(Database& db) {
    const auto mode = db.query_text("PRAGMA journal_mode = WAL");
    if (!mode) return mode.error();
    if (*mode != "wal") {
        return error("store " + db.path() + ": WAL mode is not possible there (" + *mode +
                     "); use a local file system");
    }
    return db.execute("PRAGMA synchronous = FULL");
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteOptions& options) {
    const std::filesystem::path folder = std::filesystem::absolute(options.path).parent_path();
    std::error_code ec;
    std::filesystem::create_directories(folder, ec);
    if (ec) return error("store: cannot create the folder " + folder.string() + ": " + ec.message());
    auto lock = StoreLock::take(options.path + ".lock");
    if (!lock) return lock.error();
    auto db = Database::open(options.path);
    if (!db) return db.error();
    const auto known = recognise(**db);
    if (!known) return known.error();
    if (const auto done = set_modes(**db); !done) return done.error();
    if (!*known) {
        if (const auto done = set_up(**db); !done) return done.error();
    }
    auto store = std::make_unique<SqliteStore>(std::move(*db), std::move(*lock), options.events_kept);
    if (const auto done = store->prepare(); !done) return done.error();
    return std::unique_ptr<Store>(std::move(store));
}

}  // namespace pgaf::monitor
