// The monitor's answers as documents for programs: the keys of `-o json` and `-o yaml`. They are stable: keys may be
// added, none may change its name or meaning.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace pgaf::v1 {
class ClusterState;
class Event;
class OperationResult;
}  // namespace pgaf::v1

namespace pgaf::ctl {

[[nodiscard]] nlohmann::ordered_json state_document(const v1::ClusterState& state);
[[nodiscard]] nlohmann::ordered_json settings_document(const v1::ClusterState& state);
[[nodiscard]] nlohmann::ordered_json event_document(const v1::Event& event);
[[nodiscard]] nlohmann::ordered_json result_document(const v1::OperationResult& result);

}  // namespace pgaf::ctl
