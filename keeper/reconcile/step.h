// The steps that a keeper can take, as plain values: what the reconciler chooses and PostgresControl carries out.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/model/goal.h"
#include "common/model/sync_rule.h"
#include "common/reflect.h"

namespace pgaf::keeper {

/// Everything about this node and its peers that configuration files are made from (settings, HBA, slots).
struct Layout {
    ClusterName cluster;
    NodeName self;
    IncarnationId incarnation;
    std::vector<Peer> peers;
    friend bool operator==(const Layout&, const Layout&) = default;
};
BOOST_DESCRIBE_STRUCT(Layout, (), (cluster, self, incarnation, peers))

/// initdb with data checksums, roles, settings, id file. Leaves PostgreSQL stopped.
struct Initialise {
    Layout layout;
    friend bool operator==(const Initialise&, const Initialise&) = default;
};
/// An existing data folder of the cluster's system becomes this incarnation: id file, settings, HBA. PostgreSQL stays
/// as it is.
struct Adopt {
    Layout layout;
    friend bool operator==(const Adopt&, const Adopt&) = default;
};
/// Starts read-write under the closed rule, closed to clients (R6, R9).
struct StartPrimary {
    Layout layout;
    friend bool operator==(const StartPrimary&, const StartPrimary&) = default;
};
/// Starts as a standby of `upstream` (empty: of nobody) under the closed rule. standby.signal is written first, and the
/// history files of `strays`, timelines that are none of the cluster's, are moved aside (R5).
struct StartStandby {
    Layout layout;
    NodeName upstream;
    std::vector<Timeline> strays = {};
    friend bool operator==(const StartStandby&, const StartStandby&) = default;
};
/// Points a running standby at another upstream by reload.
struct Follow {
    Layout layout;
    NodeName upstream;
    friend bool operator==(const Follow&, const Follow&) = default;
};
/// Ends a pause of replay that somebody has asked for: without it a running standby starts no receiver for `upstream`.
struct ResumeReplay {
    NodeName upstream;
    friend bool operator==(const ResumeReplay&, const ResumeReplay&) = default;
};
/// The protocol's fence: no upstream by reload, seen on a new connection; receiver ended; end of WAL read.
struct Fence {
    Layout layout;
    friend bool operator==(const Fence&, const Fence&) = default;
};
/// Promotes to `timeline` (placeholders for the ids between), opening with `rule`, and checks the timeline (R5, R6).
struct Promote {
    Layout layout;
    Timeline timeline;
    NamedRule rule;
    friend bool operator==(const Promote&, const Promote&) = default;
};
/// Brings `rule` into force by R3 and proves it. For a promoted or single server that is still under the closed rule,
/// the same call opens it.
struct ApplyRule {
    Layout layout;
    NamedRule rule;
    friend bool operator==(const ApplyRule&, const ApplyRule&) = default;
};
/// Waits until k of S have flushed the server's WAL of this moment (after a crash restart, R9), then lets clients in.
struct OpenToClients {
    Layout layout;
    NamedRule rule;
    friend bool operator==(const OpenToClients&, const OpenToClients&) = default;
};
/// Ends every client's session and lets none in (R8); walsenders, the keeper and the superuser's local sessions stay.
struct CloseToClients {
    Layout layout;
    friend bool operator==(const CloseToClients&, const CloseToClients&) = default;
};
struct Checkpoint {
    std::uint64_t request = 0;
    friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};
struct Stop {
    StopMode mode = StopMode::fast;
    friend bool operator==(const Stop&, const Stop&) = default;
};
/// Keeps the WAL from the fork aside, rewinds against `upstream`, writes `next` as the folder's new id.
struct Rewind {
    Layout layout;
    NodeName upstream;
    Lsn fork;
    IncarnationId next;
    std::string why;
    friend bool operator==(const Rewind&, const Rewind&) = default;
};
/// Keeps diverged WAL aside, base backup from `upstream`, writes `next` as the folder's new id.
struct Clone {
    Layout layout;
    NodeName upstream;
    IncarnationId next;
    std::string why;
    friend bool operator==(const Clone&, const Clone&) = default;
};
/// Moves the segments of a torn tail aside, from the fork's segment on (R6). PostgreSQL is stopped.
struct DropTornTail {
    Timeline timeline;
    Lsn fork;
    friend bool operator==(const DropTornTail&, const DropTornTail&) = default;
};
/// HBA and slots for a changed set of peers.
struct UpdatePeers {
    Layout layout;
    friend bool operator==(const UpdatePeers&, const UpdatePeers&) = default;
};

BOOST_DESCRIBE_STRUCT(Initialise, (), (layout))
BOOST_DESCRIBE_STRUCT(Adopt, (), (layout))
BOOST_DESCRIBE_STRUCT(StartPrimary, (), (layout))
BOOST_DESCRIBE_STRUCT(StartStandby, (), (layout, upstream, strays))
BOOST_DESCRIBE_STRUCT(Follow, (), (layout, upstream))
BOOST_DESCRIBE_STRUCT(ResumeReplay, (), (upstream))
BOOST_DESCRIBE_STRUCT(Fence, (), (layout))
BOOST_DESCRIBE_STRUCT(Promote, (), (layout, timeline, rule))
BOOST_DESCRIBE_STRUCT(ApplyRule, (), (layout, rule))
BOOST_DESCRIBE_STRUCT(OpenToClients, (), (layout, rule))
BOOST_DESCRIBE_STRUCT(CloseToClients, (), (layout))
BOOST_DESCRIBE_STRUCT(Checkpoint, (), (request))
BOOST_DESCRIBE_STRUCT(Stop, (), (mode))
BOOST_DESCRIBE_STRUCT(Rewind, (), (layout, upstream, fork, next, why))
BOOST_DESCRIBE_STRUCT(Clone, (), (layout, upstream, next, why))
BOOST_DESCRIBE_STRUCT(DropTornTail, (), (timeline, fork))
BOOST_DESCRIBE_STRUCT(UpdatePeers, (), (layout))

using Step =
    std::variant<Initialise, Adopt, StartPrimary, StartStandby, Follow, Fence, Promote, ApplyRule, OpenToClients,
                 CloseToClients, Checkpoint, Stop, Rewind, Clone, DropTornTail, UpdatePeers, ResumeReplay>;

/// "StartStandby": stable, for logs and tests.
[[nodiscard]] std::string step_name(const Step& step);
/// "cloning from node1": what is being done, for people.
[[nodiscard]] std::string step_text(const Step& step);
/// Why a rewind or a clone is done; empty for other steps, whose reason is the goal.
[[nodiscard]] std::string step_reason(const Step& step);

}  // namespace pgaf::keeper
