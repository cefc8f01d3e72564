// What may happen next in a world, one thing at a time.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/exhaustive/scene.h"

namespace pgaf::exhaustive {

/// deliver_goal_and_keep: the goal stays on the network, to arrive once more later.
BOOST_DEFINE_FIXED_ENUM_CLASS(Kind, std::uint8_t, connect, report, send_report, deliver_report, notice_close,
                              deliver_goal, deliver_goal_and_keep, deliver_late_goal, act, finish_step,
                              connect_receiver, flush, checkpointer, reap, commit, long_commit, pass_time,
                              start_monitor, power_on, heal, cut, isolate, crash_postmaster, crash_backend, power_off,
                              restart_keeper, kill_monitor, wipe, put_back, restore_store, switchover, ask_for_two,
                              impostor)

struct Action {
    Kind kind{};
    NodeIx a = 0;
    NodeIx b = 0;
};

/// It takes less than node_timeout when nothing is in its way.
[[nodiscard]] inline bool is_quick(Kind kind) {
    return kind <= Kind::checkpointer && kind != Kind::send_report && kind != Kind::deliver_goal_and_keep &&
           kind != Kind::deliver_late_goal;
}

/// All that may be possible with so many nodes, in a fixed order: what helps first.
[[nodiscard]] std::vector<Action> all_actions(std::size_t nodes);

/// False: it can't happen here.
[[nodiscard]] bool apply(Scene& s, const Action& action);

[[nodiscard]] std::string text_of(const Action& action);

}  // namespace pgaf::exhaustive
