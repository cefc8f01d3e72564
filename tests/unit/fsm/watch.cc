// The invariants of the protocol, noted as they break. Tests fail on each violation.
#include <algorithm>

#include "tests/unit/fsm/lab.h"

namespace pgaf::lab {

void Lab::violation(const std::string& what) {
    watch.violations.push_back(what);
    tell("   VIOLATION " + what);
}

void Lab::watch_output(const fsm::Output& out) {
    if (heart->record().epoch < watch.epoch) violation("R2: the epoch of the record went down");
    watch.epoch = std::max(watch.epoch, heart->record().epoch);
    for (const Goal& goal : out.goals) {
        if (goal.role != Role::primary) continue;
        const auto [told, first] = watch.told.try_emplace(goal.stamp.epoch, goal.node, goal.incarnation);
        if (told->second != std::pair{goal.node, goal.incarnation})
            violation("I1: " + told->second.first.v + " and " + goal.node.v + " are told to be primary in epoch " +
                      std::to_string(goal.stamp.epoch.v));
    }
}

/// A server that runs read-write on a goal of the newest epoch: it has to have every acknowledged commit.
void Lab::watch_reign(Node& n) {
    const Epoch epoch = n.state.promised.epoch;
    n.reigned = epoch;
    if (epoch < watch.reign) return;
    if (epoch == watch.reign && watch.reigning != n.name && !watch.reigning.empty())
        violation("I1: " + watch.reigning.v + " and " + n.name.v + " are primary in epoch " + std::to_string(epoch.v));
    if (epoch == watch.reign && watch.reigning == n.name) return;
    watch.reign = epoch;
    watch.reigning = n.name;
    if (watch.loss_allowed) watch.loss_epoch = epoch;
    std::vector<std::uint64_t> lost;
    for (const std::uint64_t record : watch.acknowledged)
        if (!n.folder.has(record)) lost.push_back(record);
    // R7: the user has accepted it.
    const bool accepted = stored.settings.asynchronous && !watch.loss_allowed;
    if (accepted && !lost.empty())
        tell("   " + std::to_string(lost.size()) + " acknowledged commits are missing on " + n.name.v);
    if (!lost.empty() && !watch.loss_allowed && !accepted)
        violation("I2, I5: " + std::to_string(lost.size()) + " acknowledged commits are missing on " + n.name.v +
                  ", primary of epoch " + std::to_string(epoch.v));
    if (accepted) lost_by_failover += lost.size();
    std::erase_if(watch.acknowledged, [&](std::uint64_t record) { return !n.folder.has(record); });
    watch.loss_allowed = false;
}

void Lab::watch_acknowledged(const Commit& commit) {
    const Node& by = nodes.at(commit.by);
    // Whoever allowed data loss has given up what older primaries acknowledge from then on.
    if (by.reigned < watch.loss_epoch) return;
    watch.acknowledged.push_back(commit.record);
    if (watch.reigning == commit.by || watch.reigning.empty() || watch.loss_allowed) return;
    if (!nodes.at(watch.reigning).folder.has(commit.record))
        violation("I3: " + commit.by.v + ", primary of epoch " + std::to_string(by.reigned.v) +
                  ", acknowledges beside " + watch.reigning.v + ", primary of epoch " + std::to_string(watch.reign.v));
}

}  // namespace pgaf::lab
