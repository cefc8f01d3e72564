#include "monitor/fsm/amnesia.h"

#include <algorithm>

#include "monitor/fsm/history.h"
#include "monitor/fsm/quorum.h"

namespace pgaf::fsm {
namespace {

constexpr const char* reset =
    "; its disk was put back to an older state. Keep a copy of its data folder if no other node has the data; then "
    "reset "
    "the node (stop its keeper and launcher, empty its data and state folders, start them again)";
/// A high-water mark of complete records, never lowered. The WAL of one incarnation only grows, over timelines too:
/// what would shorten it (a rewind, a clone) makes another incarnation.
bool raise(WalPosition& mark, const WalPosition& seen) {
    if (seen.timeline.empty() || seen.lsn.empty() || mark.lsn >= seen.lsn) return false;
    mark = seen;
    return true;
}

/// The highest end of complete records that this report shows; nothing when it shows none.
WalPosition whole_end(const World& world, const NodeRecord& n, const Report& r) {
    if (r.fenced || r.status == PgStatus::stopped) return complete_end(r);
    // What a standby has replayed is on its disk, whole. A primary's flush may end within a record: a crash leaves
    // less. But what its standbys have replayed it has whole.
    if (r.in_recovery) return {r.timeline, std::max(r.complete, r.replayed)};
    WalPosition end{r.timeline, {}};
    const bool told = world.told(n);
    if (!told || r.status != PgStatus::running) return end;
    for (const WalsenderView& w : r.standbys)
        if (w.streaming) end.lsn = std::max(end.lsn, std::min(w.replayed, r.end));
    return end;
}

std::string promised_text(const Stamp& stamp) {
    return "epoch " + std::to_string(stamp.epoch.v) + " version " + std::to_string(stamp.version.v);
}

/// Only the node that began a timeline writes on it, so whatever others have of it they have from there. The first
/// timeline may be older than the cluster: for that only those speak that were seen to stream, the members of a rule.
bool had_it_from_primary(const World& world, const NodeRecord& n, Timeline timeline) {
    return world.in_any_rule(n) || timeline != world.record.history.front().timeline;
}

bool has_had_it_for_long(const World& world, const NodeView& v) {
    return (world.now - v.high_since).v >= static_cast<std::int64_t>(world.record.settings.node_timeout_ms);
}

/// Neither it nor the primary shows that it streams from there.
bool gets_no_more(const World& world, const NodeRecord& n, const Report& primary) {
    const NodeView* v = world.view(n.name);
    if (v->report && v->report->receiver.streaming && v->report->receiver.upstream == primary.node) return false;
    return std::none_of(primary.standbys.begin(), primary.standbys.end(),
                        [&](const WalsenderView& w) { return w.incarnation == n.incarnation; });
}

/// What shows that the last primary has lost WAL, and whether its report is known to have been made later than that was
/// heard. On its way a report may take any time.
struct LostWal {
    std::string why;
    bool certain = false;
    bool unclear = false;
};
LostWal lost_wal(const World& world, const Report& r) {
    const HistoryEntry& newest = world.record.history.back();
    const bool began = world.record.phase == Phase::steady || world.record.phase == Phase::draining;
    // A chosen node that has not begun its timeline is on one that another wrote on.
    if (r.timeline != newest.timeline && (!began || !newest.fork)) return {};
    if (r.timeline != newest.timeline)
        return {"its WAL ends on timeline " + std::to_string(r.timeline.v) + ", but it was primary on timeline " +
                    std::to_string(newest.timeline.v),
                true};
    const bool stopped = r.status == PgStatus::stopped;
    const WalPosition end = stopped ? complete_end(r) : flushed_end(r);
    const bool answers = r.promised == world.node(r.node)->goal.stamp;
    LostWal lost;
    for (const auto& [name, n] : world.record.nodes) {
        const NodeView* v = world.view(name);
        if (name == r.node || !v || v->high.timeline != end.timeline || v->high.lsn <= end.lsn) continue;
        if (!v->distrust.empty() || !had_it_from_primary(world, n, end.timeline)) continue;
        if (!stopped && !gets_no_more(world, n, r)) continue;
        lost.why = "its WAL ends at " + text(end) + ", but " + name.v + " had WAL of it up to " + text(v->high);
        const bool later = answers && (!v->high_is_news || world.record.phase == Phase::electing);
        lost.certain = stopped || (later && has_had_it_for_long(world, *v));
        lost.unclear = !later;
        if (lost.certain) return lost;
    }
    return lost;
}

/// Has reported after `since` how much WAL it has: all of it, not only what it has replayed of it.
bool has_said_its_end(const World& world, const NodeRecord& n, Millis since) {
    const Report* r = world.live(n.name);
    if (!r || world.view(n.name)->reported <= since) return false;
    if (r->fenced || r->status == PgStatus::stopped) return !complete_end(*r).lsn.empty();
    return r->status == PgStatus::running && !r->replayed.empty() && r->replayed >= r->end;
}

/// Down and not permitted to start yet; or started before its standbys were heard, and closed until they have what it
/// has (R9). In any other state others may have got from it what its last report does not show.
bool comparable(const World& world, const Report& r) {
    // In the run of a keeper that has seen it read-write its disk was not put back; and that keeper may start it again
    // by itself (R9, after the crash of a process), so a report that it has stopped may be older than what its standbys
    // say.
    if (r.status == PgStatus::stopped)
        return !world.view(r.node)->ran && world.memory.last_permit != StartPermit{r.boot, r.exits};
    return r.status == PgStatus::running && !r.in_recovery && !r.writable;
}

/// A server that began a timeline on its own, under an id that the cluster gave to another: promoted by hand behind a
/// partition, say. No comparison of positions shows that its WAL is another's (R5, counterexample 11). It has never
/// promised the epoch of that id, or it runs read-write on the newest one beside the node that has it. A standby may
/// have got there by the stream alone.
std::string took_anothers_timeline(const ClusterRecord& record, const NodeRecord& n, const Report& r) {
    if (r.in_recovery || (r.status != PgStatus::running && r.status != PgStatus::stopped)) return {};
    const HistoryEntry* entry = find_timeline(record, r.timeline);
    if (!entry) return {};
    const bool never_promised = !r.promised.epoch.empty() && entry->epoch > r.promised.epoch;
    // Of the last primary another incarnation may run: its state folder was lost.
    const bool beside = r.status == PgStatus::running && entry == &record.history.back() && n.name != record.primary;
    if (!never_promised && !beside) return {};
    return "it is on timeline " + std::to_string(r.timeline.v) + ", which the cluster gave to another in epoch " +
           std::to_string(entry->epoch.v) +
           ": it was promoted behind the monitor's back, and what it has since is in its data folder alone. Save that; "
           "then reset the node (stop its keeper and launcher, empty its data and state folders, start them again)";
}

}  // namespace

std::string amnesia(const ClusterRecord& record, const NodeRecord& n, const NodeView& v, const Report& r) {
    if (!n.put_back.empty()) return n.put_back;
    if (std::string taken = took_anothers_timeline(record, n, r); !taken.empty()) return taken;
    if (!may_follow(n.said.promised, r.promised))
        return "promised " + promised_text(r.promised) + ", but had promised " + promised_text(n.said.promised) + reset;
    const bool exact = r.status == PgStatus::stopped || r.fenced;
    const WalPosition now = complete_end(r);
    if (!exact || now.lsn.empty()) return {};
    for (const WalPosition& before : {n.said.end, v.high})
        if (now.lsn < before.lsn) return "its WAL ends at " + text(now) + ", but it had said " + text(before) + reset;
    return {};
}

void remember_end(const World& world, NodeRecord& n, NodeView& v, const Report& r) {
    if (r.fenced) raise(n.said.end, complete_end(r));
    if (raise(v.high, whole_end(world, n, r))) v.high_since = world.now, v.high_is_news = true;
}

bool loss_would_show(const World& world) {
    const NodeView* p = world.view(world.record.primary);
    if (!p || p->ran) return true;
    const Millis since = p->boot_since;
    if ((world.now - since).v >= static_cast<std::int64_t>(world.record.settings.node_timeout_ms)) return true;
    return std::all_of(world.record.rules.begin(), world.record.rules.end(), [&](const NamedRule& named) {
        if (named.rule.asynchronous()) return true;  // commits are acknowledged without any standby
        const auto said = std::count_if(world.record.nodes.begin(), world.record.nodes.end(), [&](const auto& entry) {
            return named.rule.contains(entry.second.incarnation) && has_said_its_end(world, entry.second, since);
        });
        return static_cast<std::size_t>(said) >= fences_needed(named.rule);
    });
}

void distrust_put_back_primary(World& world) {
    const Report* r = world.primary_live();
    if (!r || world.record.history.empty() || complete_end(*r).lsn.empty()) return;
    // A record that is older than the nodes has nothing to accuse them of (R11).
    if (!world.record.doubt.empty() || !find_timeline(world.record, r->timeline)) return;
    if (!world.in_reach(world.record.primary) || !comparable(world, *r)) return;
    const LostWal lost = lost_wal(world, *r);
    if (lost.why.empty()) return;
    NodeRecord& n = world.record.nodes.at(world.record.primary);
    if (!lost.certain) {
        // A checkpoint does no harm, and is a new goal: what it says under that was said after all that was heard.
        if (lost.unclear && r->promised == n.goal.stamp) ++world.record.checkpoint_request;
        return;
    }
    // For good: as another's standby it would be compared with less than it had, and what it wrote since looks like the
    // rest.
    n.put_back = world.memory.views[n.name].distrust = lost.why + reset;
    world.log("amnesia", n.name, n.name.v + " has forgotten what it said", n.put_back, "R4");
}

}  // namespace pgaf::fsm
