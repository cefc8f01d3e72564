// How the simulator names things: small numbers inside the model of PostgreSQL, the production types' texts at its
// border. Texts are short, so that they need no memory of their own.
#pragma once

#include <cstdint>
#include <string>

#include "common/ids.h"

namespace pgaf::sim {

/// Microseconds of the virtual clock. The heart and the keepers see milliseconds of it.
using Micros = std::int64_t;
constexpr Micros ms = 1000;
constexpr Micros sec = 1'000'000;

using NodeIx = std::uint8_t;
constexpr NodeIx nobody = 0xff;
constexpr std::size_t most_nodes = 8;

/// A data folder of a node (protocol: incarnation). 0: none.
using Inc = std::uint32_t;
constexpr Inc make_inc(NodeIx node, std::uint32_t number) {
    return ((static_cast<Inc>(node) + 1) << 16U) | number;
}
constexpr NodeIx node_of(Inc inc) {
    return static_cast<NodeIx>((inc >> 16U) - 1);
}
constexpr std::uint32_t number_of(Inc inc) {
    return inc & 0xffffU;
}

inline NodeName name_of(NodeIx node) {
    return NodeName{std::string(1, static_cast<char>('a' + node))};
}
inline NodeIx node_of(const NodeName& name) {
    return name.v.empty() ? nobody : static_cast<NodeIx>(name.v[0] - 'a');
}

/// "b2": the second folder of node b.
inline IncarnationId id_of(Inc inc) {
    return inc == 0 ? IncarnationId{} : IncarnationId{name_of(node_of(inc)).v + std::to_string(number_of(inc))};
}
inline Inc inc_of(const IncarnationId& id) {
    if (id.v.size() < 2) return 0;
    std::uint32_t number = 0;
    for (std::size_t i = 1; i < id.v.size(); ++i) number = number * 10 + static_cast<std::uint32_t>(id.v[i] - '0');
    return make_inc(static_cast<NodeIx>(id.v[0] - 'a'), number);
}

/// "b.7": the seventh run of b's keeper.
inline BootId boot_of(NodeIx node, std::uint32_t number) {
    return BootId{name_of(node).v + "." + std::to_string(number)};
}

inline const ClusterName cluster_name{"sim"};
inline const SystemId system_id{"1"};

}  // namespace pgaf::sim
