// host:port texts of configuration files and flags.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace pgaf {

struct HostPort {
    std::string host;
    std::uint16_t port = 0;
    /// host:port, with an IPv6 address in brackets.
    [[nodiscard]] std::string text() const;
};

/// Reads host:port, 1.2.3.4:port or [ipv6]:port. Port 0 is allowed: listeners take a free one.
[[nodiscard]] Result<HostPort> parse_host_port(const std::string& text);

}  // namespace pgaf
