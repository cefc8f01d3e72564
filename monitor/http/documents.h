// Messages of the admin API as JSON documents: the fields' names are the keys, as in pgafctl's output.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace google::protobuf {
class Message;
}

namespace pgaf::monitor {

/// 64-bit numbers stay numbers, LSNs are PostgreSQL's text, what is not set is null.
[[nodiscard]] nlohmann::ordered_json document(const google::protobuf::Message& message);

}  // namespace pgaf::monitor
