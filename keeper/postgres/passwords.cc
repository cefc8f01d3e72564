#include "keeper/postgres/passwords.h"

#include "keeper/postgres/files.h"
#include "keeper/postgres/settings.h"

namespace pgaf::keeper {
namespace {

Result<std::string> one_of(const std::string& name, const std::string& text, const std::string& file) {
    if (text.empty()) return read_secret(file);
    if (!file.empty())
        return error(name + " and " + name +
                     "_file are both set: leave one of them out, so that it is clear which holds");
    // It becomes a line of a password file.
    if (text.find_first_of(std::string("\n\r\0", 3)) != std::string::npos)
        return error(name + " has more than one line; it must hold the password alone");
    return text;
}

}  // namespace

Result<std::string> replication_password(const PostgresConfig& config) {
    if (config.replication_password.empty() && config.replication_password_file.empty())
        return error(
            "the replication role has no password: set replication_password_file to a file (chmod 600) with one, the "
            "same on all nodes, or PGAF_KEEPER_REPLICATION_PASSWORD in the environment");
    return one_of("replication_password", config.replication_password, config.replication_password_file);
}

bool has_superuser_password(const PostgresConfig& config) {
    return !config.superuser_password.empty() || !config.superuser_password_file.empty();
}

Result<std::string> superuser_password(const PostgresConfig& config) {
    return one_of("superuser_password", config.superuser_password, config.superuser_password_file);
}

Result<> write_passfile(const PostgresConfig& config) {
    const auto password = replication_password(config);
    if (!password) return password.error();
    return write_file_if_changed(passfile_path(config), passfile_text(*password));
}

Result<> check_passwords(const PostgresConfig& config) {
    if (const auto password = replication_password(config); !password) return password.error();
    if (!has_superuser_password(config)) return {};
    if (const auto password = superuser_password(config); !password) return password.error();
    return {};
}

}  // namespace pgaf::keeper
