#include "monitor/fsm/commands.h"

#include <algorithm>

#include "monitor/fsm/choice.h"
#include "monitor/fsm/doubt.h"
#include "monitor/fsm/settings.h"
#include "monitor/fsm/switchover.h"
#include "monitor/fsm/table.h"
#include "monitor/fsm/wanted_rule.h"

namespace pgaf::fsm {
namespace {

/// What became of a command: refused with a reason, done, or accepted as the operation under way.
struct Verdict {
    bool ok = false;
    bool goes_on = false;
    std::string message;
};
Verdict refused(const std::string& why) {
    return {false, false, why};
}
Verdict done(const std::string& what) {
    return {true, false, what};
}
Verdict accepted(const std::string& what) {
    return {true, true, what};
}

Verdict busy(const World& world) {
    return refused("'" + world.record.operation->kind + "' is under way; wait for its end, see 'pgafctl show events'");
}

/// Whoever waits for the operation under way is answered: it is not what the cluster does any longer.
void begin_operation(World& world, const Command& c) {
    finish_operation(world, false, "overtaken by '" + c.kind + "'");
    world.record.operation = Operation{c.id, c.kind, c.node, c.allow_data_loss};
}

bool primary_is_well(const World& world) {
    return world.record.phase == Phase::steady && world.primary_serves() && world.in_reach(world.record.primary);
}

Verdict switch_to(World& world, const Command& c) {
    if (c.node == world.record.primary) return done(c.node.v + " is the primary already");
    const SwitchoverTarget target = switchover_target(world, c.node);
    if (target.node.empty()) return refused("no candidate for a switchover: " + target.why_not);
    if (c.dry_run) return done("would switch over from " + world.record.primary.v + " to " + target.node.v);
    begin_operation(world, c);
    world.record.preferred = c.node;
    return accepted("switching over to " + target.node.v);
}

Verdict switchover(World& world, const Command& c) {
    if (world.record.primary.empty()) return refused("the cluster has no primary yet");
    if (!primary_is_well(world))
        return refused("a switchover needs a primary that serves; " + world.record.primary.v +
                       " does not: use 'pgafctl perform failover'");
    return switch_to(world, c);
}

/// Orderly while the primary works; by election when it doesn't.
Verdict failover(World& world, const Command& c) {
    if (world.record.primary.empty()) return refused("the cluster has no primary yet");
    if (primary_is_well(world) && !c.allow_data_loss) return switch_to(world, c);
    if (c.node == world.record.primary)
        return refused(c.node.v + " is the primary that a failover moves away from; name another node, or none");
    if (!c.node.empty() && !world.may_be_candidate(world.record.nodes.at(c.node)))
        return refused(c.node.v + " may not be promoted (candidate priority 0, maintenance, or leaving)");
    if (world.record.phase == Phase::electing && !c.allow_data_loss)
        return refused("an election is under way and waits: " + missing(world) +
                       "; --allow-data-loss goes on without them");
    if (!reachable_nodes_can_complete(world) && !world.in_reach(world.record.primary) && !c.allow_data_loss)
        return refused("no node can be promoted without risk to acknowledged commits: " + missing(world) +
                       "; --allow-data-loss goes on without them");
    if (c.dry_run) return done("would fail over from " + world.record.primary.v);
    begin_operation(world, c);
    world.record.preferred = c.node;
    const Row row{operator_failover, nullptr, nullptr, "an operator asked for it"};
    // Asked before the epoch begins: what a fence of the new epoch would have to prove (R12).
    const std::string at_stake = missing(world);
    const std::string loss =
        c.allow_data_loss ? "; DATA LOSS ALLOWED: commits that only nodes out of reach have may be lost" : "";
    begin_election(world, row, Trigger::command, "failover asked for by an operator" + loss, at_stake);
    return accepted("failing over");
}

/// Why the sync rule can't do without this standby; empty when it can.
std::string writes_would_wait(const World& world, const NodeRecord& n) {
    const SyncRule& rule = world.newest_rule().rule;
    const std::uint32_t wanted = world.number_sync_standbys();
    if (!rule.contains(n.incarnation) || rule.members.size() > rule.k || wanted == 0) return {};
    return "without " + n.name.v + " fewer than number-sync-standbys = " + std::to_string(wanted) +
           " standbys are left and writes would wait; lower it first: pgafctl set cluster number-sync-standbys " +
           std::to_string(wanted - 1);
}

std::string waiting_for(const World& world, const NodeRecord& n) {
    if (n.name == world.record.primary) return "waiting until " + n.name.v + " has handed over to another node";
    return "waiting until " + n.name.v + (world.in_any_rule(n) ? " has left the sync rule" : " has stopped");
}

Verdict enable_maintenance(World& world, const Command& c) {
    NodeRecord& n = world.record.nodes.at(c.node);
    if (n.maintenance) return done(n.name.v + " is in maintenance already");
    if (n.name == world.record.primary) {
        if (!c.allow_failover)
            return refused(n.name.v + " is the primary; --allow-failover moves the primary to another node first");
        if (!primary_is_well(world))
            return refused(n.name.v + " does not serve at the moment; wait until the cluster is steady");
        const SwitchoverTarget target = switchover_target(world, {});
        if (target.node.empty()) return refused("no node can take over from " + n.name.v + ": " + target.why_not);
    } else if (const std::string why = writes_would_wait(world, n); !why.empty()) {
        return refused(why);
    }
    if (c.dry_run) return done("would enable maintenance on " + n.name.v);
    n.maintenance_wanted = true;
    begin_operation(world, c);
    world.log("maintenance_asked", n.name, "maintenance of " + n.name.v + " asked for");
    return accepted(waiting_for(world, n));
}

Verdict disable_maintenance(World& world, const Command& c) {
    NodeRecord& n = world.record.nodes.at(c.node);
    if (!n.maintenance && !n.maintenance_wanted) return done(n.name.v + " is not in maintenance");
    if (c.dry_run) return done("would disable maintenance on " + n.name.v);
    n.maintenance = n.maintenance_wanted = false;
    const std::optional<Operation>& operation = world.record.operation;
    if (operation && operation->kind == "enable-maintenance" && operation->node == n.name)
        finish_operation(world, false, "maintenance of " + n.name.v + " was called off");
    world.log("maintenance_disabled", n.name, n.name.v + " comes back from maintenance");
    return done(n.name.v + " comes back from maintenance");
}

/// Why the setting does not allow the cluster to lose this node for good; empty when it does.
std::string sync_standbys_would_lack(const World& world, const NodeRecord& n) {
    const std::uint32_t setting = world.record.settings.number_sync_standbys.value_or(0);
    const auto left = std::count_if(world.record.nodes.begin(), world.record.nodes.end(), [&](const auto& e) {
        return e.first != n.name && e.second.replication_quorum && !e.second.drop_wanted;
    });
    if (setting == 0 || setting < static_cast<std::uint64_t>(left)) return {};
    return "number-sync-standbys = " + std::to_string(setting) + " needs " + std::to_string(setting + 1) +
           " nodes with replication-quorum, without " + n.name.v + " there are " + std::to_string(left) +
           "; lower it first: pgafctl set cluster number-sync-standbys " + std::to_string(left > 0 ? left - 1 : 0);
}

Verdict drop_node(World& world, const Command& c) {
    NodeRecord& n = world.record.nodes.at(c.node);
    if (world.record.nodes.size() == 1) return refused(n.name.v + " is the only node of the cluster");
    if (const std::string why = sync_standbys_would_lack(world, n); !why.empty()) return refused(why);
    if (n.name == world.record.primary) {
        if (!primary_is_well(world))
            return refused(n.name.v + " is the primary and does not serve: fail over first, then drop it");
        const SwitchoverTarget target = switchover_target(world, {});
        if (target.node.empty())
            return refused(n.name.v + " is the primary and no node can take over: " + target.why_not);
    }
    if (c.dry_run) return done("would drop " + n.name.v);
    n.drop_wanted = true;
    n.drop_forced = c.force;
    begin_operation(world, c);
    world.log("drop_asked", n.name, n.name.v + " is to be dropped");
    return accepted(waiting_for(world, n));
}

Verdict set_node(World& world, const Command& c) {
    NodeRecord& n = world.record.nodes.at(c.node);
    if (c.candidate_priority && *c.candidate_priority > 100)
        return refused("candidate-priority is 0 (never promoted) to 100");
    const auto others = [&](auto&& counts) {
        return std::any_of(world.record.nodes.begin(), world.record.nodes.end(),
                           [&](const auto& e) { return e.first != n.name && counts(e.second); });
    };
    if (c.candidate_priority && *c.candidate_priority == 0 &&
        !others([](const NodeRecord& o) { return o.candidate_priority > 0; }))
        return refused("at least one node needs a candidate-priority above 0");
    if (c.replication_quorum && !*c.replication_quorum) {
        if (const std::string why = sync_standbys_would_lack(world, n); !why.empty()) return refused(why);
    }
    if (!c.candidate_priority && !c.replication_quorum)
        return refused("nothing to change: give candidate-priority or replication-quorum");
    if (c.dry_run) return done("would change " + n.name.v);
    std::string said;
    if (c.candidate_priority) {
        n.candidate_priority = *c.candidate_priority;
        said = "candidate-priority " + std::to_string(n.candidate_priority);
    }
    if (c.replication_quorum) {
        n.replication_quorum = *c.replication_quorum;
        said +=
            std::string(said.empty() ? "" : ", ") + "replication-quorum " + (n.replication_quorum ? "true" : "false");
    }
    world.log("node_changed", n.name, n.name.v + ": " + said);
    if (c.replication_quorum && !n.replication_quorum && world.newest_rule().rule.k > 0 &&
        wanted_rule(world).nobody_may_follow())
        said +=
            "; no node with replication-quorum is left to wait for: commits are acknowledged by the primary alone from "
            "now on, and it is not replaced automatically";
    return done(n.name.v + ": " + said);
}

Verdict set_number_sync_standbys(World& world, const Command& c) {
    Settings changed = world.record.settings;
    if (c.value == "auto") {
        changed.number_sync_standbys.reset();
    } else {
        const std::optional<std::uint64_t> value = whole_number(c.value);
        if (!value) return refused(c.setting + ": '" + c.value + "' is not a whole number");
        const auto quorum = std::count_if(world.record.nodes.begin(), world.record.nodes.end(),
                                          [](const auto& e) { return e.second.replication_quorum; });
        if (*value > 0 && *value + 1 > static_cast<std::uint64_t>(quorum))
            return refused("number-sync-standbys = " + c.value + " needs " + std::to_string(*value + 1) +
                           " nodes with replication-quorum, the cluster has " + std::to_string(quorum));
        changed.number_sync_standbys = static_cast<std::uint32_t>(*value);
    }
    if (const std::string why = clash(changed); !why.empty()) return refused(why);
    if (!c.dry_run) world.record.settings = changed;
    return done("number-sync-standbys = " + c.value);
}

Verdict set_cluster(World& world, const Command& c) {
    if (c.setting == "number-sync-standbys") return set_number_sync_standbys(world, c);
    Settings changed = world.record.settings;
    if (const std::string why = change_setting(changed, c.setting, c.value); !why.empty()) return refused(why);
    if (!c.dry_run) world.record.settings = changed;
    return done(c.setting + " = " + c.value);
}

/// Commands that change a value at once, whatever else is under way.
std::optional<Verdict> change(World& world, const Command& c) {
    if (c.kind == "set-node") return set_node(world, c);
    if (c.kind == "disable-maintenance") return disable_maintenance(world, c);
    if (c.kind != "set-cluster") return std::nullopt;
    const Settings before = world.record.settings;
    const Verdict v = set_cluster(world, c);
    // Goals carry the settings, for a monitor that has lost its store (R11).
    if (world.record.settings != before)
        for (auto& [name, n] : world.record.nodes) n.goal.settings.clear();
    if (v.ok && !c.dry_run) world.log("setting_changed", {}, v.message);
    return v;
}

/// R11: the operator says that those who have not been heard will not be. In the same step the record is rebuilt.
Verdict rebuild_record(World& world, const Command& c) {
    if (world.record.doubt.empty())
        return refused(
            "there is nothing to rebuild: the record of the cluster is as new as what keepers have promised");
    if (heard_for_rebuild(world) == 0)
        return refused("no keeper has been heard yet that could say what it has promised");
    const std::vector<NodeName> awaited = awaited_for_rebuild(world);
    const std::string what =
        "the record of the cluster" + (binding(world)    ? ", without a promise of " + join(world.memory.unbound)
                                       : awaited.empty() ? ""
                                                         : ", without what " + join(awaited) + " may know of it");
    if (c.dry_run) return done("would rebuild " + what);
    world.memory.rebuild_now = true;
    return done("rebuilt " + what);
}

/// May this command go ahead of the operation under way?
bool overtakes(const World& world, const Command& c) {
    const Operation& under_way = *world.record.operation;
    if (c.kind == "drop-node" && under_way.kind == "drop-node") return c.force && c.node == under_way.node;
    if (c.kind != "failover") return false;
    // A node that waits to leave the sync rule must not keep an operator from moving the primary.
    return c.allow_data_loss || (world.record.phase == Phase::steady && !primary_is_well(world));
}

Verdict carry_out(World& world, const Command& c) {
    if (c.kind == "rebuild") return rebuild_record(world, c);
    if (!world.record.doubt.empty()) return refused(doubt_text(world));
    const bool may_lack_node = c.kind == "set-cluster" || c.kind == "switchover" || c.kind == "failover";
    if (c.node.empty() && !may_lack_node) return refused("'" + c.kind + "' needs the name of a node");
    if (!c.node.empty() && !world.node(c.node)) return refused("no node is called '" + c.node.v + "'");
    if (const std::optional<Verdict> v = change(world, c)) return *v;
    if (world.record.operation && !overtakes(world, c)) return busy(world);
    if (world.record.rules.empty()) return refused("the cluster is still being formed");
    if (c.kind == "switchover") return switchover(world, c);
    if (c.kind == "failover") return failover(world, c);
    if (c.kind == "promotion") return primary_is_well(world) ? switch_to(world, c) : failover(world, c);
    if (c.kind == "enable-maintenance") return enable_maintenance(world, c);
    if (c.kind == "drop-node") return drop_node(world, c);
    return refused("unknown command '" + c.kind + "'");
}

}  // namespace

void command(World& world, const Command& c) {
    const Verdict v = carry_out(world, c);
    world.out.replies.push_back({c.id, !v.goes_on, v.ok, v.message, {}});
}

}  // namespace pgaf::fsm
