// Rows about who belongs to the cluster: the first primary, maintenance, dropped nodes.
#include <algorithm>
#include <array>

#include "monitor/fsm/forming.h"
#include "monitor/fsm/table.h"

namespace pgaf::fsm {
namespace {

// ---- first-primary ----

bool needs_first_primary(const World& world) {
    return world.record.phase == Phase::forming && world.now >= forms_at(world) && first_primary(world);
}

void make_first_primary(World& world, const Row& row) {
    const NodeRecord* n = first_primary(world);
    const Report* r = world.live(n->name);
    ClusterRecord& record = world.record;
    record.epoch = Epoch{record.epoch.v + 1};
    record.primary = n->name;
    record.primary_incarnation = n->incarnation;
    record.primary_epoch = record.epoch;
    record.last_rule = RuleId{1};
    record.rules = {{record.last_rule, {}}};
    record.permit = StartPermit{r->boot, r->exits};
    world.enter(Phase::steady);
    world.log("cluster_formed", n->name, n->name.v + " becomes the first primary",
              r->system_id.empty() ? "empty data folder" : "system " + r->system_id.v, row.name);
}

// ---- maintenance ----

const NodeRecord* ready_for_maintenance(const World& world) {
    for (const auto& [name, n] : world.record.nodes)
        if (n.maintenance_wanted && !n.maintenance && name != world.record.primary &&
            world.record.phase == Phase::steady && !world.in_any_rule(n))
            return &n;
    return nullptr;
}
bool maintenance_can_begin(const World& world) {
    return ready_for_maintenance(world);
}
void begin_maintenance(World& world, const Row& row) {
    NodeRecord& n = world.record.nodes.at(ready_for_maintenance(world)->name);
    n.maintenance = true;
    n.maintenance_wanted = false;
    world.log("maintenance_enabled", n.name, n.name.v + " is out of the sync rule and is told to stop for maintenance",
              {}, row.name);
}

/// The node that an operator waits for, once nobody needs to wait any longer: what is unplugged now loses nothing.
const NodeRecord* settled_in_maintenance(const World& world) {
    const std::optional<Operation>& operation = world.record.operation;
    if (!operation || operation->kind != "enable-maintenance") return nullptr;
    const NodeRecord* n = world.node(operation->node);
    if (!n || !n->maintenance) return nullptr;
    const Report* r = world.live(n->name);
    const bool down =
        r && r->promised == n->goal.stamp && (r->status == PgStatus::stopped || r->status == PgStatus::absent);
    return down || !world.in_reach(n->name) ? n : nullptr;
}
bool maintenance_has_begun(const World& world) {
    return settled_in_maintenance(world);
}
void answer_maintenance(World& world, const Row&) {
    const NodeName name = settled_in_maintenance(world)->name;
    finish_operation(
        world, true,
        name.v + (world.in_reach(name)
                      ? " is in maintenance, its PostgreSQL has stopped"
                      : " is in maintenance; its keeper is out of reach and stops PostgreSQL when it is back"));
}

// ---- drop ----

const NodeRecord* ready_to_forget(const World& world) {
    if (world.record.phase != Phase::steady) return nullptr;
    for (const auto& [name, n] : world.record.nodes) {
        if (!n.drop_wanted || name == world.record.primary || world.in_any_rule(n)) continue;
        const Report* r = world.live(name);
        const bool obeyed = r && r->promised == n.goal.stamp && n.goal.role == Role::dropped &&
                            (r->status == PgStatus::stopped || r->status == PgStatus::absent);
        if (obeyed || n.drop_forced || !world.in_reach(name)) return &n;
    }
    return nullptr;
}
bool node_can_be_forgotten(const World& world) {
    return ready_to_forget(world);
}
void forget_node(World& world, const Row& row) {
    const NodeName name = ready_to_forget(world)->name;
    ClusterRecord& record = world.record;
    record.dropped.push_back(record.nodes.at(name).incarnation);
    if (record.dropped.size() > dropped_kept) record.dropped.erase(record.dropped.begin());
    if (const NodeView* v = world.view(name); v && v->connected)
        world.out.turned_away.push_back({name, v->boot,
                                         "node " + name.v + " was dropped from cluster " + record.name.v +
                                             "; to add it again, remove its state folder and restart the keeper"});
    record.nodes.erase(name);
    world.memory.views.erase(name);
    world.log("node_dropped", name, name.v + " is no longer part of the cluster", {}, row.name);
    if (record.operation && record.operation->kind == "drop-node" && record.operation->node == name)
        finish_operation(world, true, name.v + " was dropped");
}

constexpr std::array rows{
    Row{"first-primary", needs_first_primary, make_first_primary,
        "a new cluster begins, a moment after the last newcomer, with a node that has data, by priority and name"},
    Row{"maintenance-begins", maintenance_can_begin, begin_maintenance,
        "a node is stopped for maintenance only after it has left every rule in force (R3)"},
    Row{"maintenance-begun", maintenance_has_begun, answer_maintenance,
        "the operator's command ends when the node has stopped, or nobody can tell"},
    Row{"node-forgotten", node_can_be_forgotten, forget_node,
        "a dropped node is forgotten when it is in no rule in force and has obeyed, or is out of reach"},
};

}  // namespace

std::span<const Row> member_rows() {
    return rows;
}

}  // namespace pgaf::fsm
