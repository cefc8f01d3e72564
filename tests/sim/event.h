// What can happen next, as a small plain value. An event is about something that may be over by the time it happens:
// `tag` names the run, session or connection that it was meant for, and a handler ignores what is not its time any
// more.
#pragma once

#include <boost/describe.hpp>
#include <cstdint>

#include "tests/sim/ids.h"

namespace pgaf::sim {

BOOST_DEFINE_ENUM_CLASS(Ev,
                        // A keeper; tag: its run.
                        look, looked, pulse, stored, step, connect, silence, probed, deadline_held, state_again,
                        // Messages and ends of a session; tag: the session.
                        up, down,
                        // A server; tag: its run.
                        started, reloaded, startup_reloads, checkpointer_reloads, receiver_connects, flushed, promoted,
                        checkpointed, shut_down, walsenders_ended, reaped, lingered,
                        // A replication connection; tag: its number.
                        sender_reloads, wal, reply, sender_lost, receiver_lost,
                        // Machines and processes.
                        launcher_starts, keeper_starts, power_on, handover_over, launcher_asked, deadline_told,
                        deadline_over,
                        // The monitor; tag: its life.
                        tick, monitor_starts,
                        // The network.
                        session_breaks,
                        // Clients and those who do harm.
                        client, nemesis)

struct Event {
    Ev kind = Ev::nemesis;
    NodeIx node = nobody;
    std::uint32_t tag = 0;
    std::uint64_t arg = 0;
    friend bool operator==(const Event&, const Event&) = default;
};
BOOST_DESCRIBE_STRUCT(Event, (), (kind, node, tag, arg))

}  // namespace pgaf::sim
