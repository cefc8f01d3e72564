#include "tests/load/writer.h"

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <semaphore>
#include <thread>
#include <vector>

#include "common/ids.h"
#include "tests/load/log.h"

namespace pgaf::load {
namespace {

/// Between two rounds over all hosts: a round that fails costs the servers real work.
constexpr milliseconds round_pause{10};
constexpr int longest_answer_factor = 8;

constexpr const char* table_sql =
    "CREATE TABLE IF NOT EXISTS pgaf_load_rows (run text, writer int, n bigint, PRIMARY KEY (run, writer, n))";

class Writer {
  public:
    Writer(std::uint32_t number, const WriteOptions& options, const std::vector<Host>& hosts, const std::string& run,
           LogWriter& log, const StopSwitch& stop, const StopSwitch& cut)
        : number_(number),
          options_(options),
          hosts_(hosts),
          run_(run),
          log_(log),
          stop_(stop),
          cut_(cut),
          next_host_(number) {}

    void run() {
        std::uint64_t n = 0;
        Clock::time_point due = Clock::now();
        while (!stop_.thrown()) {
            if (!session_ && !connect()) continue;
            if (options_.rate > 0) {
                if (stop_.wait_until(due)) break;
                // Rows that an outage has delayed are not made up for.
                due = std::max(due, Clock::now()) +
                      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / options_.rate));
            }
            insert(++n);
        }
    }

    std::uint64_t acknowledged = 0;
    std::uint64_t unknown = 0;

  private:
    /// One host; a pause after each full round.
    bool connect() {
        auto session = Session::connect(hosts_[next_host_ % hosts_.size()], options_.connect_limit, cut_);
        if (session.has_value()) {
            session_ = std::move(session.value());
            tries_ = 0;
            return true;
        }
        ++next_host_;
        if (++tries_ % hosts_.size() == 0) stop_.wait_until(Clock::now() + round_pause);
        return false;
    }

    void insert(std::uint64_t n) {
        Line line;
        line.writer = number_;
        line.n = n;
        line.server = session_->server();
        line.sent_ns = now_ns();
        const Outcome outcome = session_->insert(run_, number_, n, options_.answer_limit * answer_factor_);
        line.at_ns = now_ns();
        line.kind = outcome.acknowledged ? 'A' : 'U';
        line.timeline = outcome.timeline;
        line.reason = outcome.reason;
        std::replace(line.reason.begin(), line.reason.end(), '\n', ' ');
        log_.append(line);
        if (outcome.acknowledged) {
            ++acknowledged;
            answer_factor_ = 1;
            return;
        }
        ++unknown;
        if (outcome.timed_out) answer_factor_ = std::min(answer_factor_ * 2, longest_answer_factor);
        session_.reset();
        // The server that was lost is the last that the next round asks.
        ++next_host_;
    }

    std::uint32_t number_;
    const WriteOptions& options_;
    const std::vector<Host>& hosts_;
    const std::string& run_;
    LogWriter& log_;
    const StopSwitch& stop_;
    const StopSwitch& cut_;
    std::optional<Session> session_;
    std::size_t next_host_;
    std::size_t tries_ = 0;
    int answer_factor_ = 1;
};

/// Waits for a primary and makes the table on it.
Result<> prepare(const std::vector<Host>& hosts, const WriteOptions& options, const StopSwitch& stop) {
    const Clock::time_point deadline = Clock::now() + std::chrono::seconds(options.start_limit_s);
    std::string last;
    while (Clock::now() < deadline && !stop.thrown()) {
        for (const Host& host : hosts) {
            auto session = Session::connect(host, options.connect_limit, stop);
            Result<> made = session.has_error() ? Result<>(session.error())
                                                : session.value().execute(table_sql, milliseconds(10'000));
            if (made.has_value()) return {};
            last = made.error().message;
        }
        stop.wait_until(Clock::now() + milliseconds(50));
    }
    return error("no host of the URI took a write in " + std::to_string(options.start_limit_s) +
                 " s; the last answer was: " + last);
}

}  // namespace

Result<> write_load(const WriteOptions& options, const StopSwitch& stop) {
    auto hosts = hosts_of(options.uri, "read-write");
    if (hosts.has_error()) return hosts.error();
    auto log = LogWriter::open(options.log);
    if (log.has_error()) return log.error();
    if (auto prepared = prepare(hosts.value(), options, stop); prepared.has_error()) return prepared;

    const std::string run = random_id();
    Line begin;
    begin.kind = 'B';
    begin.at_ns = now_ns();
    begin.run = run;
    begin.writers = options.writers;
    log.value().append(begin);

    const StopSwitch cut;
    std::vector<Writer> writers;
    for (std::uint32_t number = 1; number <= options.writers; ++number)
        writers.emplace_back(number, options, hosts.value(), run, log.value(), stop, cut);
    std::counting_semaphore<> finished(0);
    std::vector<std::thread> threads;
    for (Writer& writer : writers)
        threads.emplace_back([&writer, &finished] {
            writer.run();
            finished.release();
        });
    stop.wait_until(options.duration_s > 0 ? Clock::now() + std::chrono::seconds(options.duration_s)
                                           : Clock::time_point::max());
    Line end;
    end.kind = 'E';
    end.at_ns = now_ns();
    log.value().append(end);
    stop.throw_switch();
    // Statements under way get a moment, so that few outcomes stay unknown.
    const Clock::time_point deadline = Clock::now() + options.answer_limit;
    for (std::uint32_t count = 0; count < options.writers && finished.try_acquire_until(deadline); ++count) continue;
    cut.throw_switch();
    for (std::thread& thread : threads) thread.join();

    std::uint64_t acknowledged = 0;
    std::uint64_t unknown = 0;
    for (const Writer& writer : writers) {
        acknowledged += writer.acknowledged;
        unknown += writer.unknown;
    }
    std::cout << nlohmann::json{{"run", run}, {"acknowledged", acknowledged}, {"unknown", unknown}}.dump(2)
              << std::endl;
    return {};
}

}  // namespace pgaf::load
