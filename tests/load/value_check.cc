#include "tests/load/value_check.h"

#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/load/log.h"
#include "tests/load/servers.h"
#include "tests/load/value_judge.h"
#include "tests/load/value_load.h"

namespace pgaf::load {
namespace {

using nlohmann::json;

/// What is wrong on one server, in words.
Result<std::vector<std::string>> compare(Reached& server, const ValueJudge& judge) {
    std::vector<std::string> wrong;
    auto sum = server.session.value("SELECT sum(balance) FROM pgaf_load_accounts", statement_limit);
    if (sum.has_error()) return sum.error();
    if (sum.value() != std::to_string(account_sum))
        wrong.push_back("the sum of all accounts is " + sum.value() + " instead of " + std::to_string(account_sum));
    for (const auto& [number, value] : judge.known()) {
        auto now = server.session.value("SELECT max(v) FROM pgaf_load_registers WHERE k = " + std::to_string(number),
                                        statement_limit);
        if (now.has_error()) return now.error();
        if (std::strtoull(now.value().c_str(), nullptr, 10) < value)
            wrong.push_back("register " + std::to_string(number) + " is " + now.value() + ", and was " +
                            std::to_string(value) + " already");
    }
    return wrong;
}

Result<> judge_log(const std::string& path, ValueJudge& judge) {
    auto reader = LogReader::open(path);
    if (reader.has_error()) return reader.error();
    for (;;) {
        auto line = reader.value().next();
        if (line.has_error()) return line.error();
        if (!line.value()) return {};
        judge.take(*line.value());
    }
}

Result<std::vector<ByHand>> parse_by_hand(const std::vector<std::string>& words) {
    std::vector<ByHand> all;
    for (const std::string& word : words) {
        std::istringstream in(word);
        ByHand one;
        char comma = 0;
        if (!std::getline(in, one.server, ',') || !(in >> one.from_ns >> comma >> one.to_ns) || comma != ',')
            return error("--by-hand " + word + ": write it as host:port,from,to with two times in nanoseconds");
        all.push_back(one);
    }
    return all;
}

Result<std::vector<Slack>> parse_slacks(const std::vector<std::string>& words) {
    std::vector<Slack> all;
    for (const std::string& word : words) {
        std::istringstream in(word);
        Slack one;
        std::int64_t ms = 0;
        char first = 0;
        char second = 0;
        if (!(in >> one.from_ns >> first >> one.to_ns >> second >> ms) || first != ',' || second != ',' || ms < 0 ||
            in.peek() != std::istringstream::traits_type::eof())
            return error("--stale-allow " + word +
                         ": write it as from,to,limit with two times in nanoseconds and a limit in milliseconds");
        one.limit_ns = ms * 1'000'000;
        all.push_back(one);
    }
    return all;
}

}  // namespace

Result<bool> check_values(const ValueCheckOptions& options, const StopSwitch& stop) {
    ValueJudge judge(account_sum, options.stale_limit_ms < 0 ? -1 : options.stale_limit_ms * 1'000'000,
                     options.stale_since_ns);
    auto by_hand = parse_by_hand(options.by_hand);
    if (by_hand.has_error()) return by_hand.error();
    judge.leave_out(std::move(by_hand.value()));
    auto slacks = parse_slacks(options.stale_allow);
    if (slacks.has_error()) return slacks.error();
    judge.allow(std::move(slacks.value()));
    if (auto judged = judge_log(options.log, judge); judged.has_error()) return judged.error();
    json report{{"acknowledged", judge.acknowledged()},
                {"unknown", judge.unknown()},
                {"failed", judge.failed()},
                {"transfers", judge.transfers()},
                {"reads", judge.reads()},
                {"stale_reads", judge.stale_reads()},
                {"oldest_stale_ms", judge.oldest_stale_ns() / 1'000'000},
                {"violations", judge.violation_count()},
                {"first_violations", judge.violations()},
                {"servers", json::array()}};
    bool good = judge.violation_count() == 0;
    if (!options.uri.empty()) {
        auto servers = reach_all(options.uri, options.limit_s, stop);
        if (servers.has_error()) return servers.error();
        for (Reached& server : servers.value()) {
            auto wrong = compare(server, judge);
            if (wrong.has_error()) return wrong.error();
            good = good && wrong.value().empty();
            report["servers"].push_back(
                {{"server", server.session.server()}, {"primary", server.primary}, {"wrong", wrong.value()}});
        }
    }
    report["ok"] = good;
    std::cout << report.dump(2) << std::endl;
    return good;
}

}  // namespace pgaf::load
