#include "monitor/fsm/rebuild.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "monitor/fsm/carried.h"

namespace pgaf::fsm {
namespace {

constexpr std::size_t earlier_kept = 16;
constexpr std::uint64_t ids_left_out = 100;

/// Epoch by epoch, then term by term, a record only grows; within them its commits tell what is newer.
auto age(const Goal& goal) {
    return std::tuple{goal.stamp.epoch, goal.stamp.term, goal.digest.mark.commits};
}

/// The oldest life under which no node is known to have promised what it promised last: of the others nodes still
/// speak.
void forget_one(ClusterRecord& record) {
    const auto still_told = [&](const StoreMark& mark) {
        return std::any_of(record.nodes.begin(), record.nodes.end(),
                           [&](const auto& entry) { return entry.second.said.promised.monitor == mark.life; });
    };
    const auto found = std::find_if_not(record.earlier.begin(), record.earlier.end(), still_told);
    record.earlier.erase(found == record.earlier.end() ? record.earlier.begin() : found);
}

}  // namespace

std::uint64_t commits_known(const ClusterRecord& record, const MonitorId& life) {
    if (record.mark.life == life) return record.mark.commits;
    for (const StoreMark& mark : record.earlier)
        if (mark.life == life) return mark.commits;
    return 0;
}

bool knows(const ClusterRecord& record, const StoreMark& mark) {
    return mark.life.empty() || mark.commits <= commits_known(record, mark.life);
}

void take_in(ClusterRecord& record, const StoreMark& mark) {
    if (mark.life.empty() || knows(record, mark)) return;
    if (mark.life == record.mark.life) {
        record.mark.commits = mark.commits;
        return;
    }
    std::erase_if(record.earlier, [&](const StoreMark& m) { return m.life == mark.life; });
    record.earlier.push_back(mark);
    if (record.earlier.size() > earlier_kept) forget_one(record);
}

bool has_given_goals(const ClusterRecord& record) {
    return std::any_of(record.nodes.begin(), record.nodes.end(), [&](const auto& entry) {
        const Stamp& given = entry.second.goal.stamp;
        return given.term == record.term && given.monitor == record.monitor;
    });
}

void begin_life(ClusterRecord& record) {
    if (record.mark.life == record.monitor) return;
    const StoreMark before = std::exchange(record.mark, {record.monitor, record.mark.commits});
    const bool all_know = std::all_of(record.nodes.begin(), record.nodes.end(), [&](const auto& entry) {
        return entry.second.said.promised.monitor == before.life;
    });
    if (all_know) record.earlier.clear();
    take_in(record, before);
}

const Goal* newest_of(const std::vector<Testimony>& said) {
    const Goal* newest = nullptr;
    for (const Testimony& t : said)
        if (t.goal && (!newest || age(*t.goal) > age(*newest))) newest = &*t.goal;
    return newest;
}

bool covers(const ClusterRecord& record, const Testimony& t) {
    const Stamp& p = t.promised;
    if (p.epoch > record.epoch || p.term > record.term) return false;
    if (p.term == record.term && !p.monitor.empty() && p.monitor != record.monitor) return false;
    if (t.goal && !knows(record, t.goal->digest.mark)) return false;
    if (p.version.empty()) return true;
    // What it has promised stood in the record before it was told (R1): a record whose newest goal for it is an older
    // one is behind, whichever processes have begun a term on it since.
    const Stamp& given = record.nodes.at(t.node).goal.stamp;
    const auto order = [](const Stamp& s) { return std::tuple{s.epoch, s.term, s.version}; };
    return order(p) < order(given) || p == given;
}

namespace {

/// The goal is this incarnation's own, not that of the one before.
bool is_own(const Testimony& t) {
    return t.goal && t.goal->incarnation == t.incarnation && t.goal->stamp == t.promised;
}

const Testimony* of(const std::vector<Testimony>& said, const NodeName& node) {
    const auto found = std::find_if(said.begin(), said.end(), [&](const Testimony& t) { return t.node == node; });
    return found == said.end() ? nullptr : &*found;
}

/// Rules that may be in force beside those of the record: older than its newest, so that they stay until that is
/// proved.
void also_in_force(ClusterRecord& r, const std::vector<NamedRule>& others) {
    std::vector<NamedRule> missing;
    for (const NamedRule& named : others)
        if (std::find(r.rules.begin(), r.rules.end(), named) == r.rules.end()) missing.push_back(named);
    r.rules.insert(r.rules.begin(), missing.begin(), missing.end());
}

/// The last primary, what goes with that word, and the history until then.
void take_primary_of(ClusterRecord& r, const Goal& last) {
    r.primary = last.digest.primary;
    r.primary_incarnation = last.digest.primary_incarnation;
    r.primary_epoch = last.digest.primary_epoch;
    r.rules = last.digest.rules;
    r.history = last.history;
    r.floor = r.highest_end = last.digest.floor;
}
void take_primary_of(ClusterRecord& r, const ClusterRecord& old) {
    r.primary = old.primary;
    r.primary_incarnation = old.primary_incarnation;
    r.primary_epoch = old.primary_epoch;
    r.rules = old.rules;
    r.lease_told = old.lease_told;
    r.history = old.history;
    r.floor = old.floor;
    r.highest_end = old.highest_end;
}

/// This process has told the last primary something itself: that is not waited for as another's (doubt.cc), so the
/// record still has to hold all of it.
bool has_spoken(const ClusterRecord& r, const ClusterRecord& old) {
    const auto n = old.nodes.find(old.primary);
    return n != old.nodes.end() && n->second.goal.stamp.monitor == old.monitor && old.primary == r.primary &&
           old.primary_incarnation == r.primary_incarnation && old.primary_epoch == r.primary_epoch;
}

/// What the last primary may have promised to somebody whom the newest promise was not made to. Null: no more than
/// that.
const Goal* promised_to_another(const ClusterRecord& r, const Testimony* p, const Goal& last) {
    if (!p || !is_own(*p) || p->incarnation != r.primary_incarnation) return nullptr;
    const Stamp& own = p->goal->stamp;
    return own.term == last.stamp.term && own.monitor == last.stamp.monitor ? nullptr : &*p->goal;
}

/// The last node told to be primary, and the rules in force as the newest promise of its time has them: rules that have
/// left later are still in it, which is the safe side; one that came later has not been promised by its primary.
void take_primary(ClusterRecord& r, const ClusterRecord& old, const std::vector<Testimony>& said) {
    const Goal* last = nullptr;
    const auto key = [](const Goal& g) { return std::tuple{g.digest.primary_epoch, age(g)}; };
    for (const Testimony& t : said)
        if (t.goal && !t.goal->digest.primary.empty() && (!last || key(*t.goal) > key(*last))) last = &*t.goal;
    if (!last || last->digest.primary_epoch < old.primary_epoch) return take_primary_of(r, old);
    take_primary_of(r, *last);
    // The longest of all that were told in this epoch: what the primary has promised is among them when it was heard,
    // and until then nobody is promoted (admit_unknown_rule).
    for (const Testimony& t : said)
        if (t.goal && t.goal->digest.primary_epoch == r.primary_epoch)
            r.lease_told = std::max(r.lease_told, t.goal->digest.lease_told);
    if (has_spoken(r, old)) {
        also_in_force(r, old.rules);
        r.lease_told = std::max(r.lease_told, old.lease_told);
    }
    if (const Goal* other = promised_to_another(r, of(said, r.primary), *last)) also_in_force(r, other->digest.rules);
}

/// What the primary proves is known by its id: no other rule that it may have promised has this one, or a higher one.
void name_newest(ClusterRecord& r, RuleId promised) {
    if (r.rules.empty()) return;
    const RuleId newest = r.rules.back().id;
    const bool highest =
        std::all_of(r.rules.begin(), r.rules.end() - 1, [&](const NamedRule& o) { return o.id < newest; });
    if (!highest || newest < promised) r.rules.back().id = r.last_rule = RuleId{r.last_rule.v + 1};
    // It may have been promised under another id: of here, or of a rebuild before.
    if (r.rules.back().id > promised) r.rule_named = r.rules.back().id;
}

}  // namespace

bool knows_rule(const ClusterRecord& record, RuleId promised) {
    return std::any_of(record.rules.begin(), record.rules.end(), [&](const NamedRule& n) { return n.id >= promised; });
}

void admit_unknown_rule(ClusterRecord& record, const std::vector<Testimony>& said) {
    if (record.primary.empty()) return;
    const Testimony* p = of(said, record.primary);
    const bool heard = p && p->goal && p->goal->incarnation == record.primary_incarnation;
    const RuleId promised = heard && p->incarnation == record.primary_incarnation ? p->rule_promised : RuleId{};
    if (!heard || !knows_rule(record, promised)) {
        record.last_rule = RuleId{record.last_rule.v + ids_left_out};
        record.rules.insert(record.rules.begin(), {record.last_rule, {}});
    }
    name_newest(record, promised);
}

void raise_rule_ids(ClusterRecord& record, const std::vector<Testimony>& said) {
    for (const Testimony& t : said) {
        record.last_rule = std::max(record.last_rule, t.rule_promised);
        if (!t.goal) continue;
        record.last_rule = std::max(record.last_rule, t.goal->rule.id);
        for (const NamedRule& named : t.goal->digest.rules) record.last_rule = std::max(record.last_rule, named.id);
    }
}

namespace {

/// What never goes down is the highest that anybody has heard of.
void take_highest(ClusterRecord& r, const std::vector<Testimony>& said) {
    const auto raise = [](auto& mark, const auto& to) { mark = std::max(mark, to); };
    Term heard;
    for (const Testimony& t : said) {
        raise(r.epoch, t.promised.epoch);
        raise(heard, t.promised.term);
        raise(r.highest_timeline, t.timeline);
        take_in(r, t.heard);
        if (!t.goal) continue;
        raise(r.epoch, t.goal->stamp.epoch);
        raise(heard, t.goal->stamp.term);
        raise(r.highest_timeline, t.goal->digest.highest_timeline);
        raise(r.checkpoint_request, t.goal->checkpoint_request);
        take_in(r, t.goal->digest.mark);
        for (const HistoryEntry& entry : t.goal->history) raise(r.highest_timeline, entry.timeline);
    }
    raise(r.term, Term{heard.v + 1});
    raise_rule_ids(r, said);
    // Ids that the lost record may have given, and nobody who was heard knows, are not given again.
    r.last_rule = RuleId{r.last_rule.v + ids_left_out};
}

/// A node of the newest promise.
NodeRecord member(const ClusterRecord& old, const Peer& peer, const Testimony* t) {
    NodeRecord n;
    const IncarnationId& incarnation = t ? t->incarnation : peer.incarnation;
    const auto known = old.nodes.find(peer.node);
    if (known != old.nodes.end() && known->second.incarnation == incarnation) n = known->second;
    n.name = peer.node;
    n.incarnation = incarnation;
    // A node that was heard has said where it is now: the record has that already.
    if (!t) n.host = peer.host, n.port = peer.port;
    n.candidate_priority = peer.candidate_priority;
    n.replication_quorum = peer.replication_quorum;
    n.maintenance = peer.maintenance;
    n.maintenance_wanted = n.drop_wanted = n.drop_forced = false;
    if (!t) {
        n.said.promised = {};
        return n;
    }
    n.said.promised = t->promised;
    if (!is_own(*t)) return n;
    n.goal = *t->goal;
    if (n.put_back.empty()) n.put_back = n.goal.put_back;
    n.maintenance = n.maintenance || n.goal.role == Role::maintenance;
    n.drop_wanted = n.goal.role == Role::dropped;
    return n;
}

void take_nodes(ClusterRecord& r, const ClusterRecord& old, const Goal& newest, const std::vector<Testimony>& said) {
    for (const Peer& peer : newest.peers) r.nodes[peer.node] = member(old, peer, of(said, peer.node));
    for (const Testimony& t : said) {
        if (r.nodes.contains(t.node)) continue;
        if (!t.goal) {  // it has come since
            r.nodes[t.node] = old.nodes.at(t.node);
            continue;
        }
        // A later promise does not name it any more.
        r.dropped.push_back(t.incarnation);
        if (r.dropped.size() > dropped_kept) r.dropped.erase(r.dropped.begin());
    }
}

/// Where the cluster stands. A choice that any promise tells of is final in its epoch. An election without one begins
/// anew: what its monitor may have chosen, and told nobody who was heard, can't come true in a later epoch.
void take_phase(ClusterRecord& r, const std::vector<Testimony>& said) {
    const Testimony* p = of(said, r.primary);
    if (p && p->incarnation != r.primary_incarnation) p = nullptr;
    if (r.primary.empty()) {
        r.phase = Phase::forming;
    } else if (r.primary_epoch == r.epoch) {
        const bool begins = !r.history.empty() && r.history.back().epoch == r.epoch && !r.history.back().fork;
        r.phase = begins && (!p || p->timeline != r.history.back().timeline || !p->read_write) ? Phase::promoting
                                                                                               : Phase::steady;
        if (r.phase == Phase::promoting) r.chosen = r.primary;
        if (p && is_own(*p) && p->goal->role == Role::primary) r.permit = p->goal->permit;
    } else {
        r.epoch = Epoch{r.epoch.v + 1};
        r.phase = Phase::electing;
        r.reason = "an election was under way when the monitor's store was lost";
    }
}

}  // namespace

ClusterRecord rebuild(const ClusterRecord& old, const std::vector<Testimony>& said) {
    ClusterRecord r;
    r.name = old.name;
    r.settings = old.settings;
    r.epoch = old.epoch;
    r.term = old.term;
    r.monitor = old.monitor;
    r.last_rule = old.last_rule;
    r.highest_timeline = old.highest_timeline;
    r.checkpoint_request = old.checkpoint_request;
    r.failovers = old.failovers;
    r.dropped = old.dropped;
    r.earlier = old.earlier;
    r.mark = {old.monitor, old.mark.commits};
    if (old.mark.commits > 0) take_in(r, old.mark);
    // Goals of this term may be on their way: what is given now is another one's.
    if (old.must_rebuild || has_given_goals(old)) r.term = Term{r.term.v + 1};
    take_highest(r, said);
    take_primary(r, old, said);
    admit_unknown_rule(r, said);
    if (const Goal* newest = newest_of(said)) {
        r.system_id = newest->system_id.empty() ? old.system_id : newest->system_id;
        take_over(r.settings, newest->settings);
        take_nodes(r, old, *newest, said);
    } else {
        r.system_id = old.system_id;
        r.nodes = old.nodes;
    }
    take_phase(r, said);
    // It may have been asked for at the end of a promotion, by a goal that nobody has promised; without it nobody is
    // rewound.
    if (r.phase == Phase::steady && !r.history.empty()) ++r.checkpoint_request;
    return r;
}

}  // namespace pgaf::fsm
