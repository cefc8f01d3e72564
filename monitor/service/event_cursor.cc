#include "monitor/service/event_cursor.h"

namespace pgaf::monitor {
namespace {

constexpr std::uint32_t batch_size = 64;

}  // namespace

void EventCursor::start_with(std::vector<Event> events) {
    batch_.assign(std::make_move_iterator(events.begin()), std::make_move_iterator(events.end()));
}

Result<std::optional<Event>> EventCursor::next(Coordinator& coordinator, const ClusterName& cluster) {
    // The coordinator knows the newest one, so a stream that is up to date asks the store nothing.
    if (batch_.empty() && coordinator.last_event(cluster) > last_) {
        auto more = coordinator.events({.cluster = cluster, .after = last_, .limit = batch_size, .newest = false});
        if (!more) return more.error();
        start_with(std::move(*more));
        if (batch_.empty()) last_ = coordinator.last_event(cluster);
    }
    if (batch_.empty()) return std::optional<Event>{};
    Event event = std::move(batch_.front());
    batch_.pop_front();
    last_ = event.seq;
    return std::optional<Event>{std::move(event)};
}

}  // namespace pgaf::monitor
