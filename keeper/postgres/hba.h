// pg_hba.conf and the map in pg_ident.conf as text: who may come in. Knows nothing of files or of the server.
#pragma once

#include <string>
#include <vector>

#include "common/model/goal.h"
#include "common/result.h"
#include "keeper/postgres/make.h"
#include "keeper/reconcile/step.h"

namespace pgaf::keeper {

/// The whole of pg_hba.conf: the superuser (the keeper itself, base backups) by the Unix socket, replication and
/// rewinds from exactly the peers' addresses (or from the networks that the configuration names in their place), then
/// the clients' lines while the server is open to them (R8, R9). A line of anybody else's would let clients into a
/// closed server, so none is kept.
[[nodiscard]] std::string render_hba(const PostgresConfig& config, const Layout& layout, bool open_to_clients);
/// Whether a pg_hba.conf of render_hba() lets clients in.
[[nodiscard]] bool hba_is_open(const std::string& text);
/// pg_ident.conf with the keeper's map put in (again); other maps are kept.
[[nodiscard]] std::string render_ident(const std::string& old, const std::string& system_user,
                                       const std::string& superuser);
/// A peer's address as pg_hba.conf wants it: IP addresses with their full mask, host names as they are.
[[nodiscard]] std::string hba_address(const std::string& host);
/// For an option's `check`: empty for an address with the length of its mask, else what is wrong with it.
[[nodiscard]] std::string check_hba_network(const std::string& network);
/// For an option's `check`: empty for a client line of a form that PostgreSQL reads; it checks the rest itself.
[[nodiscard]] std::string check_hba_line(const std::string& line);

}  // namespace pgaf::keeper
