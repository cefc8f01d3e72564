#include "tests/sim/checks.h"

#include <algorithm>

#include "common/model/stamp.h"
#include "common/mutation.h"
#include "tests/sim/monitor_ops.h"

namespace pgaf::sim {
namespace {

std::string at(std::uint64_t lsn) {
    return Lsn{lsn}.text();
}

std::string commits_text(const World& w, BranchIx branch, std::uint64_t from, std::uint64_t to) {
    std::string text;
    for (const Record& r : (*w.archive)[branch].records)
        if (r.commit != 0 && r.end > from && r.end <= to) text += (text.empty() ? "" : ", ") + std::to_string(r.commit);
    return text.empty() ? "no commit, but WAL" : "commit " + text;
}

/// The branch that a server writes.
BranchIx branch_of(const World& w, NodeIx node) {
    return w.machines[node]->disk.wal.base().branch;
}

void note_acknowledged(World& w, NodeIx node, std::uint64_t lsn) {
    Ghost& g = w.ghost.edit();
    const BranchIx branch = w.archive->writer_of(branch_of(w, node), lsn);
    if (g.acknowledged.size() <= branch) g.acknowledged.resize(branch + 1, 0);
    g.acknowledged[branch] = std::max(g.acknowledged[branch], lsn);
}

/// Everything acknowledged so far is in what lies at [.., end] on the path to `branch`; else says what is missing.
std::string missing(const World& w, BranchIx branch, std::uint64_t end) {
    const auto& acknowledged = w.ghost->acknowledged;
    for (BranchIx b = 0; b < acknowledged.size(); ++b) {
        if (acknowledged[b] == 0) continue;
        const std::uint64_t has = std::min(end, w.archive->common(b, branch));
        if (has < acknowledged[b])
            return commits_text(w, b, has, acknowledged[b]) + " up to " + at(acknowledged[b]) + " (it has " + at(has) +
                   " of it)";
    }
    return {};
}

/// An operator has accepted that this is lost: nobody looks for it any more.
void accept_loss(World& w, BranchIx branch, std::uint64_t end) {
    Ghost& g = w.ghost.edit();
    for (BranchIx b = 0; b < g.acknowledged.size(); ++b) {
        const std::uint64_t has = std::min(end, w.archive->common(b, branch));
        if (g.acknowledged[b] > has) g.acknowledged[b] = has > (*w.archive)[b].fork ? has : 0;
    }
}

/// Nobody could know that this node's disk had been put back when the monitor let it start: it waited for node_timeout,
/// and fewer than |S| - k + 1 members of some rule had said since the node's keeper began how much they have. The owner
/// of such a disk was told to reset the node (R9).
bool could_not_be_known(const World& w, NodeIx node) {
    const auto& record = w.decided;
    const Micros since = w.keepers[node]->started;
    const Micros limit = static_cast<Micros>(record->settings.node_timeout_ms) * ms;
    if (w.now - std::max(since, w.monitor->started) < limit) return false;
    return std::any_of(record->rules.begin(), record->rules.end(), [&](const NamedRule& named) {
        std::size_t able = 0;
        for (NodeIx n = 0; n < w.nodes(); ++n)
            if (n != node && named.rule.contains(w.keepers[n]->promise.incarnation) && w.keepers[n]->end_heard > since)
                ++able;
        return named.rule.asynchronous() || able + named.rule.k <= named.rule.members.size();
    });
}

/// By this step clients, or standbys' confirmations, may get through that did not before.
bool lets_pass(const keeper::Step& step) {
    if (const auto* start = std::get_if<keeper::StartStandby>(&step)) return !start->upstream.empty();
    return std::holds_alternative<keeper::StartPrimary>(step) || std::holds_alternative<keeper::Follow>(step) ||
           std::holds_alternative<keeper::Promote>(step) || std::holds_alternative<keeper::ApplyRule>(step) ||
           std::holds_alternative<keeper::OpenToClients>(step);
}

/// A commit is acknowledged only after k members of a rule in force have flushed it.
bool under_a_rule(const World& w, NodeIx node, std::uint64_t lsn) {
    const auto& record = w.decided;
    if (!record || record->primary != name_of(node) || record->rules.empty()) return true;
    if (record->phase == fsm::Phase::promoting && record->primary_epoch.v > epoch_served(w, node)) return true;
    const BranchIx branch = branch_of(w, node);
    for (const NamedRule& named : record->rules) {
        std::uint32_t have = 0;
        for (const IncarnationId& member : named.rule.members) {
            const auto found = w.ghost->confirmed.find(inc_of(member));
            if (found == w.ghost->confirmed.end()) continue;
            const Confirmed& c = found->second;
            if (c.lsn >= lsn && w.archive->common(c.branch, branch) >= lsn) ++have;
        }
        if (have >= named.rule.k) return true;
    }
    return false;
}

std::string confirmed_text(const World& w) {
    std::string text;
    for (const NamedRule& named : w.decided->rules)
        for (const IncarnationId& member : named.rule.members)
            if (const auto found = w.ghost->confirmed.find(inc_of(member)); found != w.ghost->confirmed.end())
                text += ", " + member.v + " has confirmed " + at(found->second.lsn);
    return text;
}

}  // namespace

std::uint64_t epoch_served(const World& w, NodeIx node) {
    const BranchIx branch = branch_of(w, node);
    std::uint64_t epoch = 0;
    for (const Reign& r : w.ghost->reigns)
        if (r.node == node && (r.branch == branch || w.archive->common(r.branch, branch) >= (*w.archive)[branch].fork))
            epoch = r.epoch;
    return epoch;
}

namespace {

/// With k = 0 nobody ends in time what a launcher and a postmaster have left that were killed together; nor the
/// backends of a machine, or of a launcher, that slept past the lease, which may run a moment before its launcher has
/// stopped them (R8).
bool past_all_help(const World& w, NodeIx node) {
    // What the monitor allows for a stop (R7).
    constexpr Micros stopped = sec;
    const Server& s = *w.server(node);
    const Launcher& l = w.machines[node]->launcher;
    const bool orphans = !s.postmaster && !l.alive;
    const bool slept = !s.postmaster && s.slept_over > 0 && w.now - s.slept_over <= stopped;
    return s.loaded.names.kind == Names::Kind::none && (orphans || slept || l.frozen);
}

/// A state file that was put back may say that nobody can replace its node: that was so when it was written, and it is
/// started on that word while the monitor is away (R9; the documentation says that such a node must be reset).
bool reigns_on_an_old_word(const World& w, NodeIx node) {
    const auto& goal = w.keepers[node]->promise.goal;
    return w.machines[node]->put_back && goal && goal->irreplaceable;
}

/// R14: a keeper ends a second connection of a member at its next look. What that releases until then nobody has
/// promised; a connection that has a member's name was given it on purpose.
bool impostor_came_just_now(const World& w, NodeIx node) {
    constexpr Micros looked = 2 * sec;
    const Micros keeper = std::max(w.keepers[node]->started, w.machines[node]->went_on);
    const auto& senders = w.server(node)->senders;
    return std::any_of(senders.begin(), senders.end(), [&](const Walsender& s) {
        if (!s.impostor || s.priority() == 0) return false;
        return !w.keeper_runs(node) || w.now - std::max(s.since, keeper) < looked;
    });
}

}  // namespace

void check_acknowledged(World& w, NodeIx node, std::uint64_t lsn) {
    const Ghost& g = *w.ghost;
    const BranchIx branch = w.archive->writer_of(branch_of(w, node), lsn);
    const std::uint64_t epoch = epoch_served(w, node);
    // An operator has given up what a primary of before may go on to acknowledge.
    if (g.loss_accepted > epoch || past_all_help(w, node) || reigns_on_an_old_word(w, node) ||
        impostor_came_just_now(w, node))
        return;
    note_acknowledged(w, node, lsn);
    if (g.chosen_epoch > epoch && std::min(g.chosen_end, w.archive->common(branch, g.chosen_branch)) < lsn)
        return w.violated("I3: " + name_of(node).v + " acknowledges at " + at(lsn) + " in epoch " +
                          std::to_string(epoch) + " what the node chosen in epoch " + std::to_string(g.chosen_epoch) +
                          " does not have");
    for (const Reign& r : g.reigns)
        if (r.epoch > epoch && w.archive->common(branch, r.branch) < lsn)
            return w.violated("I2: " + name_of(node).v + " acknowledges at " + at(lsn) + " in epoch " +
                              std::to_string(epoch) + " what " + name_of(r.node).v + ", primary of epoch " +
                              std::to_string(r.epoch) + ", does not have");
    if (!under_a_rule(w, node, lsn))
        w.violated("R3, R6: " + name_of(node).v + " acknowledges at " + at(lsn) + " under no rule in force" +
                   confirmed_text(w));
}

void check_seen(World& w, NodeIx node, std::uint64_t lsn) {
    note_acknowledged(w, node, lsn);
    const Server& s = *w.server(node);
    if (!s.promoted && !under_a_rule(w, node, lsn))
        w.violated("R9: clients see WAL up to " + at(lsn) + " on " + name_of(node).v +
                   " that its standbys do not have");
}

void check_reign(World& w, NodeIx node) {
    const auto& s = w.server(node);
    const Keeper& k = *w.keepers[node];
    if (!s || s->in_recovery()) return;
    const bool promised = k.promise.goal && k.promise.goal->role == Role::primary;
    // A keeper that asked for it may have died, and have forgotten it.
    const std::uint64_t epoch = std::max(promised ? k.promise.promised.epoch.v : 0, s->asked_in);
    if (epoch == 0) return;
    const BranchIx branch = branch_of(w, node);
    Ghost& g = w.ghost.edit();
    const bool known = std::any_of(g.reigns.begin(), g.reigns.end(), [&](const Reign& r) {
        return r.epoch == epoch && r.node == node && r.branch == branch;
    });
    if (known) return;
    if (!g.reigns.empty() && epoch < g.reigns.back().epoch) return;  // not the newest: it may be as stale as it is
    const bool unseen = w.machines[node]->put_back && (k.run.on_its_own() || g.unseen == node);
    if (g.loss_accepted == epoch || unseen) accept_loss(w, branch, s->flushed);
    if (const std::string lost = missing(w, branch, s->flushed); !lost.empty())
        return w.violated("I2: " + name_of(node).v + " is primary of epoch " + std::to_string(epoch) + " without " +
                          lost);
    g.reigns.push_back({epoch, node, branch});
    if (g.reigns.size() > 6) g.reigns.erase(g.reigns.begin());
}

void check_timeline(World& w, NodeIx node, std::uint32_t timeline) {
    Ghost& g = w.ghost.edit();
    if (std::find(g.timelines_used.begin(), g.timelines_used.end(), timeline) != g.timelines_used.end())
        return w.violated("I10: " + name_of(node).v + " begins timeline " + std::to_string(timeline) +
                          ", which another promotion has begun before");
    g.timelines_used.push_back(timeline);
}

void note_confirmed(World& w, NodeIx standby) {
    const Machine& m = *w.machines[standby];
    // Under the name of its connection: a folder that was adopted meanwhile has another one.
    if (m.disk.wal.whole() && m.server && m.server->receiver)
        w.ghost.edit().confirmed[m.server->receiver->name] = {m.disk.wal.base().branch, m.disk.wal.base().to};
}

void check_confirmed(World& w, NodeIx primary, NodeIx standby, bool counts) {
    const Disk& d = w.machines[standby]->disk;
    if (!d.wal.whole() && counts)
        return w.violated("I10: " + name_of(standby).v + ", which counts for " + name_of(primary).v +
                          ", has a hole in its WAL before " + at(d.wal.extents.back().to));
    note_confirmed(w, standby);
}

void check_promised(World& w, NodeIx node, const Stamp& stamp) {
    Ghost& g = w.ghost.edit();
    Stamp& highest = g.promised[inc_of(w.machines[node]->disk.state->incarnation)];
    const auto order = [](const Stamp& s) { return std::tuple(s.epoch, s.term, s.version); };
    if (order(stamp) < order(highest))
        return w.violated("I4: " + name_of(node).v + " promises epoch " + std::to_string(stamp.epoch.v) + " version " +
                          std::to_string(stamp.version.v) + " after epoch " + std::to_string(highest.epoch.v) +
                          " version " + std::to_string(highest.version.v));
    highest = stamp;
}

void check_acts(World& w, NodeIx node) {
    const Keeper& k = *w.keepers[node];
    const auto found = w.ghost->promised.find(inc_of(k.promise.incarnation));
    if (found == w.ghost->promised.end() || !k.promise.goal || k.promise.promised == found->second) return;
    if (may_follow(found->second, k.promise.promised)) return;
    // A keeper can't know that its state file was put back. Until the monitor has spoken it may do what lets nothing
    // pass.
    if (w.machines[node]->put_back && (k.run.on_its_own() || !lets_pass(*k.decision.step))) return;
    w.violated("I4: " + name_of(node).v + " acts on epoch " + std::to_string(k.promise.promised.epoch.v) + " version " +
               std::to_string(k.promise.promised.version.v) + ", and has promised epoch " +
               std::to_string(found->second.epoch.v) + " version " + std::to_string(found->second.version.v));
}

namespace {

/// A rule in force acknowledges commits without a standby, and lets its members take over (R7).
bool asynchronous(const fsm::ClusterRecord& record) {
    return std::any_of(record.rules.begin(), record.rules.end(), [](const NamedRule& named) {
        return named.rule.asynchronous() && !named.rule.nobody_may_follow();
    });
}

/// The user lets so many bytes be lost of what was known of the primary, and all that it wrote since (R7).
void check_allowed_loss(World& w, const fsm::ClusterRecord& before, const fsm::ClusterRecord& after) {
    const Ghost& g = *w.ghost;
    const HeardEnd heard = g.heard;
    const std::uint64_t has = std::min(g.chosen_end, w.archive->common(g.chosen_branch, heard.branch));
    const std::uint64_t lacks = heard.lsn - std::min(heard.lsn, has);
    if (heard.inc == inc_of(before.primary_incarnation) && lacks > before.settings.maximum_lag_on_failover)
        return w.violated("I5: " + after.primary.v + " is chosen in epoch " + std::to_string(after.epoch.v) +
                          " and lacks " + std::to_string(lacks) + " bytes of what was heard of " + before.primary.v +
                          " (up to " + at(heard.lsn) + ", of which it has " + at(has) + ")" + ", where " +
                          std::to_string(before.settings.maximum_lag_on_failover) + " may be lost");
    accept_loss(w, g.chosen_branch, g.chosen_end);
}

}  // namespace

void note_heard(World& w, const Report& report) {
    const auto& record = w.monitor->store.record;
    if (!record || !record->doubt.empty() || report.node != record->primary ||
        report.incarnation != record->primary_incarnation)
        return;
    const Machine& m = *w.machines[node_of(report.node)];
    if (report.in_recovery || report.status != PgStatus::running || m.disk.wal.empty()) return;
    // Nobody knows what a disk that was put back had before.
    if (m.put_back) w.ghost.edit().heard = {};
    if (m.put_back) return;
    if (m.disk.id != inc_of(report.incarnation)) return;
    w.ghost.edit().heard = {m.disk.id, m.disk.wal.base().branch, std::min(report.end.v, m.disk.wal.base().to)};
}

void check_decided(World& w, const fsm::ClusterRecord& before, const fsm::ClusterRecord& after) {
    Ghost& g = w.ghost.edit();
    if (after.epoch != before.epoch) {
        ++w.count.elections;
        if (after.operation && after.operation->allow_data_loss) g.loss_accepted = after.epoch.v;
    }
    if (after.last_rule != before.last_rule) ++w.count.rules;
    if (!after.primary.empty() && (after.primary_epoch != before.primary_epoch || after.primary != before.primary)) {
        const NodeIx node = node_of(after.primary);
        const Inc inc = inc_of(after.primary_incarnation);
        const auto [told, fresh] = g.told.try_emplace(after.primary_epoch.v, Told{node, inc});
        if (!fresh && (told->second.node != node || told->second.inc != inc))
            return w.violated("I1: " + after.primary.v + " and " + name_of(told->second.node).v +
                              " are told to be primary in epoch " + std::to_string(after.primary_epoch.v));
        if (fresh && w.monitor->dies_at_decision == 2) g.untold = after.primary_epoch.v;
    }
    if (after.permit && after.permit != before.permit) {
        const NodeIx node = node_of(after.primary);
        g.unseen = w.machines[node]->put_back && could_not_be_known(w, node) ? node : nobody;
    }
    const bool chosen = after.phase == fsm::Phase::promoting && before.phase != fsm::Phase::promoting;
    if (!chosen || after.last_rule == before.last_rule) return;
    const Machine& m = *w.machines[node_of(after.primary)];
    if (!m.disk.has_data || m.disk.id != inc_of(after.primary_incarnation)) return;
    g.choices.push_back({after.epoch.v, w.now});
    if (g.choices.size() > 8) g.choices.erase(g.choices.begin());
    g.chosen_epoch = after.epoch.v;
    g.chosen_branch = m.disk.wal.base().branch;
    g.chosen_end = complete_end(*w.archive, m.disk.wal);
    // A standby that was put back to less than it has confirmed counts as what it says: open finding 52.
    if (m.put_back) g.unseen = node_of(after.primary);
    if (g.loss_accepted == after.epoch.v || m.put_back) return;
    // WAL in which nothing was acknowledged is no loss: the end of a recovery, say, or of before a change of mode.
    if (asynchronous(before) && !missing(w, g.chosen_branch, g.chosen_end).empty())
        check_allowed_loss(w, before, after);
    if (const std::string lost = missing(w, g.chosen_branch, g.chosen_end); !lost.empty())
        w.violated("I5: " + after.primary.v + " is chosen in epoch " + std::to_string(after.epoch.v) + " without " +
                   lost);
}

void check_left_alone(World& w, NodeIx node, const std::string& what) {
    if (w.ghost->only_monitor_away == 0) return;
    w.violated("I8: " + name_of(node).v + " " + what + " while nothing but the monitor is away");
}

void forget_destroyed(World& w) {
    Ghost& g = w.ghost.edit();
    for (BranchIx b = 0; b < g.acknowledged.size(); ++b) {
        std::uint64_t has = 0;
        for (NodeIx node = 0; node < w.nodes(); ++node) {
            const Wal& wal = w.machines[node]->disk.wal;
            if (!wal.empty())
                has = std::max(has, std::min(complete_end(*w.archive, wal), w.archive->common(b, wal.base().branch)));
        }
        if (g.acknowledged[b] > has) g.acknowledged[b] = has > (*w.archive)[b].fork ? has : 0;
    }
}

void check_healthy(World& w) {
    if (!w.monitor->alive || !w.monitor->heart) return;
    const fsm::Summary s = fsm::summarize(*w.monitor->heart, monitor_now(w));
    for (const fsm::NodeSummary& n : s.nodes) {
        if (!n.healthy || n.maintenance) continue;
        const NodeIx node = node_of(n.name);
        const auto& server = w.server(node);
        if (!server || !server->postmaster) return;  // its report is on its way
        if (!w.machines[node]->disk.wal.whole())
            w.violated("I9: " + n.name.v + " is shown healthy and has a hole in its WAL");
    }
}

}  // namespace pgaf::sim
