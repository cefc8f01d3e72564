// Asks the upstream itself, when a standby can't stream for a while, whether it still has the WAL that the standby
// needs next: only who serves and has removed it makes a clone necessary; one that is away may come back.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>

#include "keeper/postgres/fence.h"
#include "keeper/postgres/node.h"

namespace pgaf::keeper {

class UpstreamCheck {
  public:
    explicit UpstreamCheck(Node& node) : node_(node), state_(std::make_shared<State>()) {}

    struct Answer {
        /// That the upstream serves and has not got the WAL after this node's own any more, in words; empty: nobody has
        /// said so.
        std::string gone;
        /// Why that can't be told: where this node's own WAL ends could not be read.
        std::string trouble;
    };

    /// Told with each look at a running standby; the asking itself goes on beside the looks. `local` is what the server
    /// says of its WAL: pg_wal may hold more than that (after a restart nothing counts as received, and replay may be
    /// slow or delayed), which is read before the upstream is believed to lack anything.
    Answer look(const NodeName& upstream, const Received& local, std::uint64_t segment_bytes, bool streaming);
    /// It reads pg_wal on the node's file thread.
    [[nodiscard]] bool reading() const { return *reading_; }

  private:
    using Clock = std::chrono::steady_clock;
    struct State {
        pid_t server = 0;
        NodeName upstream;
        Received local;
        std::uint64_t segment_bytes = 0;
        /// Where the WAL in pg_wal ends; 0: not read.
        Lsn end;
        Answer answer;
        bool asking = false;
    };
    using Reading = std::shared_ptr<bool>;
    static Async<void> ask(std::shared_ptr<Node> node, Peer upstream, std::shared_ptr<State> state, Reading reading);
    static Async<void> find_answer(std::shared_ptr<Node> node, Connection& connection, Peer upstream,
                                   std::shared_ptr<State> state, Reading reading);

    Node& node_;
    std::shared_ptr<State> state_;
    Reading reading_ = std::make_shared<bool>(false);
    Clock::time_point since_{};
    Clock::time_point asked_{};
};

}  // namespace pgaf::keeper
