#include "tests/load/judge.h"

namespace pgaf::load {

void Judge::take(const Line& line) {
    if (line.kind == 'B') last_ack_.reset();
    if (line.kind == 'A') acknowledge(line);
    if (line.kind == 'U') ++unknown_;
    if (line.kind == 'F') ++failed_;
    // A cluster that never takes writes again has an outage up to the end of the run.
    if (line.kind == 'E') close_gap(line.at_ns);
}

void Judge::close_gap(std::int64_t at_ns) {
    if (!last_ack_) return;
    const Gap gap{*last_ack_, at_ns};
    if (gap.to_ns > since_ && gap.from_ns < until_ && gap.length() > outage_.length()) outage_ = gap;
}

void Judge::acknowledge(const Line& line) {
    ++acknowledged_;
    close_gap(line.at_ns);
    if (!last_ack_ || line.at_ns > *last_ack_) last_ack_ = line.at_ns;

    const auto [owner, first] = owners_.try_emplace(line.timeline, line.server);
    if (first) first_ack_[line.timeline] = line.at_ns;
    if (owner->second != line.server)
        violate("timeline " + std::to_string(line.timeline) + " acknowledged by " + line.server + " and by " +
                owner->second);
    for (auto newer = first_ack_.upper_bound(line.timeline); newer != first_ack_.end(); ++newer) {
        if (line.sent_ns <= newer->second && line.at_ns <= newer->second + late_) continue;
        violate("timeline " + std::to_string(line.timeline) + " on " + line.server + " acknowledged writer " +
                std::to_string(line.writer) + " row " + std::to_string(line.n) + " " +
                std::to_string((line.at_ns - newer->second) / 1'000'000) + " ms after timeline " +
                std::to_string(newer->first) + " on " + owners_[newer->first] + " had begun to");
        break;
    }
}

void Judge::violate(std::string what) {
    ++violation_count_;
    if (violations_.size() < violations_kept) violations_.push_back(std::move(what));
}

}  // namespace pgaf::load
