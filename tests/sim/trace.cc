#include "tests/sim/trace.h"

#include <cstdio>

namespace pgaf::sim {

std::string clock_text(Micros when) {
    char text[32];
    std::snprintf(text, sizeof text, "%10.4f", static_cast<double>(when) / 1e6);
    return text;
}

std::string Trace::hash_text() const {
    char text[32];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash_));
    return text;
}

void Trace::add(Micros when, NodeIx node, const std::string& what) {
    const std::string who = node == nobody ? "    " : std::string(1, static_cast<char>('a' + node)) + "   ";
    last_acknowledged_by_ = nobody;
    lines_.push_back(clock_text(when) + "  " + who + what);
    // FNV-1a.
    for (const char c : lines_.back()) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    if (lines_.size() <= kept_) return;
    lines_.pop_front();
    ++left_out_;
}

void Trace::acknowledged(Micros when, NodeIx node, std::uint32_t commit, const std::string& lsn) {
    if (last_acknowledged_by_ == node && !lines_.empty()) {
        lines_.pop_back();
    } else {
        first_commit_ = commit;
    }
    const std::string which = first_commit_ == commit
                                  ? " " + std::to_string(commit)
                                  : "s " + std::to_string(first_commit_) + " to " + std::to_string(commit);
    add(when, node, "acknowledges commit" + which + ", up to " + lsn);
    last_acknowledged_by_ = node;
}

}  // namespace pgaf::sim
