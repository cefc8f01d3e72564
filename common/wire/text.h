// What texts from the network must look like before anything acts on them: names become file contents, SQL and
// settings of PostgreSQL further on. Knows nothing of protobuf.
#pragma once

#include <string>
#include <string_view>

#include "common/ids.h"

namespace pgaf::wire {

[[nodiscard]] bool is_valid_id(const std::string& text, const ClusterName&);
[[nodiscard]] bool is_valid_id(const std::string& text, const NodeName&);
/// Incarnations, boots and monitors: 16 hex digits.
[[nodiscard]] bool is_valid_id(const std::string& text, const IncarnationId&);
[[nodiscard]] bool is_valid_id(const std::string& text, const BootId&);
[[nodiscard]] bool is_valid_id(const std::string& text, const MonitorId&);
/// Decimal, 64 bits.
[[nodiscard]] bool is_valid_id(const std::string& text, const SystemId&);

inline std::string_view id_kind(const ClusterName&) {
    return "cluster name (a-z, 0-9 and '-', at most 16 characters)";
}
inline std::string_view id_kind(const NodeName&) {
    return "node name (a-z, 0-9 and '-', at most 24 characters)";
}
inline std::string_view id_kind(const IncarnationId&) {
    return "incarnation (16 hex digits)";
}
inline std::string_view id_kind(const BootId&) {
    return "boot id (16 hex digits)";
}
inline std::string_view id_kind(const MonitorId&) {
    return "monitor id (16 hex digits)";
}
inline std::string_view id_kind(const SystemId&) {
    return "system identifier (decimal)";
}

/// A host name, an IPv4 or an IPv6 address (with a zone); nothing that could end a line or a quotation further on.
[[nodiscard]] bool is_valid_host(const std::string& text);

}  // namespace pgaf::wire
