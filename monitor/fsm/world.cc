#include "monitor/fsm/world.h"

#include <algorithm>

namespace pgaf::fsm {

const NodeRecord* World::node(const NodeName& name) const {
    const auto found = record.nodes.find(name);
    return found == record.nodes.end() ? nullptr : &found->second;
}

const NodeView* World::view(const NodeName& name) const {
    const auto found = memory.views.find(name);
    return found == memory.views.end() ? nullptr : &found->second;
}

const Report* World::report(const NodeName& name) const {
    const NodeRecord* n = node(name);
    const NodeView* v = view(name);
    if (!n || !v || !v->report || !v->distrust.empty()) return nullptr;
    return v->report->incarnation == n->incarnation ? &*v->report : nullptr;
}

const Report* World::live(const NodeName& name) const {
    const NodeView* v = view(name);
    if (!v || !v->connected) return nullptr;
    const Report* r = report(name);
    return r && r->boot == v->boot ? r : nullptr;
}

Millis World::silence(const NodeName& name) const {
    const NodeView* v = view(name);
    return now - (v && v->heard ? *v->heard : memory.started);
}

bool World::in_reach(const NodeName& name) const {
    return live(name) && silence(name).v < static_cast<std::int64_t>(record.settings.node_timeout_ms);
}

bool World::told(const NodeRecord& n) const {
    return n.name == record.primary && n.incarnation == record.primary_incarnation;
}

const Report* World::primary_live() const {
    const Report* r = live(record.primary);
    return r && r->incarnation == record.primary_incarnation ? r : nullptr;
}

bool World::primary_runs() const {
    const Report* r = primary_live();
    if (!r || r->promised.epoch != record.epoch || r->status != PgStatus::running || r->in_recovery) return false;
    return record.history.empty() || r->timeline == record.history.back().timeline;
}

bool World::primary_serves() const {
    return primary_runs() && primary_live()->writable;
}

bool World::primary_promised() const {
    const Report* r = primary_live();
    return r && r->promised.epoch == record.epoch;
}

bool World::primary_exited() const {
    const Report* r = primary_live();
    return r && r->promised.epoch == record.epoch && r->status == PgStatus::stopped;
}

bool World::too_many_failovers() const {
    const auto recent = std::count_if(memory.recent_failovers.begin(), memory.recent_failovers.end(),
                                      [&](Millis t) { return now - t < failover_window; });
    return static_cast<std::uint32_t>(recent) >= record.settings.failover_limit;
}

bool World::may_be_candidate(const NodeRecord& n) const {
    return can_be_candidate(n) && !n.maintenance_wanted && !n.drop_wanted;
}

bool World::can_be_candidate(const NodeRecord& n) const {
    const Report* r = report(n.name);
    return n.candidate_priority > 0 && !n.maintenance && !(r && r->leaving);
}

bool World::may_be_member(const NodeRecord& n) const {
    const Report* r = report(n.name);
    return n.replication_quorum && !n.maintenance && !n.maintenance_wanted && !n.drop_wanted && !(r && r->leaving);
}

bool World::in_any_rule(const NodeRecord& n) const {
    return std::any_of(record.rules.begin(), record.rules.end(),
                       [&](const NamedRule& named) { return named.rule.contains(n.incarnation); });
}

std::uint32_t World::number_sync_standbys() const {
    if (record.settings.asynchronous) return 0;
    if (record.settings.number_sync_standbys) return *record.settings.number_sync_standbys;
    const auto counted = std::count_if(record.nodes.begin(), record.nodes.end(), [](const auto& entry) {
        return entry.second.replication_quorum && !entry.second.drop_wanted;
    });
    return counted >= 3 ? 1 : 0;
}

NodeName World::name_of(const IncarnationId& incarnation) const {
    for (const auto& [name, n] : record.nodes)
        if (n.incarnation == incarnation) return name;
    return NodeName{"a data folder that is gone (" + incarnation.v + ")"};
}

void World::log(const std::string& kind, const NodeName& about, const std::string& message, const std::string& evidence,
                const std::string& rule) {
    out.log.push_back({record.epoch, about, kind, rule, message, evidence});
}

void World::reply(std::uint64_t command, bool ok, const std::string& message, std::optional<Millis> write_pause) {
    out.replies.push_back({command, true, ok, message, write_pause});
}

void World::enter(Phase phase) {
    record.phase = phase;
    memory.phase_since = now;
    memory.complete_since.reset();
    memory.members_fenced_since.reset();
    memory.word_since.reset();
    memory.forwards_given_up.clear();
}

void World::wake_at(Millis when) {
    if (when <= now) when = Millis{now.v + 1};
    if (!out.wake_at || when < *out.wake_at) out.wake_at = when;
}

std::string join(const std::vector<NodeName>& names) {
    std::string all;
    for (const NodeName& name : names) all += (all.empty() ? "" : ", ") + name.v;
    return all;
}

std::string seconds(Millis duration) {
    const std::int64_t hundredths = (duration.v + 5) / 10;
    std::string fraction = std::to_string(hundredths % 100);
    if (fraction.size() < 2) fraction.insert(0, "0");
    return std::to_string(hundredths / 100) + "." + fraction + " s";
}

std::string text(const WalPosition& position) {
    return "timeline " + std::to_string(position.timeline.v) + ", " + position.lsn.text();
}

}  // namespace pgaf::fsm
