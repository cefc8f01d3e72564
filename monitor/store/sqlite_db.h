// SQLite with errors as Results and handles that close themselves. Knows nothing of what is stored.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"

namespace pgaf::monitor {

class Database;

/// A prepared statement. Bind in order, then step until there is no row; reset() makes it fit for the next use.
class Statement {
  public:
    Statement& bind(std::int64_t value);
    Statement& bind(std::string_view text);
    /// True: a row is there. False: done.
    Result<bool> step();
    /// For statements without rows: steps, resets, and tells what went wrong.
    Result<void> run();
    void reset();
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string text(int column) const;

  private:
    friend class Database;
    struct Close {
        void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
    };
    std::unique_ptr<sqlite3_stmt, Close> handle_;
    const Database* db_ = nullptr;
    int next_ = 1;
    int bad_bind_ = SQLITE_OK;
};

class Database {
  public:
    /// The file is created when it does not exist.
    static Result<std::unique_ptr<Database>> open(const std::string& path);

    Result<void> execute(const std::string& sql);
    Result<Statement> prepare(const std::string& sql);
    /// The first column of the first row, for PRAGMAs and counts.
    Result<std::int64_t> query_integer(const std::string& sql);
    Result<std::string> query_text(const std::string& sql);

    [[nodiscard]] sqlite3* handle() const { return handle_.get(); }
    [[nodiscard]] const std::string& path() const { return path_; }
    /// The last failure in words, with the file's name and the remedy.
    [[nodiscard]] Error failure(int code) const;

  private:
    struct Close {
        void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
    };
    std::unique_ptr<sqlite3, Close> handle_;
    std::string path_;
};

/// Rolls back unless committed.
class Transaction {
  public:
    static Result<std::unique_ptr<Transaction>> begin(Database& db);
    ~Transaction();
    Result<void> commit();

  private:
    explicit Transaction(Database& db) : db_(db) {}
    Database& db_;
    bool done_ = false;
};

}  // namespace pgaf::monitor
