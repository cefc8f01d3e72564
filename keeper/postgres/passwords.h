// The passwords that the keeper was given, from wherever its configuration says. Knows nothing of who logs in with
// them.
#pragma once

#include <string>

#include "common/result.h"
#include "keeper/postgres/make.h"

namespace pgaf::keeper {

/// What the replication role logs in with. An error names the file and the remedy, never the content.
[[nodiscard]] Result<std::string> replication_password(const PostgresConfig& config);
/// Whether the superuser is to have a password at all.
[[nodiscard]] bool has_superuser_password(const PostgresConfig& config);
[[nodiscard]] Result<std::string> superuser_password(const PostgresConfig& config);
/// Writes the file in the state folder that PostgreSQL takes the password for its upstream from, at each connection.
[[nodiscard]] Result<> write_passfile(const PostgresConfig& config);
/// What is wrong with the passwords: none, one given twice, a file that others can read.
[[nodiscard]] Result<> check_passwords(const PostgresConfig& config);

}  // namespace pgaf::keeper
