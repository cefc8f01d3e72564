// What nodes can do by themselves does not depend on the monitor, nor on what is on its way to or from it: the same
// nodes are asked once, whatever the monitor knows of them.
#pragma once

#include <utility>
#include <vector>

#include "tests/sim/exhaustive/actions.h"

namespace pgaf::exhaustive {

struct NodeMoves {
    /// Only nodes, ghost, closing and commits count in these worlds.
    std::vector<std::pair<Action, World>> moves;
    /// Each node's news: the report, and the node that has sent it. 0: it has none.
    std::array<std::pair<std::uint32_t, std::uint32_t>, most_nodes> news{};
    /// Something of it violates an invariant: each action is to be looked at by itself.
    bool violates = false;
};

class NodeMemo {
  public:
    const NodeMoves& of(Search& search, const World& world);
    [[nodiscard]] std::size_t size() const { return moves_.size(); }

  private:
    std::deque<NodeMoves> moves_;
    boost::unordered_flat_map<Fingerprint, std::uint32_t, FingerprintHash> known_;
};

/// Actions that NodeMemo knows.
[[nodiscard]] bool is_of_nodes(Kind kind);
/// `world` after a move of its nodes.
[[nodiscard]] World after(const World& world, const World& move);

}  // namespace pgaf::exhaustive
