#include "tests/load/writer.h"

#include <algorithm>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "common/ids.h"
#include "tests/load/crew.h"
#include "tests/load/log.h"

namespace pgaf::load {
namespace {

constexpr int longest_answer_factor = 8;

constexpr const char* table_sql =
    "CREATE TABLE IF NOT EXISTS pgaf_load_rows (run text, writer int, n bigint, PRIMARY KEY (run, writer, n))";

class Writer {
  public:
    Writer(std::uint32_t number, const WriteOptions& options, Finder finder, const std::string& run, LogWriter& log,
           const StopSwitch& stop)
        : number_(number), options_(options), finder_(std::move(finder)), run_(run), log_(log), stop_(stop) {}

    void run() {
        std::uint64_t n = 0;
        Clock::time_point due = Clock::now();
        while (!stop_.thrown()) {
            if (!session_ && !(session_ = finder_.find())) continue;
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
    void insert(std::uint64_t n) {
        Line line;
        line.writer = number_;
        line.n = n;
        line.server = session_->server();
        line.sent_ns = now_ns();
        const Outcome outcome = session_->insert(run_, number_, n, options_.answer_limit * answer_factor_);
        line.at_ns = now_ns();
        line.kind = outcome.acknowledged ? 'A' : outcome.failed ? 'F' : 'U';
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
        finder_.lost();
    }

    std::uint32_t number_;
    const WriteOptions& options_;
    Finder finder_;
    const std::string& run_;
    LogWriter& log_;
    const StopSwitch& stop_;
    std::optional<Session> session_;
    int answer_factor_ = 1;
};

}  // namespace

Result<> write_load(const WriteOptions& options, const StopSwitch& stop) {
    auto targets = targets_of(options.uri, options.http);
    if (targets.has_error()) return targets.error();
    auto log = LogWriter::open(options.log);
    if (log.has_error()) return log.error();
    auto prepared = prepare(targets.value(), table_sql, options.connect_limit, options.start_limit_s, stop);
    if (prepared.has_error()) return prepared;

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
        writers.emplace_back(number, options,
                             Finder(targets.value(), number % 2 == 0 ? Finder::By::http : Finder::By::role, number,
                                    options.connect_limit, stop, cut),
                             run, log.value(), stop);
    std::vector<std::function<void()>> jobs;
    for (Writer& writer : writers) jobs.emplace_back([&writer] { writer.run(); });
    run_crew(jobs, options.duration_s, options.answer_limit, log.value(), stop, cut);

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
