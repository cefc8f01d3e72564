#include "monitor/store/sqlite_store.h"

#include <sys/stat.h>

#include <filesystem>
#include <limits>
#include <map>

#include "common/json.h"
#include "monitor/store/life_file.h"
#include "monitor/store/sqlite_db.h"
#include "monitor/store/store_lock.h"

namespace pgaf::monitor {
namespace {

/// 'pgaf' in SQLite's header, so that another program's file is never taken for a store.
constexpr std::int64_t application_id = 0x70676166;
constexpr std::int64_t schema_version = 2;
/// The event log is cut back after this many new events of a cluster: it may be longer than asked for by so many.
constexpr std::uint32_t prune_every = 128;

constexpr auto schema = R"sql(
CREATE TABLE monitor (only INTEGER PRIMARY KEY CHECK (only = 1), term INTEGER NOT NULL, id TEXT NOT NULL,
                      life TEXT NOT NULL, commits INTEGER NOT NULL, doubt TEXT NOT NULL);
INSERT INTO monitor VALUES (1, 0, '', '', 0, '');
CREATE TABLE clusters (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, unix_ms INTEGER NOT NULL, cluster TEXT NOT NULL,
                     epoch INTEGER NOT NULL, node TEXT NOT NULL, kind TEXT NOT NULL, rule TEXT NOT NULL,
                     message TEXT NOT NULL, evidence TEXT NOT NULL);
CREATE INDEX events_of_cluster ON events (cluster, seq);
)sql";

/// From schema 1 on.
constexpr auto second_schema = R"sql(
ALTER TABLE monitor ADD COLUMN life TEXT NOT NULL DEFAULT '';
ALTER TABLE monitor ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE monitor ADD COLUMN doubt TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 2;
)sql";

std::string life_path(const std::string& store) {
    return store + ".life";
}

class SqliteStore : public Store {
  public:
    SqliteStore(std::unique_ptr<Database> db, StoreLock lock, LifeFile file, std::uint32_t events_kept)
        : lock_(std::move(lock)), db_(std::move(db)), file_(std::move(file)), events_kept_(events_kept) {}

    /// Prepares what save() runs each time.
    Result<void> prepare();

    Result<Term> begin_term(const MonitorId& monitor) override;
    Result<void> still_leads() override;
    [[nodiscard]] const std::string& doubt() const override { return doubt_; }
    Result<std::vector<fsm::ClusterRecord>> load() override;
    Result<std::vector<Event>> save(const fsm::ClusterRecord& record, const std::vector<fsm::LogEntry>& log,
                                    std::int64_t unix_ms) override;
    Result<std::vector<Event>> events(const EventQuery& query) override;
    Result<std::uint64_t> last_event(const ClusterName& cluster) override;
    [[nodiscard]] std::uint64_t size_bytes() const override;

  private:
    Result<void> recall_life();
    Result<void> put_in_doubt();
    Result<void> count_commit(const fsm::ClusterRecord& record);
    Result<Event> append(const ClusterName& cluster, const fsm::LogEntry& entry, std::int64_t unix_ms);
    Result<void> prune(const ClusterName& cluster, std::size_t added);

    StoreLock lock_;  // first: given back after the database is closed
    std::unique_ptr<Database> db_;
    LifeFile file_;
    std::uint32_t events_kept_;
    StoreLife life_;
    std::string doubt_;
    /// The file that was opened.
    dev_t device_ = 0;
    ino_t inode_ = 0;
    Term term_;
    MonitorId monitor_;
    Statement put_record_;
    Statement put_event_;
    Statement count_commit_;
    Statement leader_;
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
    auto count = db_->prepare("UPDATE monitor SET commits = ?, term = ?, doubt = ?");
    if (!count) return count.error();
    count_commit_ = std::move(*count);
    auto leader = db_->prepare("SELECT term, id FROM monitor");
    if (!leader) return leader.error();
    leader_ = std::move(*leader);
    struct stat status {};
    if (::stat(db_->path().c_str(), &status) != 0) return error("store " + db_->path() + ": it is gone");
    device_ = status.st_dev;
    inode_ = status.st_ino;
    return recall_life();
}

/// R11: does the file beside the store say what the store says?
Result<void> SqliteStore::recall_life() {
    auto row = db_->prepare("SELECT life, commits, term, doubt FROM monitor");
    if (!row) return row.error();
    if (const auto stepped = row->step(); !stepped) return stepped.error();
    life_ = {row->text(0), static_cast<std::uint64_t>(row->integer(1)),
             Term{static_cast<std::uint64_t>(row->integer(2))}};
    doubt_ = row->text(3);
    const bool never_used = life_.life.empty() || life_.commits == 0;
    const std::string name = life_path(db_->path());
    const std::optional<StoreLife> beside = file_.read();
    const auto count = [](std::uint64_t n) { return std::to_string(n); };
    std::string why;
    if (!beside && never_used && !file_.has_text())
        why.clear();
    else if (!beside)
        why = "the file " + name + " beside the store is " + (file_.has_text() ? "damaged" : "missing");
    else if (beside->life != life_.life)
        why = never_used ? "the store is empty, and there was another one before, as " + name + " shows"
                         : "the store is another one than the one that " + name + " belongs to";
    else if (beside->commits > life_.commits || beside->term > life_.term)
        why = "the store was put back: it ends with commit " + count(life_.commits) + ", and there were " +
              count(beside->commits) + ", as " + name + " shows";
    if (!why.empty()) doubt_ = why;
    if (!why.empty() || life_.life.empty()) life_.life = random_id();
    if (beside) life_.term = std::max(life_.term, beside->term);
    return {};
}

/// The records say so themselves from now on: the file is about to be written anew.
Result<void> SqliteStore::put_in_doubt() {
    auto records = load();
    if (!records) return records.error();
    for (fsm::ClusterRecord& record : *records) {
        if (!record.doubt.empty()) continue;
        record.doubt = doubt_;
        put_record_.bind(record.name.v).bind(to_json(record).dump());
        if (const auto done = put_record_.run(); !done) return done;
    }
    return {};
}

Result<Term> SqliteStore::begin_term(const MonitorId& monitor) {
    auto transaction = Transaction::begin(*db_);
    if (!transaction) return transaction.error();
    const auto before = db_->query_integer("SELECT term FROM monitor");
    if (!before) return before.error();
    const std::uint64_t newest = std::max(static_cast<std::uint64_t>(*before), life_.term.v);
    // It would begin again with 0, and every keeper refuse what is decided under it.
    if (newest == std::numeric_limits<std::uint64_t>::max())
        return error("store " + db_->path() + ": no term comes after " + std::to_string(newest) +
                     ", the newest that the store or " + life_path(db_->path()) +
                     " knows: one of them was not written by a monitor, and has to be moved away");
    const std::uint64_t term = newest + 1;
    auto update = db_->prepare("UPDATE monitor SET term = ?, id = ?, life = ?, doubt = ?");
    if (!update) return update.error();
    update->bind(static_cast<std::int64_t>(term)).bind(monitor.v).bind(life_.life).bind(doubt_);
    if (const auto done = update->run(); !done) return done.error();
    if (!doubt_.empty()) {
        if (const auto done = put_in_doubt(); !done) return done.error();
    }
    if (const auto done = (*transaction)->commit(); !done) return done.error();
    term_ = life_.term = Term{term};
    monitor_ = monitor;
    if (const auto noted = file_.note_durably(life_); !noted) return noted.error();
    return term_;
}

/// R10: the leadership is a condition of each write. The lock keeps others out already, but a lock file can be deleted,
/// and not every network file system keeps locks; and a store can be replaced under a process that stands still.
Result<void> SqliteStore::still_leads() {
    struct stat status {};
    if (::stat(db_->path().c_str(), &status) != 0 || status.st_dev != device_ || status.st_ino != inode_)
        return error(
            "store " + db_->path() +
            ": the file was removed or replaced while this monitor used it, so another monitor may decide now; "
            "this one ends");
    const auto row = leader_.step();
    if (!row) return row.error();
    const auto term = static_cast<std::uint64_t>(leader_.integer(0));
    const std::string id = leader_.text(1);
    leader_.reset();
    if (term == term_.v && id == monitor_.v && !term_.empty()) return {};
    return error("store " + db_->path() + ": another monitor has begun term " + std::to_string(term) +
                 " after this one's " + std::to_string(term_.v) +
                 "; only one may run on a store: stop the other, or give it a store of its own");
}

std::uint64_t SqliteStore::size_bytes() const {
    std::uint64_t sum = 0;
    for (const char* part : {"", "-wal"}) {
        struct stat status {};
        if (::stat((db_->path() + part).c_str(), &status) == 0) sum += static_cast<std::uint64_t>(status.st_size);
    }
    return sum;
}

Result<void> SqliteStore::count_commit(const fsm::ClusterRecord& record) {
    const Term term = std::max(term_, record.term);
    count_commit_.bind(static_cast<std::int64_t>(life_.commits + 1)).bind(static_cast<std::int64_t>(term.v));
    count_commit_.bind(record.doubt.empty() ? "" : doubt_);
    return count_commit_.run();
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
    if (const auto mine = still_leads(); !mine) return mine.error();
    if (const auto done = count_commit(record); !done) return done.error();
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
    term_ = life_.term = std::max(term_, record.term);
    if (record.doubt.empty()) doubt_.clear();
    ++life_.commits;
    // What was committed is durable, whatever becomes of this: a file that is behind accuses nobody.
    (void)file_.note(life_);
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
    if (*version != schema_version && *version != 1) {
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

Result<void> upgrade(Database& db) {
    const auto version = db.query_integer("PRAGMA user_version");
    if (!version) return version.error();
    if (*version == schema_version) return {};
    auto transaction = Transaction::begin(db);
    if (!transaction) return transaction.error();
    if (const auto done = db.execute(second_schema); !done) return done;
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
    auto file = LifeFile::open(life_path(options.path));
    if (!file) return file.error();
    auto db = Database::open(options.path);
    if (!db) return db.error();
    const auto known = recognise(**db);
    if (!known) return known.error();
    if (const auto done = set_modes(**db); !done) return done.error();
    if (!*known) {
        if (const auto done = set_up(**db); !done) return done.error();
    } else if (const auto done = upgrade(**db); !done) {
        return done.error();
    }
    auto store = std::make_unique<SqliteStore>(std::move(*db), std::move(*lock), std::move(*file), options.events_kept);
    if (const auto done = store->prepare(); !done) return done.error();
    return std::unique_ptr<Store>(std::move(store));
}

}  // namespace pgaf::monitor
