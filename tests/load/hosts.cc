#include "tests/load/hosts.h"

#include <libpq-fe.h>

#include <map>
#include <memory>

namespace pgaf::load {
namespace {

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts{""};
    for (const char c : list) {
        if (c == ',')
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

/// The value for host number `index`: a list of one value holds for all hosts, as in libpq.
std::string value_for(const std::string& list, std::size_t index) {
    const std::vector<std::string> parts = split(list);
    return parts.size() == 1 ? parts.front() : index < parts.size() ? parts[index] : std::string();
}

Result<std::map<std::string, std::string>> parse(const std::string& uri) {
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(uri.c_str(), &message),
                                                                               &PQconninfoFree);
    if (options == nullptr) {
        const std::string why = message != nullptr ? message : "out of memory";
        PQfreemem(message);
        return error("the connection URI can't be read: " + why +
                     "; write it as postgresql://user@host1:port1,host2:port2/dbname");
    }
    std::map<std::string, std::string> values;
    for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
        if (option->val != nullptr) values[option->keyword] = option->val;
    return values;
}

}  // namespace

Result<std::vector<Host>> hosts_of(const std::string& uri, const std::string& session_attrs) {
    auto parsed = parse(uri);
    if (parsed.has_error()) return parsed.error();
    std::map<std::string, std::string> values = std::move(parsed.value());
    values["target_session_attrs"] = session_attrs;
    // The rows count only when the server waits for its standbys, whatever the role or database are set to.
    std::string& options = values["options"];
    options += std::string(options.empty() ? "" : " ") + "-c synchronous_commit=on";

    const bool by_address = values.contains("hostaddr");
    const std::size_t count = split(values[by_address ? "hostaddr" : "host"]).size();
    std::vector<Host> hosts;
    for (std::size_t index = 0; index < count; ++index) {
        Host host;
        for (const auto& [keyword, value] : values) {
            const bool listed = keyword == "host" || keyword == "hostaddr" || keyword == "port";
            host.parameters.emplace_back(keyword, listed ? value_for(value, index) : value);
        }
        const std::string port = value_for(values["port"], index);
        host.name = value_for(values[by_address ? "hostaddr" : "host"], index) + ":" + (port.empty() ? "5432" : port);
        hosts.push_back(std::move(host));
    }
    return hosts;
}

}  // namespace pgaf::load
