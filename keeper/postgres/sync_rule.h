// Brings a sync rule into force, and proves that it is (R3): walsenders reload late, and the checkpointer alone turns
// waiting on, later still; so what is configured is not yet what holds.
#pragma once

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

Async<Result<>> apply_rule(Node& node, const ApplyRule& step, const Progress& progress);
Async<Result<>> open_to_clients(Node& node, const OpenToClients& step, const Progress& progress);

}  // namespace pgaf::keeper
