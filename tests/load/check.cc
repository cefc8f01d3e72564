#include "tests/load/check.h"

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "tests/load/judge.h"
#include "tests/load/log.h"
#include "tests/load/servers.h"

namespace pgaf::load {
namespace {

using nlohmann::json;

constexpr std::size_t lost_rows_shown = 10;

/// One run of the load within the log.
struct Run {
    std::string id;
    std::uint32_t writers = 0;
    std::int64_t offset = 0;
};

struct Server {
    Session session;
    bool primary = false;
    std::uint64_t acknowledged_found = 0;
    std::uint64_t unknown_found = 0;
    /// Rows that the server had refused.
    std::uint64_t failed_found = 0;
    std::uint64_t lost = 0;
    std::vector<std::string> first_lost = {};
};

/// The rows of one writer in one run as a server has them, in order.
class StoredRows {
  public:
    static Result<StoredRows> open(const Session& session, const Run& run, std::uint32_t writer) {
        const std::string number = std::to_string(writer);
        const char* values[] = {run.id.c_str(), number.c_str()};
        PGconn* const raw = session.raw();
        PQsetnonblocking(raw, 0);
        if (PQsendQueryParams(raw, "SELECT n FROM pgaf_load_rows WHERE run = $1 AND writer = $2::int ORDER BY n", 2,
                              nullptr, values, nullptr, nullptr, 0) == 0 ||
            PQsetSingleRowMode(raw) == 0)
            return error(session.server() + ": " + PQerrorMessage(raw));
        return StoredRows(session);
    }

    /// Whether the row is there. Must be asked in rising order.
    Result<bool> has(std::uint64_t n) {
        while (!ended_ && current_ < n) {
            const std::unique_ptr<PGresult, decltype(&PQclear)> row(PQgetResult(session_->raw()), &PQclear);
            if (row == nullptr) {
                ended_ = true;
            } else if (PQresultStatus(row.get()) == PGRES_SINGLE_TUPLE) {
                current_ = std::strtoull(PQgetvalue(row.get(), 0, 0), nullptr, 10);
            } else if (PQresultStatus(row.get()) != PGRES_TUPLES_OK) {
                return error(session_->server() + ": " + PQresultErrorMessage(row.get()));
            }
        }
        return current_ == n;
    }

    /// Reads what is left, so that the session can be used again.
    Result<> drain() {
        auto last = has(UINT64_MAX);
        if (last.has_error()) return last.error();
        return {};
    }

  private:
    explicit StoredRows(const Session& session) : session_(&session) {}
    const Session* session_;
    std::uint64_t current_ = 0;
    bool ended_ = false;
};

Result<std::vector<Run>> judge_log(const CheckOptions& options, Judge& judge) {
    auto reader = LogReader::open(options.log);
    if (reader.has_error()) return reader.error();
    std::vector<Run> runs;
    for (;;) {
        auto line = reader.value().next();
        if (line.has_error()) return line.error();
        if (!line.value()) return runs;
        judge.take(*line.value());
        if (line.value()->kind == 'B')
            runs.push_back({line.value()->run, line.value()->writers, reader.value().offset()});
    }
}

/// Compares what the log says of one writer in one run with what a server has.
Result<> compare(Server& server, const CheckOptions& options, const Run& run, std::uint32_t writer) {
    auto reader = LogReader::open(options.log, run.offset);
    if (reader.has_error()) return reader.error();
    auto stored = StoredRows::open(server.session, run, writer);
    if (stored.has_error()) return stored.error();
    auto line = reader.value().next();  // the run's own B
    while (line.has_value() && line.value()) {
        line = reader.value().next();
        if (line.has_error()) return line.error();
        if (!line.value() || line.value()->kind == 'B') break;
        if (line.value()->writer != writer) continue;
        auto there = stored.value().has(line.value()->n);
        if (there.has_error()) return there.error();
        if (line.value()->kind == 'U') {
            server.unknown_found += there.value() ? 1 : 0;
        } else if (line.value()->kind == 'F') {
            server.failed_found += there.value() ? 1 : 0;
        } else if (there.value()) {
            ++server.acknowledged_found;
        } else {
            ++server.lost;
            if (server.first_lost.size() < lost_rows_shown)
                server.first_lost.push_back("run " + run.id + " writer " + std::to_string(writer) + " row " +
                                            std::to_string(line.value()->n) + " acknowledged by " +
                                            line.value()->server + " on timeline " +
                                            std::to_string(line.value()->timeline));
        }
    }
    return stored.value().drain();
}

json outage_of(const Judge& judge) {
    return {{"ms", judge.outage().length() / 1e6},
            {"from", static_cast<double>(judge.outage().from_ns) / 1e9},
            {"to", static_cast<double>(judge.outage().to_ns) / 1e9}};
}

}  // namespace

Result<bool> check_load(const CheckOptions& options, const StopSwitch& stop) {
    Judge judge(options.since_ns, options.until_ns, options.late_ms * 1'000'000);
    auto runs = judge_log(options, judge);
    if (runs.has_error()) return runs.error();
    std::vector<Server> servers;
    if (!options.uri.empty()) {
        auto found = reach_all(options.uri, options.limit_s, stop);
        if (found.has_error()) return found.error();
        for (Reached& each : found.value()) servers.push_back(Server{std::move(each.session), each.primary});
    }

    json report{{"acknowledged", judge.acknowledged()},
                {"unknown", judge.unknown()},
                {"failed", judge.failed()},
                {"outage", outage_of(judge)},
                {"violations", judge.violation_count()},
                {"first_violations", judge.violations()},
                {"servers", json::array()}};
    for (const auto& [timeline, server] : judge.timelines()) report["timelines"][std::to_string(timeline)] = server;
    std::uint64_t lost = 0;
    std::uint64_t failed_found = 0;
    std::size_t primaries = 0;
    for (Server& server : servers) {
        for (const Run& run : runs.value())
            for (std::uint32_t writer = 1; writer <= run.writers; ++writer)
                if (auto done = compare(server, options, run, writer); done.has_error()) return done.error();
        lost += server.lost;
        failed_found += server.failed_found;
        primaries += server.primary ? 1 : 0;
        report["servers"].push_back({{"server", server.session.server()},
                                     {"primary", server.primary},
                                     {"acknowledged_found", server.acknowledged_found},
                                     {"unknown_found", server.unknown_found},
                                     {"failed_found", server.failed_found},
                                     {"lost", server.lost},
                                     {"first_lost", server.first_lost}});
    }
    const bool good =
        lost == 0 && failed_found == 0 && judge.violation_count() == 0 && (servers.empty() || primaries == 1);
    report["lost"] = lost;
    report["failed_found"] = failed_found;
    report["primaries"] = primaries;
    report["ok"] = good;
    std::cout << report.dump(2) << std::endl;
    return good;
}

}  // namespace pgaf::load
