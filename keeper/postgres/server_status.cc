#include "keeper/postgres/server_status.h"

#include <sstream>

#include "keeper/postgres/files.h"

namespace pgaf::keeper {

std::string postmaster_word(const std::string& data_dir) {
    const auto text = read_file(data_dir + "/postmaster.pid");
    if (!text) return {};
    std::istringstream lines(*text);
    std::string line;
    for (int i = 0; i < 8; ++i)
        if (!std::getline(lines, line)) return {};
    while (!line.empty() && line.back() == ' ') line.pop_back();
    return line;
}

std::string explain_connection(const Error& error, const std::string& sqlstate) {
    if (sqlstate == "53300") return error.message + " (no connection slot left; raise max_connections)";
    if (sqlstate == "3D000") return error.message + " (pgaf uses the database postgres; create it again)";
    if (sqlstate.substr(0, 2) == "28")
        return error.message +
               " (pgaf-keeper has to run as the user that pg_ident.conf's map pgaf names, and \"superuser\" "
               "has to be the name of the superuser)";
    return error.message;
}

}  // namespace pgaf::keeper
