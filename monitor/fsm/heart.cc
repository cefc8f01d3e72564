#include "monitor/fsm/heart.h"

#include <stdexcept>

#include "common/mutation.h"
#include "monitor/fsm/commands.h"
#include "monitor/fsm/cut_off.h"
#include "monitor/fsm/detection.h"
#include "monitor/fsm/doubt.h"
#include "monitor/fsm/forming.h"
#include "monitor/fsm/goals.h"
#include "monitor/fsm/ingest.h"
#include "monitor/fsm/lease.h"
#include "monitor/fsm/rebuild.h"
#include "monitor/fsm/summary.h"
#include "monitor/fsm/table.h"
#include "monitor/fsm/world.h"

namespace pgaf::fsm {
namespace {

/// Assertions of the invariants in the code itself, in release builds too: a broken record is never made durable.
void check(const ClusterRecord& before, const ClusterRecord& after) {
    const auto must = [](bool holds, const char* what) {
        if (!holds) throw std::logic_error(std::string("pgaf: invariant broken, nothing was stored: ") + what);
    };
    must(after.epoch >= before.epoch, "the epoch went down (I4)");
    must(after.highest_timeline >= before.highest_timeline, "a timeline id could be used twice (I10)");
    must(before.primary_epoch != after.primary_epoch || before.primary.empty() || before.primary == after.primary,
         "two nodes told to be primary in one epoch (I1)");
    must(after.primary.empty() || !after.rules.empty(), "a primary without a sync rule");
    must(before.primary.empty() || !after.primary.empty(), "the last primary was forgotten (R4)");
}

void say_why_it_waits(World& world) {
    const std::string waiting = waiting_text(world, false);
    if (waiting == world.memory.last_waiting) return;
    world.memory.last_waiting = waiting;
    if (!waiting.empty()) world.log("waiting", world.record.primary, waiting);
}

void plan_wake_up(World& world) {
    world.wake_at(world.now + Millis{world.record.settings.heartbeat_ms});
    // Graces of an election are short; reports, not this timer, carry it on in the normal case.
    if (world.record.phase == Phase::electing) world.wake_at(world.now + Millis{100});
    if (const auto at = lease_over_at(world); at && *at > world.now) world.wake_at(*at);
    if (world.record.phase == Phase::forming && !world.record.nodes.empty() && world.now < forms_at(world))
        world.wake_at(forms_at(world));
}

}  // namespace

Heart::Heart(ClusterRecord record, Term term, MonitorId monitor, Millis now) : record_(std::move(record)) {
    record_.term = term;
    record_.monitor = std::move(monitor);
    memory_.started = memory_.first_came = memory_.last_came = now;
    memory_.phase_since = now;
    memory_.primary_end = record_.primary_end;
    memory_.triggered = now;
    memory_.epoch_began = now;
    memory_.chosen_at = now;
    memory_.forward_since = memory_.permitted_at = now;
    // Whoever asked for it is no longer there to be answered; what it began goes on.
    if (record_.operation && record_.operation->kind != "enable-maintenance" &&
        record_.operation->kind != "drop-node" && record_.phase == Phase::steady) {
        record_.operation.reset();
        record_.preferred = {};
    }
}

void Heart::remember_failovers(const std::vector<Millis>& ages, Millis now) {
    for (const Millis age : ages) memory_.recent_failovers.push_back(now - age);
}

Output Heart::step(const Input& input, Millis now) {
    Output out;
    ClusterRecord before = record_;
    World world{record_, memory_, now, out};
    std::visit(
        [&](const auto& in) {
            using In = std::decay_t<decltype(in)>;
            if constexpr (std::is_same_v<In, Command>)
                command(world, in);
            else if constexpr (!std::is_same_v<In, Tick>)
                ingest(world, in);
        },
        input);
    // R11: whoever is behind what a node has heard guesses nothing.
    const bool in_doubt = !record_.doubt.empty() && !broken(Mutation::r11);
    const bool settled = in_doubt && settle_doubt(world);
    if (settled) before = record_;
    const bool decides = !in_doubt || record_.doubt.empty();
    if (decides || binding(world)) begin_life(record_);
    if (decides) {
        decide(world);
        if (record_.permit && record_.permit != memory_.last_permit) {
            memory_.last_permit = record_.permit;
            memory_.permitted_at = now;
        }
    }
    if (decides || binding(world)) update_goals(world);
    if (decides) {
        look_at_primary(world);
        look_at_survivors(world);
    }
    say_why_it_waits(world);
    plan_wake_up(world);
    check(before, record_);
    out.persist = settled || record_ != before || !out.log.empty();
    // In doubt nothing is counted: the commits that follow in the store that was lost have these numbers (R11).
    if (out.persist && (record_.doubt.empty() || binding(world))) ++record_.mark.commits;
    return out;
}

namespace {

template <class T>
std::string value_text(const T& value) {
    if constexpr (is_strong<T>)
        return value_text(value.v);
    else if constexpr (std::same_as<T, Lsn>)
        return value.text();
    else if constexpr (std::same_as<T, std::string>)
        return value.empty() ? "-" : value;
    else if constexpr (std::same_as<T, bool>)
        return value ? "yes" : "no";
    else if constexpr (is_optional<T>)
        return value ? value_text(*value) : "-";
    else if constexpr (is_vector<T>) {
        std::string all;
        for (const auto& item : value) all += (all.empty() ? "" : " ") + value_text(item);
        return "[" + all + "]";
    } else if constexpr (is_map<T>) {
        std::string all;
        for (const auto& [key, item] : value) all += "\n  " + value_text(key) + " " + value_text(item);
        return all;
    } else if constexpr (Described<T>) {
        std::string all;
        for_each_member(value, [&](std::string_view name, const auto& member) {
            all += (all.empty() ? "" : " ") + std::string(name) + "=" + value_text(member);
        });
        return "{" + all + "}";
    } else if constexpr (DescribedEnum<T>)
        return std::string(word(value));
    else
        return std::to_string(value);
}

}  // namespace

std::string to_text(const ClusterRecord& record) {
    std::string text;
    for_each_member(record, [&](std::string_view name, const auto& member) {
        text += std::string(name) + ": " + value_text(member) + "\n";
    });
    return text;
}

}  // namespace pgaf::fsm
