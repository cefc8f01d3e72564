#include "monitor/store/sqlite_db.h"

#include <filesystem>

namespace pgaf::monitor {
namespace {

/// What an operator can do about a failure; empty when only the message itself can help.
const char* remedy(int code) {
    switch (code & 0xff) {
        case SQLITE_FULL:
            return "; the disk is full: make room, then start the monitor again";
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return "; another program holds a lock on the file: end it";
        case SQLITE_NOTADB:
            return "; the file is not a pgaf store: move it away or set another path";
        case SQLITE_CORRUPT:
            return "; the file is damaged: move it away and put a backup in its place";
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH:
        case SQLITE_CANTOPEN:
            return "; the monitor's user must be able to write the file and its folder";
        case SQLITE_IOERR:
            return "; look for errors of the disk in the system's log";
        default:
            return "";
    }
}

/// SQLite gives a full disk different names, depending on which of its files it wanted to grow.
bool disk_is_full(const std::string& path) {
    std::error_code ec;
    const auto space = std::filesystem::space(std::filesystem::absolute(path).parent_path(), ec);
    return !ec && space.available < 256 * 1024;
}

}  // namespace

Error Database::failure(int code) const {
    const char* what = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(code);
    if ((code & 0xff) == SQLITE_IOERR && disk_is_full(path_)) code = SQLITE_FULL;
    return error("store " + path_ + ": " + what + remedy(code));
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
    auto db = std::make_unique<Database>();
    db->path_ = path;
    sqlite3* raw = nullptr;
    const int code =
        sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    db->handle_.reset(raw);  // also a failed open gives a handle, which holds the message
    if (code != SQLITE_OK) return db->failure(code);
    sqlite3_extended_result_codes(raw, 1);
    // Others only read, for backups; their locks are short.
    sqlite3_busy_timeout(raw, 2000);
    return db;
}

Result<void> Database::execute(const std::string& sql) {
    const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return failure(code);
    return {};
}

Result<Statement> Database::prepare(const std::string& sql) {
    Statement statement;
    sqlite3_stmt* raw = nullptr;
    const int code = sqlite3_prepare_v2(handle_.get(), sql.c_str(), static_cast<int>(sql.size()), &raw, nullptr);
    if (code != SQLITE_OK) return failure(code);
    statement.handle_.reset(raw);
    statement.db_ = this;
    return statement;
}

Result<std::int64_t> Database::query_integer(const std::string& sql) {
    auto statement = prepare(sql);
    if (!statement) return statement.error();
    const auto row = statement->step();
    if (!row) return row.error();
    return *row ? statement->integer(0) : 0;
}

Result<std::string> Database::query_text(const std::string& sql) {
    auto statement = prepare(sql);
    if (!statement) return statement.error();
    const auto row = statement->step();
    if (!row) return row.error();
    return *row ? statement->text(0) : std::string();
}

Statement& Statement::bind(std::int64_t value) {
    if (const int code = sqlite3_bind_int64(handle_.get(), next_++, value); code != SQLITE_OK) bad_bind_ = code;
    return *this;
}

Statement& Statement::bind(std::string_view text) {
    const int code =
        sqlite3_bind_text(handle_.get(), next_++, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    if (code != SQLITE_OK) bad_bind_ = code;
    return *this;
}

Result<bool> Statement::step() {
    if (bad_bind_ != SQLITE_OK) return db_->failure(bad_bind_);
    const int code = sqlite3_step(handle_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return db_->failure(code);
}

Result<void> Statement::run() {
    const auto stepped = step();
    reset();
    if (!stepped) return stepped.error();
    return {};
}

void Statement::reset() {
    sqlite3_reset(handle_.get());  // repeats the code of the last step, which was reported there
    sqlite3_clear_bindings(handle_.get());
    next_ = 1;
    bad_bind_ = SQLITE_OK;
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(handle_.get(), column);
}

std::string Statement::text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
    return bytes ? std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column)))
                 : std::string();
}

Result<std::unique_ptr<Transaction>> Transaction::begin(Database& db) {
    if (const auto begun = db.execute("BEGIN IMMEDIATE"); !begun) return begun.error();
    return std::unique_ptr<Transaction>(new Transaction(db));
}

Result<void> Transaction::commit() {
    done_ = true;
    const auto committed = db_.execute("COMMIT");
    // A failed commit may leave the transaction open. Its outcome is the caller's to worry about; a rollback can only
    // fail when there is none left.
    if (!committed && sqlite3_get_autocommit(db_.handle()) == 0) (void)db_.execute("ROLLBACK");
    return committed;
}

Transaction::~Transaction() {
    if (!done_ && sqlite3_get_autocommit(db_.handle()) == 0) (void)db_.execute("ROLLBACK");
}

}  // namespace pgaf::monitor
