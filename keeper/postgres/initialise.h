// Makes the cluster's first data folder: initdb, settings, the replication role. Leaves PostgreSQL stopped.
#pragma once

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

Async<Result<>> initialise(Node& node, const Initialise& step, const Progress& progress);

}  // namespace pgaf::keeper
