// The protocol's fence: from here on this standby receives, and so acknowledges, nothing more, and its end of WAL is
// final (R4).
#pragma once

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

Async<Result<>> fence(Node& node, const Fence& step);

/// Where a standby's WAL ends, read after its receiver has ended: the maximum of receive, replay and a scan of pg_wal.
/// pg_last_wal_receive_lsn() alone is null after a restart, then a segment's start, below what was replayed.
struct Received {
    Timeline checkpoint_timeline;
    Lsn redo;
    SystemId system_id;
    Lsn received;
    Lsn replayed;
};
Async<Result<FencedEnd>> read_end(Node& node, Received known);

}  // namespace pgaf::keeper
