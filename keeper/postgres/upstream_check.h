// Asks the upstream itself, when a standby can't stream for a while, whether it still has the WAL that the standby
// needs next: only who serves and has removed it makes a clone necessary; one that is away may come back.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

class UpstreamCheck {
  public:
    explicit UpstreamCheck(Node& node) : node_(node), state_(std::make_shared<State>()) {}

    /// Told with each look at a running standby; the asking itself goes on beside the looks. Answers that the upstream
    /// serves and has not got the WAL from `needed` on any more, in words; empty: nobody has said so.
    std::string wal_gone(const NodeName& upstream, Lsn needed, std::uint64_t segment_bytes, bool streaming);

  private:
    using Clock = std::chrono::steady_clock;
    struct State {
        NodeName upstream;
        Lsn needed;
        std::string gone;
        bool asking = false;
    };
    static Async<void> ask(std::shared_ptr<Node> node, Peer upstream, std::string segment,
                           std::shared_ptr<State> state);

    Node& node_;
    std::shared_ptr<State> state_;
    Clock::time_point since_{};
    Clock::time_point asked_{};
};

}  // namespace pgaf::keeper
