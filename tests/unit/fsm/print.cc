#include "tests/unit/fsm/print.h"

#include <cstdio>
#include <utility>

namespace pgaf::lab {

std::string rule_text(const NamedRule& rule, const ClusterRecord& record) {
    std::string text = std::to_string(rule.id.v) + ": ";
    if (rule.rule.k == 0 && rule.rule.members.empty()) return text + "asynchronous";
    text += std::to_string(rule.rule.k) + " of (";
    for (std::size_t i = 0; i < rule.rule.members.size(); ++i) {
        std::string name = "gone " + rule.rule.members[i].v;
        for (const auto& [node, n] : record.nodes)
            if (n.incarnation == rule.rule.members[i]) name = node.v;
        text += (i == 0 ? "" : ", ") + name;
    }
    return text + ")";
}

std::string history_text(const std::vector<HistoryEntry>& history) {
    std::string text;
    for (const HistoryEntry& entry : history) {
        text += (text.empty() ? "" : ", ") + std::to_string(entry.timeline.v);
        if (!entry.fork)
            text += " from " + entry.floor.text() + " or later";
        else if (!entry.fork->empty())
            text += " from " + entry.fork->text();
    }
    return text.empty() ? "none" : text;
}

namespace {

/// It says anew only what the state file keeps for a rebuild (R11).
bool only_carries(Goal goal, const Goal& before) {
    if (goal.stamp.version == before.stamp.version) return false;
    goal.stamp.version = before.stamp.version;
    goal.digest = before.digest;
    goal.settings = before.settings;
    return goal == before;
}

}  // namespace

std::string Printer::goal_text(const Goal& goal, const ClusterRecord& record) {
    const Goal before = last_[goal.node];
    last_[goal.node] = goal;
    if (only_carries(goal, before)) return {};
    std::string text = "-> " + goal.node.v + ": " + std::string(word(goal.role));
    switch (goal.role) {
        case Role::primary:
            if (goal.initialise) text += ", initialise";
            if (!goal.timeline.empty()) text += ", timeline " + std::to_string(goal.timeline.v);
            text += ", rule " + rule_text(goal.rule, record);
            if (goal.permit && goal.permit != before.permit)
                text += ", may start " + goal.permit->boot.v + " after exit " + std::to_string(goal.permit->exits);
            if (goal.checkpoint_request != before.checkpoint_request)
                text += ", checkpoint " + std::to_string(goal.checkpoint_request);
            if (goal.irreplaceable) text += ", irreplaceable";
            break;
        case Role::standby:
            text += " of " + goal.upstream.v + (goal.rewind_allowed ? ", may rewind" : "");
            break;
        case Role::fast_forward:
            text += " from " + goal.upstream.v + " up to " + goal.stream_until.text();
            break;
        case Role::stop:
            text += " " + std::string(word(goal.stop_mode));
            break;
        default:
            break;
    }
    if (goal.history != before.history) text += ", history " + history_text(goal.history);
    if (goal.peers != before.peers) text += ", " + std::to_string(goal.peers.size()) + " peers";
    const std::string term = goal.stamp.term.v > 1 ? " t" + std::to_string(goal.stamp.term.v) : "";
    return text + "  [e" + std::to_string(goal.stamp.epoch.v) + term + "]";
}

std::vector<std::string> Printer::lines(const fsm::Output& out, const ClusterRecord& record) {
    std::vector<std::string> all;
    for (const fsm::LogEntry& entry : out.log) {
        all.push_back("e" + std::to_string(entry.epoch.v) + " " + entry.kind + ": " + entry.message +
                      (entry.rule.empty() ? "" : "  (" + entry.rule + ")"));
        if (!entry.evidence.empty()) all.push_back("     because " + entry.evidence);
    }
    for (const Goal& goal : out.goals) {
        std::string text = goal_text(goal, record);
        if (!text.empty()) all.push_back(std::move(text));
    }
    // Looks are repeated each heartbeat as long as nothing comes of them.
    if (!out.log.empty() || !out.goals.empty()) looking_.clear();
    for (const fsm::ProbeRequest& probe : out.probes)
        if (looking_.insert(probe.by).second) all.push_back("-> " + probe.by.v + ": look at " + probe.target.v);
    for (const fsm::Reply& reply : out.replies)
        all.push_back(std::string(reply.ok ? "ok" : "no") + (reply.done ? ": " : ", goes on: ") + reply.message);
    for (const fsm::TurnAway& away : out.turned_away)
        if (std::exchange(turned_away_[away.node], away.message) != away.message)
            all.push_back("-> " + away.node.v + ": turned away: " + away.message);
    for (const fsm::Takeover& t : out.takeovers)
        all.push_back("takeover: " + t.kind + ", detection " + fsm::seconds(t.detection) + ", fencing " +
                      fsm::seconds(t.fencing) + ", promotion " + fsm::seconds(t.promotion));
    return all;
}

std::vector<std::string> Printer::summary(const Heart& heart, Millis now) {
    const fsm::Summary s = summarize(heart, now);
    std::vector<std::string> all;
    char line[400];
    std::snprintf(line, sizeof line, "epoch %llu, timeline %u, %s%s, failover: %s",
                  static_cast<unsigned long long>(s.epoch.v), s.timeline.v,
                  s.phase == fsm::Phase::steady ? "" : (std::string(word(s.phase)) + ", ").c_str(),
                  s.healthy ? "healthy" : "not healthy",
                  s.failover_ready ? ("ready (" + fsm::join(s.candidates) + ")").c_str() : s.why_not_ready.c_str());
    all.emplace_back(line);
    for (const fsm::NodeSummary& n : s.nodes) {
        std::snprintf(line, sizeof line, "%c %-3s %-17s %-17s %-10s %2u %s%s%s", n.primary ? '*' : ' ',
                      n.name.v.c_str(), std::string(word(n.state)).c_str(), std::string(word(n.assigned)).c_str(),
                      n.lsn.text().c_str(), n.timeline.v, n.in_sync_rule ? "sync" : "-", n.problem.empty() ? "" : "  ",
                      n.problem.c_str());
        all.emplace_back(line);
        if (n.problem.empty() && !n.doing.empty()) all.back() += "  (" + n.doing + ")";
    }
    if (!s.waiting.empty()) all.push_back("waiting: " + s.waiting);
    return all;
}

std::vector<std::string> Printer::record(const Heart& heart) {
    const ClusterRecord& r = heart.record();
    std::vector<std::string> all;
    for (const NamedRule& rule : r.rules) all.push_back("rule " + rule_text(rule, r));
    all.push_back("history " + history_text(r.history));
    all.push_back("floor " + fsm::text(r.floor) + "; highest end " + fsm::text(r.highest_end));
    return all;
}

}  // namespace pgaf::lab
