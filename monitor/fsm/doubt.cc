#include "monitor/fsm/doubt.h"

#include <algorithm>
#include <map>
#include <utility>

#include "monitor/fsm/rebuild.h"

namespace pgaf::fsm {
namespace {

std::string number(std::uint64_t value) {
    return std::to_string(value);
}

bool of_another_cluster(const ClusterRecord& record, const Goal& goal) {
    return !record.system_id.empty() && !goal.system_id.empty() && goal.system_id != record.system_id;
}

/// What the node has promised: as it told it, or the record's goal when it has promised that. Null: not known.
const Goal* promised_goal(const NodeRecord& n, const NodeView& v, const Report& r) {
    if (v.promise && (v.promise->stamp == r.promised || r.promised.version.empty())) return &*v.promise;
    return n.goal.stamp == r.promised && !r.promised.version.empty() ? &n.goal : nullptr;
}

/// Nothing as long as the node has not said what it has promised.
std::optional<Testimony> testimony(const World& world, const NodeRecord& n) {
    const NodeView* v = world.view(n.name);
    if (!v || !v->report || v->report->incarnation != n.incarnation || v->report->boot != v->boot) return std::nullopt;
    const Report& r = *v->report;
    const Goal* goal = promised_goal(n, *v, r);
    if (!goal && !r.promised.version.empty()) return std::nullopt;
    Testimony t{n.name,  n.incarnation, r.promised, r.rule_promised,
                r.heard, std::nullopt,  r.timeline, r.status == PgStatus::running && !r.in_recovery};
    if (goal && of_another_cluster(world.record, *goal))
        return Testimony{n.name, n.incarnation, {}, {}, {}, {}, {}, false};
    if (goal) t.goal = *goal;
    return t;
}

std::vector<Testimony> testimonies(const World& world) {
    std::vector<Testimony> all;
    for (const auto& [name, n] : world.record.nodes)
        if (auto t = testimony(world, n)) all.push_back(std::move(*t));
    return all;
}

}  // namespace

std::string ahead_of_record(const World& world, const NodeRecord& n, const Report& r) {
    const ClusterRecord& record = world.record;
    // A keeper whose data folder is not this cluster's may have promised anything, to anybody.
    const SystemId& system = r.goal && !r.goal->system_id.empty() ? r.goal->system_id : r.system_id;
    if (system.empty() || (!record.system_id.empty() && system != record.system_id)) return {};
    const Stamp& p = r.promised;
    const bool same = p.epoch == record.epoch && p.term == record.term;
    const bool another = same && !p.monitor.empty() && p.monitor != record.monitor;
    const bool version = same && !another && p.version > n.goal.stamp.version;
    // After a rebuild nobody takes an earlier monitor's goals any more; one that was on its way was not known of. What
    // this process has given itself the record holds through a rebuild: else each rebuild would ask for the next.
    const bool late = world.memory.rebuilt && n.put_back.empty() && p.term < record.term && !p.version.empty() &&
                      p.monitor != record.monitor && !n.said.promised.version.empty() && p != n.said.promised;
    // Two goals that followed each other between two reports: the second one is known, the rule of the first is not.
    const bool rule = n.name == record.primary && n.incarnation == record.primary_incarnation &&
                      !record.rules.empty() && !knows_rule(record, r.rule_promised);
    const auto said = [](Epoch e, Term t) { return "epoch " + number(e.v) + ", monitor term " + number(t.v); };
    if (p.epoch > record.epoch || p.term > record.term || another)
        return "node " + n.name.v + " has promised " + said(p.epoch, p.term) + ", this monitor's record of cluster " +
               record.name.v + " knows of " + said(record.epoch, record.term) + (another ? " by another monitor" : "");
    if (version || late)
        return "node " + n.name.v + " has promised a goal of " + said(p.epoch, p.term) +
               " that this monitor's record of cluster " + record.name.v + " does not know of";
    if (rule)
        return "node " + n.name.v + " has promised sync rule " + number(r.rule_promised.v) +
               " that this monitor's record of cluster " + record.name.v + " does not know of";
    // One that has promised more than it says now was put back (R4), and with it what it has heard.
    const bool put_back = p != n.said.promised && may_follow(p, n.said.promised);
    if (put_back || knows(record, r.heard)) return {};
    const std::uint64_t known = commits_known(record, r.heard.life);
    return "node " + n.name.v + " has heard of commit " + number(r.heard.commits) +
           (known == 0 ? " of a record that this monitor does not know"
                       : ", this monitor's record of cluster " + record.name.v + " ends with commit " + number(known));
}

std::vector<NodeName> awaited_for_rebuild(const World& world) {
    std::map<NodeName, bool> heard;
    for (const auto& [name, n] : world.record.nodes) {
        const std::optional<Testimony> t = testimony(world, n);
        heard[name] = t.has_value();
        if (!t || !t->goal) continue;
        for (const Peer& peer : t->goal->peers) heard.try_emplace(peer.node, false);
        if (!t->goal->digest.primary.empty()) heard.try_emplace(t->goal->digest.primary, false);
    }
    std::vector<NodeName> awaited;
    for (const auto& [name, was_heard] : heard)
        if (!was_heard) awaited.push_back(name);
    return awaited;
}

std::size_t heard_for_rebuild(const World& world) {
    return testimonies(world).size();
}

namespace {

/// A store that is empty though there was another before, and nobody knows a cluster: whoever does may come yet.
bool nobody_knows_cluster(const World& world, const std::vector<Testimony>& said) {
    return world.record.primary.empty() && !newest_of(said);
}

std::string names(const std::vector<Testimony>& said) {
    std::vector<NodeName> all;
    for (const Testimony& t : said) all.push_back(t.node);
    return join(all);
}

void await_promises(World& world, const std::vector<Testimony>& said) {
    const ClusterRecord& record = world.record;
    world.memory.unbound.clear();
    for (const Testimony& t : said)
        if (record.nodes.contains(t.node) && !t.promised.version.empty() &&
            (t.promised.term != record.term || t.promised.monitor != record.monitor))
            world.memory.unbound.push_back(t.node);
    world.record.must_rebuild = !world.memory.unbound.empty();
    if (world.memory.unbound.empty()) world.record.doubt.clear();
}

void forget_dropped(World& world, const std::vector<Testimony>& said) {
    for (const Testimony& t : said) {
        if (world.record.nodes.contains(t.node)) continue;
        world.out.turned_away.push_back({t.node, world.memory.views[t.node].boot,
                                         "node " + t.node.v + " was dropped from cluster " + world.record.name.v +
                                             "; to add it again, remove its state folder and restart the keeper"});
        world.memory.views.erase(t.node);
    }
}

}  // namespace

namespace {

void end_doubt(World& world) {
    world.memory.unbound.clear();
    world.record.doubt.clear();
    world.record.must_rebuild = false;
}

}  // namespace

bool binding(const World& world) {
    return !world.record.doubt.empty() && !world.memory.unbound.empty();
}

void note_bound(World& world, const Report& r) {
    const bool ours = r.promised.term == world.record.term && r.promised.monitor == world.record.monitor;
    if (!binding(world) || !ours) return;
    const auto awaited = std::find(world.memory.unbound.begin(), world.memory.unbound.end(), r.node);
    if (awaited == world.memory.unbound.end()) return;
    world.memory.unbound.erase(awaited);
    // Its folder was lost meanwhile, and with it what it was told since it was heard.
    if (r.node == world.record.primary && r.incarnation != world.record.primary_incarnation)
        admit_unknown_rule(world.record, {});
    if (world.memory.unbound.empty()) end_doubt(world);
}

void begin_doubt(World& world, const NodeName& node, const std::string& why) {
    world.record.must_rebuild = world.memory.rebuilt || binding(world);
    world.memory.unbound.clear();
    world.record.doubt = why;
    world.log("store_behind", node, why, {}, "R11");
}

namespace {

/// An operator's word that their promises are not to be waited for. What such a primary may have been told by another
/// monitor since it was heard nobody knows.
bool bound_by_word(World& world) {
    if (!std::exchange(world.memory.rebuild_now, false)) return false;
    const std::vector<NodeName>& unbound = world.memory.unbound;
    std::vector<Testimony> said = testimonies(world);
    std::erase_if(
        said, [&](const Testimony& t) { return std::find(unbound.begin(), unbound.end(), t.node) != unbound.end(); });
    if (std::find(unbound.begin(), unbound.end(), world.record.primary) != unbound.end())
        admit_unknown_rule(world.record, said);
    world.log("record_confirmed", world.record.primary, "an operator goes on without a promise to this monitor",
              "not promised: " + join(unbound), "R11");
    end_doubt(world);
    return true;
}

}  // namespace

bool settle_doubt(World& world) {
    if (binding(world)) return bound_by_word(world);
    ClusterRecord& record = world.record;
    const bool by_word = std::exchange(world.memory.rebuild_now, false);
    const std::vector<NodeName> awaited = awaited_for_rebuild(world);
    if (!by_word && !awaited.empty()) return false;
    const std::vector<Testimony> said = testimonies(world);
    if (!by_word && nobody_knows_cluster(world, said)) return false;
    const std::string without =
        awaited.empty() ? "" : "; " + join(awaited) + ": not heard, left out by an operator's word";
    if (record.operation) world.reply(record.operation->id, false, "the monitor's record had to be rebuilt");
    record.operation.reset();
    world.memory.rebuilt = true;
    // Whoever turns out to be the last primary may have been answered until now (R7).
    world.memory.primary_answered = world.now;
    world.memory.members_fenced_since.reset();
    const bool covered = std::all_of(said.begin(), said.end(), [&](const Testimony& t) { return covers(record, t); });
    if (covered && !record.must_rebuild) {
        for (const Testimony& t : said) take_in(record, t.heard);
        raise_rule_ids(record, said);
        admit_unknown_rule(record, said);
        // Goals that were made before the doubt don't say what they are after.
        if (has_given_goals(record)) record.term = Term{record.term.v + 1};
        await_promises(world, said);
        world.log("record_confirmed", record.primary,
                  "nobody has promised anything that the record of the cluster does not know of",
                  "heard: " + names(said) + without, "R11");
        return true;
    }
    const std::string doubt = record.doubt;
    record = rebuild(record, said);
    record.doubt = doubt;
    await_promises(world, said);
    forget_dropped(world, said);
    world.enter(record.phase);
    world.memory.primary_end = record.primary_end;
    world.memory.epoch_began = world.memory.triggered = world.memory.chosen_at = world.now;
    world.log("record_rebuilt", record.primary,
              "the record of the cluster is rebuilt from what " + names(said) + " have promised: epoch " +
                  number(record.epoch.v) + (record.primary.empty() ? "" : ", last primary " + record.primary.v) +
                  ", monitor term " + number(record.term.v),
              doubt + without, "R11");
    return true;
}

std::string doubt_text(const World& world) {
    if (binding(world))
        return world.record.doubt +
               ". Nothing is decided until all nodes have promised something to this monitor, since another one may "
               "decide for them; not promised yet: " +
               join(world.memory.unbound) + ". 'pgafctl perform rebuild' goes on without";
    const std::vector<NodeName> awaited = awaited_for_rebuild(world);
    return world.record.doubt + ". Nothing is decided and no goal is sent until " +
           (awaited.empty() ? "a keeper is heard that knows the cluster"
                            : "all nodes have said what they have promised; not heard yet: " + join(awaited)) +
           ". 'pgafctl perform rebuild' goes on without; only when they are down, and gone for good";
}

}  // namespace pgaf::fsm
