// The role that standbys replicate and rewind with, on the primary.
#pragma once

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

/// Makes pgaf_replicator with the password of the replication password file, unless it is there: a folder that was
/// adopted has none. Needs a server that runs read-write.
Async<Result<>> ensure_role(Node& node);

}  // namespace pgaf::keeper
