// A commit of the keeper's own, to see what commits do at this moment.
#pragma once

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

/// Makes commits until one is seen waiting for standbys (wait event SyncRep), and cancels that wait; `connection` looks
/// on. An error when commits go through for `limit`: nothing has turned waiting on yet.
Async<Result<>> see_commit_wait(Node& node, Connection& connection, Millis limit);

}  // namespace pgaf::keeper
