// Rows by which rules leave the record (R3). Before all decisions about the primary: fewer rules are easier to satisfy.
#include <array>
#include <optional>

#include "monitor/fsm/table.h"
#include "monitor/fsm/wanted_rule.h"

namespace pgaf::fsm {
namespace {

bool rule_applied(const World& world) {
    const Report* r = world.primary_live();
    return world.record.phase != Phase::electing && r && world.record.rules.size() > 1 &&
           r->promised.epoch == world.record.epoch && r->promised.term == world.record.term &&
           r->rule_applied == world.newest_rule().id;
}
void drop_older_rules(World& world, const Row& row) {
    world.record.rules.erase(world.record.rules.begin(), world.record.rules.end() - 1);
    world.log("sync_rule_applied", world.record.primary,
              "sync rule " + shown_rule(world.record, world.newest_rule().rule) + " is in force",
              "the primary has proved it (R3)", row.name);
}

/// Two rules of the same content that the primary has both promised are one: the older adds nothing to R4.
std::optional<std::size_t> rule_said_again(const World& world) {
    const Report* r = world.primary_live();
    if (!r) return std::nullopt;
    const std::vector<NamedRule>& rules = world.record.rules;
    for (std::size_t i = 0; i < rules.size(); ++i)
        for (std::size_t j = i + 1; j < rules.size() && rules[j].id <= r->rule_promised; ++j)
            if (rules[i].rule == rules[j].rule) return i;
    return std::nullopt;
}
bool has_rule_said_again(const World& world) {
    return world.record.phase != Phase::electing && rule_said_again(world);
}
void drop_rule_said_again(World& world, const Row&) {
    world.record.rules.erase(world.record.rules.begin() + static_cast<std::ptrdiff_t>(*rule_said_again(world)));
}

constexpr std::array rows{
    Row{"rule-proved", rule_applied, drop_older_rules,
        "the older rules leave the record once the primary has proved the newest (R3)"},
    Row{"rule-said-again", has_rule_said_again, drop_rule_said_again,
        "changes that supersede each other without a proof don't pile up (R3)"},
};

}  // namespace

std::span<const Row> rule_rows() {
    return rows;
}

}  // namespace pgaf::fsm
