#include "keeper/postgres/role.h"

#include "keeper/postgres/files.h"

namespace pgaf::keeper {
namespace {

constexpr Millis query_limit{10000};

}  // namespace

Async<Result<>> ensure_role(Node& node) {
    const auto password = read_secret(node.config.replication_password_file);
    if (!password) co_return password.error();
    auto connection = co_await node.connect();
    if (!connection) co_return connection.error();
    const std::string role = replication_role;
    const auto state =
        co_await (*connection)
            ->query("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS made, quote_literal($2) AS literal",
                    parameters(role, *password), query_limit);
    if (!state) co_return state.error();
    if (state->flag(0, "made")) co_return Result<>{};
    // The password goes over the Unix socket with statement logging off; it commits without waiting for a standby,
    // which could not log in yet (synchronous_commit is local on the keeper's connections).
    const std::string statements =
        "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'; "
        "SET password_encryption = 'scram-sha-256'; CREATE ROLE " +
        role + " LOGIN REPLICATION PASSWORD " + state->text(0, "literal") +
        "; GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), "
        "pg_read_binary_file(text), pg_read_binary_file(text, bigint, bigint, boolean) TO " +
        role;
    const auto made = co_await (*connection)->query(statements, query_limit);
    if (!made) co_return made.error().in("creating the role " + role);
    co_return Result<>{};
}

}  // namespace pgaf::keeper
