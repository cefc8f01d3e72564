#include "tests/sim/nemesis_session.h"

#include "tests/sim/session_faults.h"

namespace pgaf::sim {
namespace {

BreakAt some_message(const Act& act) {
    constexpr Talk messages[] = {Talk::goal, Talk::report, Talk::report, Talk::ack, Talk::hello};
    return {messages[act.other % 5], act.other / 5 % 4, act.other / 20 % 2 == 0};
}

void hold_up(World& w, const Act& act) {
    hold_session(w, act.node, act.other % 2 == 0);
    // While it is held, so that a newer session has begun when the rest of this one arrives.
    w.after(0, act.length * 2 / 3, {Ev::session_breaks, act.node, 0, act.other / 2 % 2});
}

}  // namespace

bool is_of_session(Harm harm) {
    return harm == Harm::reset_session || harm == Harm::late_session || harm == Harm::break_at || harm == Harm::echo;
}

void begin_act_of_session(World& w, const Act& act) {
    if (act.harm == Harm::reset_session) return reset_session(w, act.node);
    if (act.harm == Harm::echo) return echo_goal(w, act.node);
    if (act.harm == Harm::break_at) return break_session_at(w, act.node, some_message(act));
    hold_up(w, act);
}

void end_act_of_session(World& w, const Act& act) {
    if (act.harm == Harm::late_session || act.harm == Harm::break_at)
        end_session_faults(w, act.node, act.other / 4 % 4 == 0);
}

}  // namespace pgaf::sim
