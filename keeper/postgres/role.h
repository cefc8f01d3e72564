// Roles that the keeper makes or completes: the one that standbys replicate and rewind with, and the superuser.
#pragma once

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

/// Makes pgaf_replicator with the password of the replication password file, unless it is there: a folder that was
/// adopted has none. Needs a server that runs read-write.
Async<Result<>> ensure_role(Node& node);

/// Gives the superuser the password that the configuration has for it, if any. For a cluster that is being made:
/// afterwards the password is the operator's.
Async<Result<>> give_superuser_password(Node& node);

}  // namespace pgaf::keeper
