#include "tests/sim/exhaustive/scene.h"

namespace pgaf::exhaustive {

World Scene::seal() {
    for (NodeIx n = 0; n < nodes(); ++n) {
        if (!edited_[n]) continue;
        world.node[n] = search.pools.nodes.put(*std::move(edited_[n]));
        edited_[n].reset();
    }
    if (ghost_) world.ghost = search.pools.ghosts.put(*std::move(ghost_));
    ghost_.reset();
    return world;
}

}  // namespace pgaf::exhaustive
