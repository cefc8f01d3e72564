// Steps that start, stop and re-point the server. Each writes the cluster's settings before it acts, since a clone, a
// rewind or a hand may have changed them.
#pragma once

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

/// Marks the folder as half-made (DataDir::begin_rebuild), and returns when the disk probe has left it, which it does
/// for the mark: nobody else makes or renames files in it from then on.
Async<Result<>> begin_rebuild(Node& node, const std::string& why, const std::string& kept = {});

/// After initdb, pg_rewind or pg_basebackup with --no-sync: what they have made is durable.
Async<Result<>> make_durable(Node& node);

Async<Result<>> start_primary(Node& node, const StartPrimary& step, const Progress& progress);
Async<Result<>> start_standby(Node& node, const StartStandby& step, const Progress& progress);
Async<Result<>> follow(Node& node, const Follow& step);
Async<Result<>> stop(Node& node, const Stop& step, const Progress& progress);
Async<Result<>> adopt(Node& node, const Adopt& step);
Async<Result<>> resume_replay(Node& node);
Async<Result<>> update_peers(Node& node, const UpdatePeers& step);
Async<Result<>> checkpoint(Node& node);

/// Starts the postmaster and waits until it takes the keeper's connection. A server that is still recovering after
/// `limit` counts as started: how far it is shows in the facts.
Async<Result<>> start_and_wait(Node& node, const Progress& progress, Millis limit);

/// Makes a slot for each peer that has none, with WAL kept from now on, and drops those of nodes that are none any more
/// (protocol: slots for all peers on all nodes).
Async<Result<>> align_slots(Node& node, const Layout& layout);

}  // namespace pgaf::keeper
