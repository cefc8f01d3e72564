// The virtual network: which machine reaches which, how fast, and the sessions between keepers and monitor. Machines
// are numbered; after the nodes come the monitor's and the clients'.
#pragma once

#include <boost/describe.hpp>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "common/model/report.h"
#include "monitor/fsm/heart.h"
#include "tests/sim/ids.h"

namespace pgaf::sim {

struct Ended {};
using UpMessage = std::variant<Hello, Report, ProbeResult, Ended>;

struct AckMessage {
    std::uint64_t seq = 0;
    std::uint32_t heartbeat_ms = 0;
    std::uint32_t node_timeout_ms = 0;
    bool lease = false;
    StoreMark mark;
};
struct Refusal {
    std::string why;
};
using DownMessage = std::variant<AckMessage, Goal, fsm::ProbeRequest, Refusal, Ended>;

/// A stream between a keeper and the monitor. What was sent comes, in its order, or the stream ends.
struct Session {
    std::uint32_t id = 0;
    NodeIx node = nobody;
    std::uint32_t boot = 0;
    /// The monitor process that it was made to.
    std::uint32_t monitor = 0;
    std::deque<UpMessage> up;
    std::deque<DownMessage> down;
    bool keeper_end = true;
    bool monitor_end = true;
    Micros last_up = 0;
    Micros last_down = 0;
    /// Messages that wait for the network.
    bool up_stalled = false;
    bool down_stalled = false;
    /// What its keeper has sent was lost on the way, and is sent again much later, whatever has become of its end.
    bool up_held = false;
    /// It breaks as soon as the message that has come is dealt with.
    bool breaks = false;
};

/// At which message a session breaks (session_faults.h).
BOOST_DEFINE_ENUM_CLASS(Talk, hello, report, ack, goal)
struct BreakAt {
    Talk message = Talk::report;
    /// So many of these go by first.
    std::uint32_t skip = 0;
    /// It still arrives, and what is said to it does not.
    bool taken = false;
};

/// What is to become of a node's sessions.
struct SessionFaults {
    std::optional<BreakAt> break_at;
    /// The next one that begins is held (Session::up_held).
    bool hold_next = false;
};

struct Network {
    std::size_t machines = 0;
    /// [from * machines + to]: since when nothing gets through; 0: it does.
    std::vector<Micros> cut;
    /// How many times slower than usual.
    std::vector<std::uint32_t> slow;
    std::vector<Session> sessions;
    /// For each node.
    std::vector<SessionFaults> faults;
    std::uint32_t last_session = 0;
    std::uint32_t last_link = 0;
    /// Goals that the network may deliver once more, or late.
    std::vector<std::pair<std::uint32_t, Goal>> echoes;

    [[nodiscard]] bool passes(std::size_t from, std::size_t to) const { return cut[from * machines + to] == 0; }
    [[nodiscard]] bool both_ways(std::size_t a, std::size_t b) const { return passes(a, b) && passes(b, a); }
    [[nodiscard]] Micros cut_since(std::size_t from, std::size_t to) const { return cut[from * machines + to]; }
    Session* find(std::uint32_t id) {
        for (Session& s : sessions)
            if (s.id == id) return &s;
        return nullptr;
    }
    [[nodiscard]] const Session* find(std::uint32_t id) const {
        for (const Session& s : sessions)
            if (s.id == id) return &s;
        return nullptr;
    }
};

}  // namespace pgaf::sim
