#include "keeper/postgres/stats_reader.h"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <optional>

#include "keeper/postgres/connection.h"
#include "keeper/postgres/settings.h"
#include "keeper/postgres/stats_queries.h"

namespace pgaf::keeper {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// A server that has just come to rest is left alone for so long: the steps of a failover follow each other.
constexpr milliseconds settled{1000};
constexpr Millis connect_limit{5000};
/// At the server, which ends the query; and here, a little later.
constexpr const char* server_limits =
    "SET statement_timeout = '2s'; SET lock_timeout = '200ms'; SET idle_in_transaction_session_timeout = '10s'";
constexpr Millis query_limit{3000};
/// Figures that no round has renewed for so long are told no more: their age would say so, but those who draw and add
/// up the figures do not look at it.
constexpr unsigned rounds_kept = 6;
constexpr milliseconds least_kept{2000};
/// Sizes of databases are asked for in one of so many rounds: their files have to be looked at, one by one.
constexpr unsigned costly_rounds = 6;
/// So that a query ends when its connection does, also while it computes.
constexpr int has_connection_check = 140000;

double real(const std::string& text) {
    double value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

std::vector<Sample> samples_of(const StatQuery& query, const Rows& rows) {
    std::vector<Sample> samples;
    for (int row = 0; row < rows.size(); ++row) {
        std::vector<std::pair<std::string, std::string>> labels;
        for (const char* label : query.labels) labels.emplace_back(label, rows.text(row, label));
        for (const StatColumn& column : query.columns) {
            if (rows.is_null(row, column.column)) continue;
            Sample sample{column.family, labels, real(rows.text(row, column.column))};
            if (*column.label != '\0') sample.labels.emplace_back(column.label, column.value);
            samples.push_back(std::move(sample));
        }
    }
    return samples;
}

void append(std::vector<Sample>& all, const std::vector<Sample>& more) {
    all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

struct StatsReader::Shared {
    Shared(asio::any_io_executor on, const PostgresConfig& config, Millis wanted)
        : strand(std::move(on)),
          conninfo(local_conninfo(config, "pgaf-keeper counts")),
          interval(wanted.v),
          log(config.log),
          connection(strand),
          pause(strand) {}

    static asio::awaitable<void> collect_for_ever(std::shared_ptr<Shared> self) {
        while (self->rest) {
            const unsigned of = self->rests;
            co_await self->wait(std::min(settled, self->interval));
            while (self->is(of)) {
                const auto began = Clock::now();
                co_await self->collect(of);
                if (!self->is(of)) break;
                const auto spent = std::chrono::duration_cast<milliseconds>(Clock::now() - began);
                co_await self->wait(std::max(self->interval - spent, milliseconds(0)));
            }
        }
        self->running = false;
    }

    /// Still the same rest, in which this began.
    [[nodiscard]] bool is(unsigned of) const { return rest && rests == of; }

    asio::awaitable<void> wait(milliseconds time) {
        boost::system::error_code ignored;
        pause.expires_after(time);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }

    asio::awaitable<bool> connect(unsigned of) {
        auto done = co_await connection.open(conninfo, connect_limit);
        // One that was closed from here has not failed.
        if (!is(of)) co_return false;
        if (!done) {
            complain(done.error().message);
            co_return false;
        }
        std::string limits = server_limits;
        if (connection.server_version() >= has_connection_check)
            limits += "; SET client_connection_check_interval = '500ms'";
        const auto set = co_await connection.query(limits, query_limit);
        if (!is(of)) co_return false;
        if (!set) complain(set.error().message);
        co_return set.has_value();
    }

    asio::awaitable<std::optional<StatementsExtension>> find_statements() {
        const auto rows = co_await connection.query(find_statements_query(), query_limit);
        if (!rows || rows->size() == 0) co_return std::nullopt;
        co_return StatementsExtension{rows->text(0, "schema"), extension_version(rows->text(0, "version"))};
    }

    /// One round. A query that fails costs its own figures; without a connection the round before stays, for a while.
    asio::awaitable<void> collect(unsigned of) {
        if (!co_await connect(of)) co_return;
        const auto extension = co_await find_statements();
        std::vector<Sample> found;
        std::string wrong;
        const std::vector<StatQuery> queries = stat_queries(connection.server_version(), extension);
        for (const StatQuery& query : queries) {
            if (query.costly && round % costly_rounds != 0) continue;
            const auto rows = co_await connection.query(query.sql, query_limit);
            if (!is(of)) co_return;
            if (!rows) wrong = std::string(query.name) + ": " + rows.error().message;
            // The costly one is the last: with its connection nothing else is lost.
            if (query.costly)
                costly = rows ? samples_of(query, *rows) : std::vector<Sample>{};
            else if (rows)
                append(found, samples_of(query, *rows));
            else if (!connection.is_open())
                co_return complain(wrong);
        }
        // Not kept: of the few slots that are left to superusers when clients have taken all others, steps need one.
        connection.close();
        append(found, costly);
        ++round;
        stats = PostgresStats{std::move(found), Clock::now()};
        complain(wrong);
    }

    /// Once for each kind of trouble.
    void complain(const std::string& wrong) {
        if (wrong == last_wrong) return;
        last_wrong = wrong;
        if (!wrong.empty()) log.warning("figures_missing", "PostgreSQL's figures for /metrics: " + wrong);
    }

    void drop() {
        connection.close();
        stats.reset();
        costly.clear();
        round = 0;
        pause.cancel();
    }

    const asio::any_io_executor strand;
    const std::string conninfo;
    milliseconds interval;
    Log log;
    Connection connection;
    asio::steady_timer pause;
    bool rest = false;
    /// How often it has come to rest: what was begun in an earlier rest counts no more.
    unsigned rests = 0;
    bool running = false;
    unsigned round = 0;
    std::vector<Sample> costly;
    std::optional<PostgresStats> stats;
    std::string last_wrong;
};

StatsReader::StatsReader(asio::any_io_executor strand, const PostgresConfig& config, Millis interval)
    : shared_(std::make_shared<Shared>(std::move(strand), config, interval)) {}

StatsReader::~StatsReader() {
    at_rest(false);
}

void StatsReader::at_rest(bool yes) {
    Shared& s = *shared_;
    if (s.rest == yes) return;
    s.rest = yes;
    if (!yes) return s.drop();
    ++s.rests;
    if (std::exchange(s.running, true)) return;
    asio::co_spawn(s.strand, Shared::collect_for_ever(shared_), asio::detached);
}

void StatsReader::every(Millis interval) {
    shared_->interval = milliseconds(interval.v);
    shared_->pause.cancel();
}

const PostgresStats* StatsReader::stats() const {
    const Shared& s = *shared_;
    if (!s.stats || Clock::now() - s.stats->taken > std::max(least_kept, rounds_kept * s.interval)) return nullptr;
    return &*s.stats;
}

}  // namespace pgaf::keeper
