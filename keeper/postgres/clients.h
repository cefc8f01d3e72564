// Who may use the server, as opposed to what it is: ending clients' sessions and letting none in (R8). Opening is a
// matter of the sync rule (R9): see sync_rule.h.
#pragma once

#include <cstdint>

#include "keeper/postgres/node.h"

namespace pgaf::keeper {

/// Returns when no client has a session and none can get one. Walsenders stay, and so do sessions of the superuser over
/// the local socket (the keeper's own, and those of an administrator who looks what is wrong) and of the other nodes'
/// keepers.
Async<Result<>> close_to_clients(Node& node, const CloseToClients& step);

/// Sessions that close_to_clients() would end.
Async<Result<std::uint32_t>> count_client_sessions(Connection& connection, Millis limit);

}  // namespace pgaf::keeper
