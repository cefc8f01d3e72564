// Plain structs <-> protobuf messages, by name: a member and the field of the same name hold the same thing. The only
// place that knows both forms. Knows nothing of gRPC, sessions or decisions.
#pragma once

#include <cstddef>
#include <string>

#include "common/model/cluster_view.h"
#include "common/model/goal.h"
#include "common/model/report.h"
#include "common/result.h"

namespace pgaf::v1 {
class Goal;
class Report;
class Hello;
class ProbeResult;
class ClusterView;
}  // namespace pgaf::v1

namespace pgaf::wire {

/// Longest text and list that from_wire accepts. Texts for people are cut to this by to_wire.
inline constexpr std::size_t max_text_bytes = 4096;
inline constexpr std::size_t max_list_items = 10000;
/// Longest identifier (names, incarnations, boots, system identifiers).
inline constexpr std::size_t max_id_bytes = 64;
/// Largest message that servers and channels should accept: above the largest goal with full lists.
inline constexpr int max_message_bytes = 4 * 1024 * 1024;

[[nodiscard]] v1::Goal to_wire(const Goal&);
[[nodiscard]] v1::Report to_wire(const Report&);
[[nodiscard]] v1::Hello to_wire(const Hello&);
[[nodiscard]] v1::ProbeResult to_wire(const ProbeResult&);
[[nodiscard]] v1::ClusterView to_wire(const ClusterView&);

/// Refuse what no pgaf program sends: unknown words, names and ids that are none, ports out of range, over-long texts
/// and lists. The error names the field. A field that is missing keeps the member's default.
[[nodiscard]] Result<Goal> from_wire(const v1::Goal&);
[[nodiscard]] Result<Report> from_wire(const v1::Report&);
/// Also refuses a hello without cluster, node, incarnation, boot, host or port.
[[nodiscard]] Result<Hello> from_wire(const v1::Hello&);
[[nodiscard]] Result<ProbeResult> from_wire(const v1::ProbeResult&);
[[nodiscard]] Result<ClusterView> from_wire(const v1::ClusterView&);

/// `text` as protobuf can carry it: valid UTF-8 (other bytes become '?': PostgreSQL's messages come in any encoding),
/// cut to max_text_bytes.
[[nodiscard]] std::string wire_text(std::string text);

}  // namespace pgaf::wire
