#include "keeper/postgres/hba.h"

#include <arpa/inet.h>

#include <algorithm>
#include <sstream>

#include "keeper/postgres/settings.h"

namespace pgaf::keeper {
namespace {

constexpr const char* begin_mark = "# BEGIN pgaf";
constexpr const char* end_mark = "# END pgaf";
constexpr const char* open_mark = "# pgaf: open to clients";
constexpr const char* closed_mark = "# pgaf: closed to clients";

std::string in_quotes(const std::string& name) {
    std::string quoted = "\"";
    for (const char c : name) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + "\"";
}

}  // namespace

std::string hba_address(const std::string& host) {
    unsigned char buffer[16];
    if (::inet_pton(AF_INET, host.c_str(), buffer) == 1) return host + "/32";
    if (::inet_pton(AF_INET6, host.c_str(), buffer) == 1) return host + "/128";
    return host;
}

std::string check_hba_network(const std::string& network) {
    const auto slash = network.find('/');
    unsigned char buffer[16];
    const std::string address = network.substr(0, slash);
    const bool v4 = ::inet_pton(AF_INET, address.c_str(), buffer) == 1;
    const bool v6 = ::inet_pton(AF_INET6, address.c_str(), buffer) == 1;
    const std::string digits = slash == std::string::npos ? "" : network.substr(slash + 1);
    const bool number = !digits.empty() && digits.size() <= 3 && digits.find_first_not_of("0123456789") == digits.npos;
    if ((v4 || v6) && number && std::stoi(digits) <= (v4 ? 32 : 128)) return {};
    return "no network; an example: 10.0.0.0/8";
}

std::string check_hba_line(const std::string& line) {
    if (line.find('\n') != std::string::npos) return "more than one line; one line an entry";
    std::istringstream words(line);
    std::string type;
    words >> type;
    static const char* const types[] = {"local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"};
    if (std::find(std::begin(types), std::end(types), type) == std::end(types))
        return "no line of pg_hba.conf: it begins with none of local, host, hostssl, hostnossl, hostgssenc, "
               "hostnogssenc";
    std::size_t fields = 1;
    for (std::string word; words >> word;) ++fields;
    if (fields < (type == "local" ? 4U : 5U)) return "too short; an example: host all all 10.0.0.0/8 scram-sha-256";
    return {};
}

std::string render_hba(const PostgresConfig& config, const Layout& layout, bool open_to_clients) {
    std::string text =
        "# Written by pgaf-keeper; what is edited here is lost. Lines for clients: \"hba\" in its configuration.\n";
    text += std::string(begin_mark) + "\n";
    text += "local all,replication " + in_quotes(config.superuser) + " peer map=pgaf\n";
    std::vector<std::string> addresses = config.peer_networks;
    for (const Peer& peer : layout.peers) {
        if (!config.peer_networks.empty()) break;
        if (peer.node != layout.self && !peer.host.empty()) addresses.push_back(hba_address(peer.host));
    }
    std::sort(addresses.begin(), addresses.end());
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    for (const std::string& address : addresses) {
        text += "host replication " + std::string(replication_role) + " " + address + " scram-sha-256\n";
        text += "host postgres " + std::string(replication_role) + " " + address + " scram-sha-256\n";
    }
    // Else a client line like "all all" would let the role in from anywhere.
    text += "local all,replication " + std::string(replication_role) + " reject\n";
    text += "host all,replication " + std::string(replication_role) + " all reject\n";
    text += std::string(end_mark) + "\n";
    text += std::string(open_to_clients ? open_mark : closed_mark) + "\n";
    if (open_to_clients)
        for (const std::string& line : config.hba) text += line + "\n";
    return text;
}

bool hba_is_open(const std::string& text) {
    return text.find(std::string(open_mark) + "\n") != std::string::npos;
}

std::string render_ident(const std::string& old, const std::string& system_user, const std::string& superuser) {
    std::string text;
    bool ours = false;
    std::istringstream lines(old);
    for (std::string line; std::getline(lines, line);) {
        if (line == begin_mark) ours = true;
        if (!ours) text += line + "\n";
        if (line == end_mark) ours = false;
    }
    text += std::string(begin_mark) + "\n";
    text += "pgaf " + in_quotes(system_user) + " " + in_quotes(superuser) + "\n";
    return text + end_mark + "\n";
}

}  // namespace pgaf::keeper
