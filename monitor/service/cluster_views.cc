#include "monitor/service/cluster_views.h"

#include <algorithm>
#include <utility>

#include "common/wire/convert.h"
#include "monitor/fsm/settings.h"
#include "pgaf/v1/keeper.pb.h"

namespace pgaf::monitor {
namespace {

/// Of a cluster's event log, when this process looks at it for the first time: a few milliseconds, and dozens of
/// failovers.
constexpr std::uint32_t events_read = 1000;

std::string cut(std::string text) {
    if (text.size() > view_text_max) text.resize(view_text_max);
    return text;
}

ClusterMember member_of(const fsm::NodeSummary& from, const Report* report) {
    ClusterMember to;
    to.node = from.name;
    to.incarnation = from.incarnation;
    to.host = cut(from.host);
    to.port = from.port;
    to.primary = from.primary;
    to.in_sync_rule = from.in_sync_rule;
    to.state = from.state;
    to.connected = from.connected;
    to.timeline = from.timeline;
    to.lsn = from.lsn;
    to.lag_bytes = from.primary ? std::nullopt : from.lag_bytes;
    to.candidate_priority = from.candidate_priority;
    // A keeper that is not connected says nothing of what its server does now.
    if (!report || !from.connected) return to;
    to.status = report->status;
    to.streaming = report->receiver.streaming;
    return to;
}

std::vector<Promotion> history_of(const fsm::ClusterRecord& record, const Chronicle& chronicle) {
    std::vector<Promotion> all;
    Timeline before;
    for (const HistoryEntry& entry : record.history) {
        Promotion promotion;
        promotion.epoch = entry.epoch;
        promotion.timeline = entry.timeline;
        promotion.parent = before;
        promotion.lsn = entry.fork.value_or(Lsn{});
        if (const auto* how = chronicle.find(entry.epoch)) {
            promotion.node = how->node;
            promotion.reason = cut(how->reason);
            promotion.unix_ms = how->unix_ms;
        }
        // One whose fork was never heard of was assigned and not begun: the next one left the same timeline (R5).
        if (before.empty() || entry.fork) before = entry.timeline;
        all.push_back(std::move(promotion));
    }
    if (all.size() > view_promotions_max)
        all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(view_promotions_max));
    return all;
}

}  // namespace

void Chronicle::note(const Event& event) {
    const auto& e = event.entry;
    const bool begins = e.kind == "failover_started" || e.kind == "switchover_epoch";
    const bool chosen = e.kind == "node_chosen" || e.kind == "cluster_formed";
    const bool ends = e.kind == "failover_finished" || e.kind == "switchover_finished" || e.kind == "primary_goes_on";
    if (!begins && !chosen && !ends) return;
    Entry& entry = entries_[e.epoch];
    if (begins || e.kind == "cluster_formed") entry.reason = e.message;
    if (!begins) entry.node = e.node;
    entry.unix_ms = event.unix_ms;
    while (entries_.size() > view_promotions_max) entries_.erase(entries_.begin());
}

const Chronicle::Entry* Chronicle::find(Epoch epoch) const {
    const auto found = entries_.find(epoch);
    return found == entries_.end() ? nullptr : &found->second;
}

ClusterView make_view(const fsm::Heart& heart, const fsm::Summary& summary, const Chronicle& chronicle) {
    ClusterView view;
    view.epoch = summary.epoch;
    for (const auto& node : summary.nodes) {
        if (view.members.size() == view_members_max) break;
        const auto seen = heart.views().find(node.name);
        const bool told = seen != heart.views().end() && seen->second.report;
        view.members.push_back(member_of(node, told ? &*seen->second.report : nullptr));
    }
    view.history = history_of(heart.record(), chronicle);
    for (const auto& setting : fsm::list_settings(heart.record())) {
        if (view.settings.size() == view_settings_max) break;
        view.settings.push_back({cut(setting.name), cut(setting.value)});
    }
    return view;
}

ClusterViews::ClusterViews(Coordinator& coordinator, std::function<Clock::time_point()> now)
    : coordinator_(coordinator), now_(std::move(now)) {}
ClusterViews::~ClusterViews() = default;

void ClusterViews::read_events(const ClusterName& cluster, Kept& kept) {
    const std::uint64_t last = coordinator_.last_event(cluster);
    if (last == kept.read_up_to) return;
    const auto events = coordinator_.events({cluster, kept.read_up_to, 0, events_read});
    // What can't be read now is asked for again with the next change. The coordinator sees to a store that is broken.
    if (!events) return;
    for (const Event& event : *events) kept.chronicle.note(event);
    kept.read_up_to = last;
}

ClusterViews::Numbered ClusterViews::of(const ClusterName& cluster) {
    const fsm::Heart* heart = coordinator_.find(cluster);
    if (!heart) {
        kept_.erase(cluster);
        return {};
    }
    Kept& kept = kept_[cluster];
    const auto now = now_();
    if (kept.made && now - *kept.made < interval) return kept.numbered;
    kept.made = now;
    read_events(cluster, kept);
    ClusterView view = make_view(*heart, coordinator_.summary(*heart), kept.chronicle);
    if (kept.numbered.number != 0 && view == kept.view) return kept.numbered;
    kept.view = std::move(view);
    kept.numbered = {++last_number_, std::make_shared<const v1::ClusterView>(wire::to_wire(kept.view))};
    return kept.numbered;
}

}  // namespace pgaf::monitor
