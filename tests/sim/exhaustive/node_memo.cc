#include "tests/sim/exhaustive/node_memo.h"

namespace pgaf::exhaustive {

bool is_of_nodes(Kind kind) {
    return kind == Kind::act || kind == Kind::finish_step || kind == Kind::connect_receiver || kind == Kind::flush ||
           kind == Kind::checkpointer || kind == Kind::reap;
}

World after(const World& world, const World& move) {
    World next = world;
    next.node = move.node;
    next.ghost = move.ghost;
    next.closing = move.closing;
    next.with_rival = move.with_rival;
    return next;
}

const NodeMoves& NodeMemo::of(Search& search, const World& world) {
    World nodes;
    nodes.node = world.node;
    nodes.ghost = world.ghost;
    nodes.cut = world.cut;
    nodes.closing = world.closing;
    nodes.with_rival = world.with_rival;
    Fingerprinter f;
    for (const std::uint32_t n : nodes.node) f.add(n);
    f.add(nodes.ghost);
    f.add((nodes.cut * 256U + nodes.closing) * 256U + nodes.with_rival);
    const auto [found, fresh] = known_.try_emplace(f.end(), static_cast<std::uint32_t>(moves_.size()));
    if (!fresh) return moves_[found->second];
    NodeMoves& all = moves_.emplace_back();
    for (const Action& action : all_actions(search.spec.nodes)) {
        if (!is_of_nodes(action.kind)) continue;
        Scene scene(search, nodes);
        if (!apply(scene, action)) continue;
        const World next = scene.seal();
        all.violates = all.violates || !scene.violation.empty();
        if (next != nodes) all.moves.emplace_back(action, next);
    }
    for (NodeIx n = 0; n < search.spec.nodes; ++n) {
        Scene scene(search, nodes);
        const std::uint32_t number = news(scene, n);
        if (number == 0) continue;
        scene.edit(n).keeper.sent = number;
        all.news[n] = {number, scene.seal().node[n]};
    }
    return all;
}

}  // namespace pgaf::exhaustive
