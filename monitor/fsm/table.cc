#include "monitor/fsm/table.h"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace pgaf::fsm {

void decide(World& world) {
    // Each row changes the record so that it no longer matches; far fewer than this are ever applied in one step.
    for (int round = 0; round < 64; ++round) {
        bool matched = false;
        for (const auto rows : {member_rows(), steady_rows(), election_rows()}) {
            for (const Row& row : rows) {
                if (!row.when(world)) continue;
                row.then(world, row);
                matched = true;
                break;
            }
            if (matched) break;
        }
        if (!matched) return;
    }
    std::fputs("pgaf: the decision table does not come to rest: a defect of pgaf, please report it\n", stderr);
    std::abort();
}

std::string table_text() {
    std::string text;
    for (const auto rows : {member_rows(), steady_rows(), election_rows()})
        for (const Row& row : rows) text += std::string(row.name) + ": " + row.why + "\n";
    return text;
}

void begin_election(World& world, const Row& row, bool planned, const std::string& reason, const std::string& evidence) {
    ClusterRecord& record = world.record;
    record.epoch = Epoch{record.epoch.v + 1};
    record.planned = planned;
    record.reason = reason;
    record.chosen = {};
    record.permit.reset();
    if (!planned) {
        record.preferred = record.operation ? record.preferred : NodeName{};
        const NodeView* v = world.view(record.primary);
        world.memory.triggered = v && v->heard ? *v->heard : world.now;
        world.memory.recent_failovers.push_back(world.now);
        if (world.memory.recent_failovers.size() > 64) world.memory.recent_failovers.erase(world.memory.recent_failovers.begin());
    }
    world.memory.epoch_began = world.now;
    world.enter(Phase::electing);
    world.log(planned ? "switchover_epoch" : "failover_started", record.primary,
              planned ? "the old primary is told to stop: " + reason : "failover from " + record.primary.v + ": " + reason, evidence, row.name);
}

void finish_operation(World& world, bool ok, const std::string& message, std::optional<Millis> write_pause) {
    if (!world.record.operation) return;
    world.reply(world.record.operation->id, ok, message, write_pause);
    world.record.operation.reset();
    world.record.preferred = {};
    world.record.exclude_primary = false;
}

}  // namespace pgaf::fsm
