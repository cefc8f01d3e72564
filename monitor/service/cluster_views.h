// What keepers are told about their whole cluster, for those who ask them (common/model/cluster_view.h). Made at most
// once a second for each cluster, whoever asks; a new one only when something in it has changed. On the coordinator's
// strand; it reads the coordinator and changes nothing.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>

#include "common/model/cluster_view.h"
#include "monitor/service/coordinator.h"

namespace pgaf::v1 {
class ClusterView;
}

namespace pgaf::monitor {

/// How each epoch's primary came to be, by the event log. Bounded: the oldest epochs go first.
class Chronicle {
  public:
    struct Entry {
        NodeName node;
        std::string reason;
        std::int64_t unix_ms = 0;
    };
    void note(const Event& event);
    /// Null: nothing is known of it.
    [[nodiscard]] const Entry* find(Epoch epoch) const;

  private:
    std::map<Epoch, Entry> entries_;
};

/// The view of a cluster as it is now. Bounded in each of its lists and texts.
[[nodiscard]] ClusterView make_view(const fsm::Heart& heart, const fsm::Summary& summary, const Chronicle& chronicle);

class ClusterViews {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds interval{1000};

    explicit ClusterViews(Coordinator& coordinator, std::function<Clock::time_point()> now = Clock::now);
    ~ClusterViews();

    struct Numbered {
        /// Another one with each change; 0: there is no view.
        std::uint64_t number = 0;
        std::shared_ptr<const v1::ClusterView> message;
    };
    [[nodiscard]] Numbered of(const ClusterName& cluster);

  private:
    struct Kept {
        Numbered numbered;
        ClusterView view;
        Chronicle chronicle;
        std::uint64_t read_up_to = 0;
        std::optional<Clock::time_point> made;
    };
    void read_events(const ClusterName& cluster, Kept& kept);

    Coordinator& coordinator_;
    std::function<Clock::time_point()> now_;
    std::map<ClusterName, Kept> kept_;
    std::uint64_t last_number_ = 0;
};

}  // namespace pgaf::monitor
