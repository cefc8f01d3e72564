#include "common/net.h"

#include <charconv>

namespace pgaf {

std::string HostPort::text() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HostPort> parse_host_port(const std::string& text) {
    const auto bad = [&](const std::string& why) {
        return error("'" + text + "' is not host:port: " + why + "; write for example 127.0.0.1:5431 or [::1]:5431");
    };
    const auto colon = text.rfind(':');
    if (colon == std::string::npos) return bad("there is no ':'");
    std::string host = text.substr(0, colon);
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string::npos) {
        return bad("an IPv6 address stands in brackets");
    }
    if (host.empty()) return bad("the host is missing");
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data() + colon + 1, end, port);
    if (failure != std::errc{} || stop != end) return bad("the port must be a number up to 65535");
    return HostPort{std::move(host), port};
}

}  // namespace pgaf
