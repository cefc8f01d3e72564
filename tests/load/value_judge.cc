#include "tests/load/value_judge.h"

#include <algorithm>

namespace pgaf::load {

void ValueJudge::take(const Line& line) {
    switch (line.kind) {
        case 'A':
            ++acknowledged_;
            learn(line);
            break;
        case 'R':
            ++reads_;
            if (is_by_hand(line)) break;
            read(line);
            learn(line);
            break;
        case 'S':
            ++reads_;
            if (line.n != sum_)
                violate("the sum of all accounts was " + std::to_string(line.n) + " instead of " +
                        std::to_string(sum_) + " on " + line.server + ", timeline " + std::to_string(line.timeline));
            break;
        case 'T':
            ++transfers_;
            break;
        case 'U':
            ++unknown_;
            break;
        case 'F':
            ++failed_;
            break;
        default:
            break;
    }
}

bool ValueJudge::is_by_hand(const Line& line) const {
    return std::any_of(by_hand_.begin(), by_hand_.end(), [&](const ByHand& each) {
        return each.server == line.server && line.at_ns >= each.from_ns && line.sent_ns <= each.to_ns;
    });
}

std::int64_t ValueJudge::stale_limit(std::int64_t superseded_ns, std::int64_t sent_ns) const {
    std::int64_t limit = stale_limit_;
    for (const Slack& each : slacks_)
        if (each.from_ns <= sent_ns && each.to_ns >= superseded_ns) limit = std::max(limit, each.limit_ns);
    return limit;
}

void ValueJudge::learn(const Line& line) {
    std::vector<Known>& known = registers_[line.writer];
    if (!known.empty() && line.n <= known.back().value) return;
    // Lines stand in the order in which they were written, nearly that of their times: later is the safe side.
    const std::int64_t at = known.empty() ? line.at_ns : std::max(line.at_ns, known.back().at_ns);
    known.push_back({at, line.n, line.timeline, line.server});
}

void ValueJudge::read(const Line& line) {
    const std::vector<Known>& known = registers_[line.writer];
    const auto later =
        std::partition_point(known.begin(), known.end(), [&](const Known& each) { return each.at_ns < line.sent_ns; });
    if (later == known.begin()) return;
    const Known& newest = *(later - 1);
    if (newest.value <= line.n) return;
    const auto superseded =
        std::partition_point(known.begin(), later, [&](const Known& each) { return each.value <= line.n; });
    const std::int64_t age = line.sent_ns - superseded->at_ns;
    const std::string what = "register " + std::to_string(line.writer) + " was read as " + std::to_string(line.n) +
                             " on " + line.server + ", timeline " + std::to_string(line.timeline) + ", " +
                             std::to_string(age / 1'000'000) + " ms after it was known to be more; it was " +
                             std::to_string(newest.value) + " on " + newest.server + ", timeline " +
                             std::to_string(newest.timeline);
    if (line.timeline >= newest.timeline) return violate(what);
    if (line.sent_ns < stale_since_) return;
    ++stale_reads_;
    oldest_stale_ = std::max(oldest_stale_, age);
    if (stale_limit_ < 0) return;
    if (const std::int64_t limit = stale_limit(superseded->at_ns, line.sent_ns); age > limit)
        violate("stale, with " + std::to_string(limit / 1'000'000) + " ms allowed: " + what);
}

std::map<std::uint32_t, std::uint64_t> ValueJudge::known() const {
    std::map<std::uint32_t, std::uint64_t> largest;
    for (const auto& [number, known] : registers_)
        if (!known.empty()) largest[number] = known.back().value;
    return largest;
}

void ValueJudge::violate(std::string what) {
    ++violation_count_;
    if (violations_.size() < violations_kept) violations_.push_back(std::move(what));
}

}  // namespace pgaf::load
