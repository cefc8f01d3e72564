// Messages of the admin API as JSON documents: the fields' names are the keys, as in pgafctl's output.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace google::protobuf {
class Message;
}

namespace pgaf::monitor {

struct Event;
struct StateView;

/// 64-bit numbers stay numbers, LSNs are PostgreSQL's text, what is not set is null.
[[nodiscard]] nlohmann::ordered_json document(const google::protobuf::Message& message);
/// The cluster's state as `pgafctl show state -o json` has it, and `decides`.
[[nodiscard]] nlohmann::ordered_json state_document(const StateView& view);
[[nodiscard]] nlohmann::ordered_json event_document(const Event& event);

}  // namespace pgaf::monitor
