// I1 to I5 and I10 after every action, I6 where nothing changes any more (docs/design/protocol.md).
#include <algorithm>
#include <tuple>

#include "common/mutation.h"
#include "tests/sim/exhaustive/scene.h"

namespace pgaf::exhaustive {
namespace {

std::string numbers(std::uint32_t commits) {
    std::string text;
    for (unsigned i = 0; i < 32; ++i)
        if ((commits & (1U << i)) != 0) text += (text.empty() ? "commit " : ", ") + std::to_string(i);
    return text;
}

/// The epoch in which a server writes on this timeline: the newest of those that it was primary in.
std::uint64_t epoch_on(const Ghost& ghost, std::uint8_t timeline) {
    std::uint64_t epoch = 0;
    for (const Reign& r : ghost.reigns)
        if (r.timeline == timeline) epoch = std::max(epoch, r.epoch);
    return epoch;
}

}  // namespace

void check_acknowledged(Scene& s, NodeIx n, const Entry& entry) {
    const std::uint32_t commit = 1U << entry.commit;
    const Ghost& ghost = s.ghost();
    if ((ghost.acknowledged & commit) != 0) return;
    const std::uint64_t epoch = epoch_on(ghost, entry.timeline);
    for (const Reign& r : ghost.reigns)
        if (r.epoch > epoch && r.timeline != entry.timeline && (r.commits & commit) == 0)
            return s.violated("I2, I3: " + name_of(n).v + " acknowledges " + numbers(commit) + ", written in epoch " +
                              std::to_string(epoch) + ", which the primary of epoch " + std::to_string(r.epoch) +
                              " does not have");
    s.say([&] { return name_of(n).v + " acknowledges " + numbers(commit); });
    s.edit_ghost().acknowledged |= commit;
}

void check_opened(Scene& s, NodeIx n) {
    const Wal wal = s.node(n).disk.wal;
    for (const Entry& e : wal)
        if (e.commit != 0 && !e.torn) check_acknowledged(s, n, e);
}

void check_begins(Scene& s, NodeIx n, const keeper::Step& step) {
    const auto* standby = std::get_if<keeper::StartStandby>(&step);
    const bool primary = std::holds_alternative<keeper::StartPrimary>(step);
    const Keeper& k = s.node(n).keeper;
    if ((!primary && !standby) || k.heard || k.run.on_its_own()) return;
    if (primary) s.violated("R9: " + name_of(n).v + " starts read-write, and has heard no goal in this run");
    if (standby && !standby->upstream.empty())
        s.violated("R9: " + name_of(n).v + " starts a receiver, and has heard no goal in this run");
}

void check_timeline(Scene& s, NodeIx n, std::uint8_t timeline) {
    const std::uint32_t bit = 1U << timeline;
    if ((s.ghost().timelines & bit) != 0)
        return s.violated("I10: " + name_of(n).v + " begins timeline " + std::to_string(timeline) +
                          ", which another promotion has begun before");
    s.edit_ghost().timelines |= bit;
}

void check_promised(Scene& s, NodeIx n) {
    const keeper::Promise& promise = s.node(n).disk.promise;
    const Stamp& stamp = promise.promised;
    const auto order = [](const Stamp& of) { return std::tuple(of.epoch, of.term, of.version); };
    Stamp& highest = s.edit_ghost().promised[promise.incarnation];
    if (order(stamp) < order(highest))
        return s.violated("I4: " + name_of(n).v + " promises epoch " + std::to_string(stamp.epoch.v) + " version " +
                          std::to_string(stamp.version.v) + " after epoch " + std::to_string(highest.epoch.v) +
                          " version " + std::to_string(highest.version.v));
    highest = stamp;
}

namespace {

void check_told(Scene& s, const fsm::ClusterRecord& after) {
    std::vector<IncarnationId>& told = s.edit_ghost().told;
    const std::size_t epoch = after.primary_epoch.v;
    if (told.size() < epoch) told.resize(epoch);
    IncarnationId& before = told[epoch - 1];
    if (before.empty()) before = after.primary_incarnation;
    if (before != after.primary_incarnation)
        s.violated("I1: " + after.primary_incarnation.v + " and " + before.v + " are told to be primary in epoch " +
                   std::to_string(epoch));
}

}  // namespace

void check_decided(Scene& s, const fsm::ClusterRecord& before, const fsm::ClusterRecord& after) {
    if (after.primary.empty()) return;
    check_told(s, after);
    if (after.primary_epoch == before.primary_epoch) return;
    const Disk& disk = s.node(node_of(after.primary)).disk;
    const bool promoted = after.last_rule != before.last_rule && !before.primary.empty();
    Reign reign{after.primary_epoch.v, timeline_of(disk.wal), 0};
    // A folder that was lost meanwhile unheard of can't be promoted, and nothing is acknowledged on it.
    if (disk.has_data && disk.id == after.primary_incarnation) reign.commits = commits_of(disk.wal);
    if (promoted) reign.timeline = static_cast<std::uint8_t>(after.history.back().timeline.v);
    const std::uint32_t lost = s.ghost().acknowledged & ~reign.commits;
    // What an asynchronous cluster loses by this is what its user allows (R7).
    const bool allowed = std::any_of(before.rules.begin(), before.rules.end(), [](const NamedRule& named) {
        return named.rule.asynchronous() && !named.rule.nobody_may_follow();
    });
    if (allowed) s.edit_ghost().acknowledged &= reign.commits;
    if (lost != 0 && !allowed && disk.has_data && disk.id == after.primary_incarnation)
        return s.violated("I2, I5: " + after.primary.v + " is chosen in epoch " + std::to_string(after.epoch.v) +
                          " without " + numbers(lost));
    s.edit_ghost().reigns.push_back(reign);
}

void check_stale(Scene& s) {
    if (!s.search.spec.leases) return;
    // The lease is two of them; a third may have begun when the other one was chosen.
    constexpr std::uint8_t longest = 3;
    for (NodeIx n = 0; n < s.nodes(); ++n) {
        const Node& node = s.node(n);
        const std::uint64_t epoch = epoch_on(s.ghost(), timeline_of(node.disk.wal));
        const auto& reigns = s.ghost().reigns;
        const bool replaced = std::any_of(reigns.begin(), reigns.end(), [&](const Reign& r) {
            return r.epoch > epoch && r.timeline != timeline_of(node.disk.wal);
        });
        const bool heard = s.monitor().alive && s.monitor_linked(n) && node.keeper.connected;
        const bool stale = serves_read_write(node) && replaced && !heard;
        if (!stale && s.ghost().stale[n] == 0) continue;
        std::uint8_t& since = s.edit_ghost().stale[n];
        since = stale ? static_cast<std::uint8_t>(since + 1) : 0;
        if (since > longest)
            s.violated("I7: clients read on " + name_of(n).v + " of epoch " + std::to_string(epoch) +
                       ", which has heard nobody for longer than its lease since another node was chosen");
    }
}

void check_rest(Scene& s) {
    const fsm::ClusterRecord& record = s.monitor().record;
    const NodeIx primary = node_of(record.primary);
    if (!record.doubt.empty() && !broken(Mutation::r11))
        return s.violated(
            "I6: everybody can be heard, and the monitor still does not know whether its record is the newest");
    const bool serves = primary != nobody && serves_read_write(s.node(primary)) &&
                        s.node(primary).disk.promise.promised.epoch == record.epoch;
    if (!serves)
        return s.violated("I6: nothing changes any more, everything is up and linked, and there is no primary");
    for (NodeIx n = 0; n < s.nodes(); ++n) {
        // Only a disk that was put back may be told to wait for its owner.
        const bool may_be = s.search.spec.budget[static_cast<std::size_t>(Luck::put_backs)] > 0;
        const auto known = record.nodes.find(name_of(n));
        const bool put_back = may_be && known != record.nodes.end() && !known->second.put_back.empty();
        const bool well = n == primary || s.node(n).server.streaming || s.node(n).keeper.problem || put_back;
        if (!well)
            return s.violated("I9: nothing changes any more, and " + name_of(n).v +
                              " neither streams nor says why not");
    }
}

}  // namespace pgaf::exhaustive
