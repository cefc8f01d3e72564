// The steps that a keeper can take, as plain values: what the reconciler chooses and PostgresControl carries out.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/model/goal.h"
#include "common/model/sync_rule.h"

namespace pgaf::keeper {

/// Everything about this node and its peers that configuration files are made from (settings, HBA, slots).
struct Layout {
    ClusterName cluster;
    NodeName self;
    IncarnationId incarnation;
    std::vector<Peer> peers;
    friend bool operator==(const Layout&, const Layout&) = default;
};

/// initdb with data checksums, roles, settings, id file. Leaves PostgreSQL stopped.
struct Initialise { Layout layout; };
/// An existing data folder of the cluster's system becomes this incarnation: id file, settings, HBA. PostgreSQL stays as it is.
struct Adopt { Layout layout; };
/// Starts read-write under the closed rule, closed to clients (R6, R9).
struct StartPrimary { Layout layout; };
/// Starts as a standby of `upstream` (empty: of nobody) under the closed rule. standby.signal is written first.
struct StartStandby { Layout layout; NodeName upstream; };
/// Points a running standby at another upstream by reload.
struct Follow { Layout layout; NodeName upstream; };
/// The protocol's fence: no upstream by reload, seen on a new connection; receiver ended; end of WAL read.
struct Fence { Layout layout; };
/// Promotes to `timeline` (placeholders for the ids between), opening with `rule`, and checks the timeline (R5, R6).
struct Promote { Layout layout; Timeline timeline; NamedRule rule; };
/// Brings `rule` into force by R3 and proves it. For a promoted or single server that is still under the closed rule,
/// the same call opens it.
struct ApplyRule { Layout layout; NamedRule rule; };
/// Waits until k of S have flushed the server's WAL of this moment (after a crash restart, R9), then lets clients in.
struct OpenToClients { Layout layout; NamedRule rule; };
struct Checkpoint { std::uint64_t request = 0; };
struct Stop { StopMode mode = StopMode::fast; };
/// Keeps the WAL from the fork aside, rewinds against `upstream`, writes `next` as the folder's new id.
struct Rewind { Layout layout; NodeName upstream; Lsn fork; IncarnationId next; std::string why; };
/// Keeps diverged WAL aside, base backup from `upstream`, writes `next` as the folder's new id.
struct Clone { Layout layout; NodeName upstream; IncarnationId next; std::string why; };
/// Moves the segments of a torn tail aside, from the fork's segment on (R6). PostgreSQL is stopped.
struct DropTornTail { Timeline timeline; Lsn fork; };
/// HBA and slots for a changed set of peers.
struct UpdatePeers { Layout layout; };

using Step = std::variant<Initialise, Adopt, StartPrimary, StartStandby, Follow, Fence, Promote, ApplyRule,
                          OpenToClients, Checkpoint, Stop, Rewind, Clone, DropTornTail, UpdatePeers>;

}  // namespace pgaf::keeper
