#include "monitor/fsm/table.h"

#include <array>
#include <stdexcept>

#include "monitor/fsm/lease.h"

namespace pgaf::fsm {
namespace {

/// As many as the setting failover-limit may ask for (R15).
constexpr std::size_t recent_failovers_kept = 1000;

}  // namespace

void decide(World& world) {
    // Each row changes the record so that it no longer matches; far fewer than this are ever applied in one step.
    for (int round = 0; round < 64; ++round) {
        bool matched = false;
        for (const auto rows : {member_rows(), rule_rows(), steady_rows(), election_rows()}) {
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
    throw std::logic_error(
        "pgaf: the decision table does not come to rest, nothing was stored: a defect of pgaf, please report it");
}

std::string table_text() {
    std::string text;
    for (const auto rows : {member_rows(), rule_rows(), steady_rows(), election_rows()})
        for (const Row& row : rows) text += std::string(row.name) + ": " + row.why + "\n";
    return text;
}

void begin_election(World& world, const Row& row, Trigger trigger, const std::string& reason,
                    const std::string& evidence) {
    ClusterRecord& record = world.record;
    const bool planned = trigger == Trigger::planned;
    record.epoch = Epoch{record.epoch.v + 1};
    record.planned = planned;
    record.reason = reason;
    record.chosen = {};
    record.forward.reset();
    record.permit.reset();
    record.exclude_primary = trigger == Trigger::command;
    // With k = 0 a monitor that is started meanwhile has to know it too.
    if (asynchronous_in_force(world)) record.primary_end = last_known(world);
    if (!planned && !record.operation) record.preferred = {};
    if (!planned) {
        const NodeView* v = world.view(record.primary);
        world.memory.triggered = v && v->heard ? *v->heard : world.now;
    }
    if (trigger == Trigger::loss) {
        world.memory.recent_failovers.push_back(world.now);
        if (world.memory.recent_failovers.size() > recent_failovers_kept)
            world.memory.recent_failovers.erase(world.memory.recent_failovers.begin());
    }
    world.memory.epoch_began = world.now;
    world.enter(Phase::electing);
    world.log(
        planned ? "switchover_epoch" : "failover_started", record.primary,
        planned ? "the old primary is told to stop: " + reason : "failover from " + record.primary.v + ": " + reason,
        evidence, row.name);
}

bool is_automatic_failover(const LogEntry& entry) {
    return entry.kind == "failover_started" && entry.rule != operator_failover;
}

void finish_operation(World& world, bool ok, const std::string& message, std::optional<Millis> write_pause) {
    if (!world.record.operation) return;
    world.reply(world.record.operation->id, ok, message, write_pause);
    world.record.operation.reset();
}

}  // namespace pgaf::fsm
