#include "keeper/postgres/role.h"

#include "keeper/postgres/passwords.h"

namespace pgaf::keeper {
namespace {

constexpr Millis query_limit{10000};

/// For statements with a password's verifier in them, which no log and no statistics get to see; of the password itself
/// the server is told nothing, since pg_stat_activity would show it. In a message of its own, since a message is logged
/// as a whole by what holds when it arrives. Settings of pgaudit, auto_explain and pg_stat_statements exist as names
/// also where these are not loaded.
constexpr const char* unlogged =
    "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'; "
    "SET log_min_duration_sample = -1; SET log_transaction_sample_rate = 0; "
    "SET pgaudit.log = 'none'; SET auto_explain.log_min_duration = -1; SET pg_stat_statements.track = 'none'";

Async<Result<std::shared_ptr<Connection>>> connect_unlogged(Node& node) {
    auto connection = co_await node.connect();
    if (!connection) co_return connection;
    if (const auto quiet = co_await (*connection)->query(unlogged, query_limit); !quiet) co_return quiet.error();
    co_return connection;
}

}  // namespace

Async<Result<>> ensure_role(Node& node) {
    const auto password = replication_password(node.config);
    if (!password) co_return password.error();
    auto connection = co_await connect_unlogged(node);
    if (!connection) co_return connection.error();
    const std::string role = replication_role;
    const auto state =
        co_await (*connection)
            ->query("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS made", parameters(role), query_limit);
    if (!state) co_return state.error();
    if (state->flag(0, "made")) co_return Result<>{};
    const auto verifier = (*connection)->scram_verifier(role, *password);
    if (!verifier) co_return verifier.error();
    // It commits without waiting for a standby, which could not log in yet (synchronous_commit is local on the keeper's
    // connections).
    const std::string statements =
        "CREATE ROLE " + role + " LOGIN REPLICATION PASSWORD '" + *verifier +
        "'; GRANT EXECUTE ON FUNCTION pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), "
        "pg_read_binary_file(text), pg_read_binary_file(text, bigint, bigint, boolean) TO " +
        role;
    const auto made = co_await (*connection)->query(statements, query_limit);
    if (!made) co_return made.error().in("creating the role " + role);
    co_return Result<>{};
}

Async<Result<>> give_superuser_password(Node& node) {
    if (!has_superuser_password(node.config)) co_return Result<>{};
    const auto password = superuser_password(node.config);
    if (!password) co_return password.error();
    auto connection = co_await connect_unlogged(node);
    if (!connection) co_return connection.error();
    const auto verifier = (*connection)->scram_verifier(node.config.superuser, *password);
    if (!verifier) co_return verifier.error();
    const auto quoted =
        co_await (*connection)->query("SELECT quote_ident($1) AS name", parameters(node.config.superuser), query_limit);
    if (!quoted) co_return quoted.error();
    const std::string alter = "ALTER ROLE " + quoted->text(0, "name") + " PASSWORD '" + *verifier + "'";
    const auto given = co_await (*connection)->query(alter, query_limit);
    if (!given) co_return given.error().in("giving the superuser its password");
    co_return Result<>{};
}

}  // namespace pgaf::keeper
