#include "monitor/fsm/wanted_rule.h"

#include <algorithm>

#include "monitor/fsm/history.h"

namespace pgaf::fsm {
namespace {

/// A node that streams joins once it is this close to the primary's end; R3's proof makes it exact.
constexpr std::uint64_t join_lag_bytes = 16ULL * 1024 * 1024;

const WalsenderView* walsender_of(const Report& primary, const IncarnationId& incarnation) {
    for (const WalsenderView& w : primary.standbys)
        if (w.incarnation == incarnation) return &w;
    return nullptr;
}

bool streams_and_caught_up(const World& world, const Report& primary, const NodeRecord& node) {
    const Settings& settings = world.record.settings;
    const std::uint64_t allowed = settings.asynchronous ? settings.maximum_lag_on_failover : join_lag_bytes;
    const WalsenderView* w = walsender_of(primary, node.incarnation);
    return w && w->streaming && w->flushed.v + allowed >= primary.end.v && !w->flushed.empty();
}

/// PostgreSQL lets a standby past the fork stream for a moment, and takes its replay for what it has flushed of the
/// primary's WAL. So what the walsender shows counts only for one that says itself that it follows the primary, and is
/// on the history: since then it has received nothing else.
bool follows_on_history(const World& world, const Report& standby) {
    return standby.receiver.upstream == world.record.primary && on_history(world.record, standby);
}

}  // namespace

std::vector<NodeName> peers_without_slot(const World& world, const NodeRecord& node, const Report& report) {
    std::vector<NodeName> names;
    for (const auto& [name, peer] : world.record.nodes) {
        if (name == node.name || peer.drop_wanted) continue;
        if (std::find(report.slots.begin(), report.slots.end(), name) == report.slots.end()) names.push_back(name);
    }
    return names;
}

bool healthy_member(const World& world, const NodeRecord& node) {
    const NodeView* v = world.view(node.name);
    const Report* r = world.report(node.name);
    const Report* p = world.primary_live();
    // R7: an asynchronous cluster's rule names those that may take over.
    const bool may = world.record.settings.asynchronous ? world.may_be_candidate(node) : world.may_be_member(node);
    if (!v || !p || !may) return false;
    // It confirms nothing more, and could neither be promoted nor fenced (R4).
    if (r && v->connected && !r->disk.empty()) return false;
    const auto patience = static_cast<std::int64_t>(world.record.settings.node_timeout_ms);
    const bool member = world.newest_rule().rule.contains(node.incarnation);
    if (!member)
        return v->distrust.empty() && r && follows_on_history(world, *r) && world.in_reach(node.name) &&
               r->status == PgStatus::running && r->in_recovery && r->problem.empty() &&
               peers_without_slot(world, node, *r).empty() && streams_and_caught_up(world, *p, node);
    // What it says counts for nothing (R4), so neither does what it confirms.
    if (!v->distrust.empty()) return false;
    // PostgreSQL itself says that it is gone: no reason to wait.
    if (r && v->connected && r->status == PgStatus::stopped && r->boot == v->boot) return false;
    // Its walsender has given it up and its keeper is silent: that was patience enough.
    if (v->not_streaming_since && world.silence(node.name).v >= patience) return false;
    return !v->not_streaming_since || (world.now - *v->not_streaming_since).v < patience;
}

std::string waits_to_join(const World& world, const NodeRecord& node) {
    const Report* r = world.live(node.name);
    const Report* p = world.primary_live();
    if (!r || !p || r->status != PgStatus::running || !r->in_recovery || world.in_any_rule(node)) return {};
    if (world.record.settings.asynchronous ? !world.may_be_candidate(node) : !world.may_be_member(node)) return {};
    const WalsenderView* w = walsender_of(*p, node.incarnation);
    if (!w || !w->streaming) return "waits for replication from " + world.record.primary.v;
    if (!follows_on_history(world, *r))
        return "has still to show that it follows " + world.record.primary.v + " on the cluster's history";
    if (!streams_and_caught_up(world, *p, node))
        return "is " + std::to_string(p->end.v - std::min(p->end.v, w->flushed.v)) + " bytes behind";
    const std::vector<NodeName> missing = peers_without_slot(world, node, *r);
    return missing.empty() ? "" : "waits for its replication slots for " + join(missing);
}

SyncRule wanted_rule(const World& world) {
    const SyncRule& present = world.newest_rule().rule;
    const std::uint32_t setting = world.number_sync_standbys();
    SyncRule healthy;
    for (const auto& [name, n] : world.record.nodes)
        if (name != world.record.primary && healthy_member(world, n)) healthy.members.push_back(n.incarnation);
    std::sort(healthy.members.begin(), healthy.members.end());
    if (world.record.settings.asynchronous) return healthy;
    const auto count = static_cast<std::uint32_t>(healthy.members.size());
    const std::uint32_t wanted = std::max(1U, setting);
    if (count >= wanted) return {wanted, healthy.members};
    // Still growing towards the setting: never weaker than now.
    if (count > 0 && (count >= present.k || setting < present.k))
        return {std::max(std::min(wanted, count), 1U), healthy.members};
    if (setting == 0) return {};
    // An operator who asks for standbys wants no commit without them; what "auto" means changes with the number of
    // nodes.
    const bool asked_for = world.record.settings.number_sync_standbys && world.record.nodes.size() > 1;
    if (present.nobody_may_follow() && asked_for) return {setting, {}};
    return present;
}

std::string standby_names(const ClusterRecord& record, const SyncRule& rule) {
    if (rule.k == 0) return "";
    if (rule.members.empty()) return "ANY 1 (\"pgaf closed\")";
    std::string names;
    for (const IncarnationId& member : rule.members) {
        NodeName node{"gone"};
        for (const auto& [name, n] : record.nodes)
            if (n.incarnation == member) node = name;
        names += (names.empty() ? "\"" : ", \"") + application_name(record.name, node, member) + "\"";
    }
    return "ANY " + std::to_string(rule.k) + " (" + names + ")";
}

std::string shown_rule(const ClusterRecord& record, const SyncRule& rule) {
    if (!rule.asynchronous()) return standby_names(record, rule);
    std::vector<NodeName> names;
    for (const auto& [name, n] : record.nodes)
        if (rule.contains(n.incarnation)) names.push_back(name);
    return names.empty() ? "asynchronous" : "asynchronous, candidates " + join(names);
}

}  // namespace pgaf::fsm
