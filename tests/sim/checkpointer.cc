#include "tests/sim/checkpointer.h"

#include "tests/sim/replication.h"
#include "tests/sim/server.h"

namespace pgaf::sim {

bool by_checkpointer(const Event& event) {
    return event.kind == Ev::checkpointer_reloads || event.kind == Ev::checkpointed || event.kind == Ev::shut_down;
}

void freeze_checkpointer(World& w, NodeIx node, bool frozen) {
    if (!w.server(node) || w.server(node)->checkpointer_stopped == frozen || !w.server(node)->postmaster) return;
    w.say(node,
          [&] { return std::string(frozen ? "the checkpointer is stopped (SIGSTOP)" : "the checkpointer goes on"); });
    w.edit_server(node).checkpointer_stopped = frozen;
    if (!frozen && !w.machines[node]->frozen) release_held(w, node);
}

void on_checkpointer_reloads(World& w, NodeIx node, std::uint32_t run) {
    if (!w.server(node) || w.server(node)->run != run || !w.server(node)->checkpointer_reload_due) return;
    Machine& m = w.machines[node].edit();
    m.server->checkpointer_reload_due = false;
    m.server->sync_defined = m.disk.conf.names.kind != Names::Kind::none;
    // Nobody has to wait any more: everybody who does is woken.
    if (!m.server->sync_defined) release(w, node, m.server->flushed);
}

void make_checkpoint(World& w, NodeIx node) {
    if (!w.server(node) || w.server(node)->phase != Server::Phase::primary) return;
    Machine& m = w.machines[node].edit();
    m.disk.checkpoint_timeline = timeline_of(w, node);
    m.disk.redo = m.server->flushed;
}

}  // namespace pgaf::sim
