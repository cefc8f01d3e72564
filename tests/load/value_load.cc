#include "tests/load/value_load.h"

#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "common/ids.h"
#include "tests/load/crew.h"
#include "tests/load/log.h"

namespace pgaf::load {
namespace {

constexpr int longest_answer_factor = 8;

std::string tables_sql(std::uint32_t registers) {
    return "CREATE TABLE IF NOT EXISTS pgaf_load_registers (k int PRIMARY KEY, v bigint NOT NULL); "
           "CREATE TABLE IF NOT EXISTS pgaf_load_accounts (id int PRIMARY KEY, balance bigint NOT NULL); "
           "INSERT INTO pgaf_load_registers SELECT k, 0 FROM generate_series(1, " +
           std::to_string(registers) + ") AS k ON CONFLICT DO NOTHING; " +
           "INSERT INTO pgaf_load_accounts SELECT id, " + std::to_string(account_sum / account_count) +
           " FROM generate_series(1, " + std::to_string(account_count) + ") AS id ON CONFLICT DO NOTHING";
}

/// What all sessions share.
struct Shared {
    const ValueOptions& options;
    const Targets& targets;
    LogWriter& log;
    const StopSwitch& stop;
    const StopSwitch& cut;
};

/// One session that does the same thing again and again, whatever server it finds.
class Worker {
  public:
    Worker(const Shared& shared, Finder::By by, std::uint32_t number)
        : shared_(shared),
          number_(number),
          finder_(shared.targets, by, number, shared.options.connect_limit, shared.stop, shared.cut) {}
    virtual ~Worker() = default;

    void run() {
        Clock::time_point due = Clock::now();
        while (!shared_.stop.thrown()) {
            if (!session_ && !(session_ = finder_.find())) continue;
            if (shared_.options.rate > 0) {
                if (shared_.stop.wait_until(due)) break;
                due = std::max(due, Clock::now()) + std::chrono::duration_cast<Clock::duration>(
                                                        std::chrono::duration<double>(1 / shared_.options.rate));
            }
            once();
        }
    }

  protected:
    virtual void once() = 0;

    /// Runs it within the limit, fills the line's common part, and gives up the session when it did not go well.
    Outcome ask(Line& line, const std::string& sql, const std::vector<std::string>& parameters) {
        line.writer = number_;
        line.server = session_->server();
        line.sent_ns = now_ns();
        Outcome outcome = session_->run(sql, parameters, shared_.options.answer_limit * answer_factor_);
        line.at_ns = now_ns();
        line.timeline = outcome.timeline;
        line.reason = outcome.reason;
        std::replace(line.reason.begin(), line.reason.end(), '\n', ' ');
        if (outcome.acknowledged) {
            answer_factor_ = 1;
        } else {
            if (outcome.timed_out) answer_factor_ = std::min(answer_factor_ * 2, longest_answer_factor);
            give_up();
        }
        return outcome;
    }

    /// The next statement goes to the next server.
    void give_up() {
        session_.reset();
        finder_.lost();
    }

    static char kind_of(const Outcome& outcome, char when_done) {
        return outcome.acknowledged ? when_done : outcome.failed ? 'F' : 'U';
    }

    const Shared& shared_;
    std::uint32_t number_;

  private:
    Finder finder_;
    std::optional<Session> session_;
    int answer_factor_ = 1;
};

/// The only writer of its register. A statement that was given up may still be under way on a slow link, so no
/// statement sets a register back.
class RegisterWriter : public Worker {
  public:
    using Worker::Worker;

  private:
    void once() override {
        static const std::string sql =
            std::string(
                "UPDATE pgaf_load_registers SET v = $2::bigint WHERE k = $1::int AND v < $2::bigint RETURNING ") +
            timeline_sql;
        Line line;
        line.n = ++value_;
        const Outcome outcome = ask(line, sql, {std::to_string(number_), std::to_string(value_)});
        line.kind = kind_of(outcome, 'A');
        shared_.log.append(line);
    }

    /// Larger than all of earlier runs on this machine.
    std::uint64_t value_ = static_cast<std::uint64_t>(now_ns() / 1000);
};

class Teller : public Worker {
  public:
    using Worker::Worker;

  private:
    void once() override {
        const auto amount = 1 + random_() % 5;
        const auto from = 1 + random_() % account_count;
        const auto to = 1 + random_() % account_count;
        // In the order of their ids, so that no two tellers wait for each other.
        const auto change = [&](std::uint64_t id) {
            const std::string sign = (id == from) ? "-" : "+";
            return "UPDATE pgaf_load_accounts SET balance = balance " + sign + " " + std::to_string(amount) +
                   " WHERE id = " + std::to_string(id) + "; ";
        };
        if (from == to) return;
        Line line;
        line.n = amount;
        const Outcome outcome =
            ask(line, "BEGIN; " + change(std::min(from, to)) + change(std::max(from, to)) + "COMMIT", {});
        line.kind = kind_of(outcome, 'T');
        shared_.log.append(line);
    }

    std::minstd_rand random_{number_};
};

/// All registers and the sum in one snapshot, from what says that it is the primary.
class Reader : public Worker {
  public:
    using Worker::Worker;

  private:
    void once() override {
        static const std::string sql = std::string(
                                           "SELECT (SELECT string_agg(k || ' ' || v, ' ') FROM pgaf_load_registers), "
                                           "(SELECT sum(balance) FROM pgaf_load_accounts WHERE $1::int > 0), ") +
                                       timeline_sql;
        Line line;
        const Outcome outcome = ask(line, sql, {"1"});
        if (!outcome.acknowledged || outcome.row.size() != 3) return;
        line.kind = 'S';
        line.n = std::strtoull(outcome.row[1].c_str(), nullptr, 10);
        shared_.log.append(line);
        line.kind = 'R';
        std::istringstream values(outcome.row[0]);
        while (values >> line.writer >> line.n) shared_.log.append(line);
    }
};

/// The sum from any server, also from standbys.
class Auditor : public Worker {
  public:
    using Worker::Worker;

  private:
    void once() override {
        Line line;
        const Outcome outcome = ask(line, "SELECT sum(balance), '0' FROM pgaf_load_accounts WHERE $1::int > 0", {"1"});
        if (!outcome.acknowledged || outcome.row.size() != 2) return;
        line.kind = 'S';
        line.n = std::strtoull(outcome.row[0].c_str(), nullptr, 10);
        shared_.log.append(line);
        if (++sums_ % 10 == 0) give_up();
    }

    std::uint64_t sums_ = 0;
};

}  // namespace

Result<> load_values(const ValueOptions& options, const StopSwitch& stop) {
    auto targets = targets_of(options.uri, options.http);
    if (targets.has_error()) return targets.error();
    auto log = LogWriter::open(options.log);
    if (log.has_error()) return log.error();
    auto prepared =
        prepare(targets.value(), tables_sql(options.registers), options.connect_limit, options.start_limit_s, stop);
    if (prepared.has_error()) return prepared;

    Line begin;
    begin.kind = 'B';
    begin.at_ns = now_ns();
    begin.run = random_id();
    begin.writers = options.registers;
    log.value().append(begin);

    const StopSwitch cut;
    const Shared shared{options, targets.value(), log.value(), stop, cut};
    std::vector<std::unique_ptr<Worker>> workers;
    const auto by = [](std::uint32_t number) { return number % 2 == 0 ? Finder::By::http : Finder::By::role; };
    for (std::uint32_t number = 1; number <= options.registers; ++number)
        workers.push_back(std::make_unique<RegisterWriter>(shared, by(number), number));
    for (std::uint32_t number = 1; number <= options.tellers; ++number)
        workers.push_back(std::make_unique<Teller>(shared, by(number), number));
    for (std::uint32_t number = 1; number <= options.readers; ++number)
        workers.push_back(std::make_unique<Reader>(shared, by(number), number));
    workers.push_back(std::make_unique<Auditor>(shared, Finder::By::any, 1));

    std::vector<std::function<void()>> jobs;
    for (const auto& worker : workers) jobs.emplace_back([&worker] { worker->run(); });
    run_crew(jobs, options.duration_s, options.answer_limit, log.value(), stop, cut);
    std::cout << nlohmann::json{{"run", begin.run}}.dump(2) << std::endl;
    return {};
}

}  // namespace pgaf::load
