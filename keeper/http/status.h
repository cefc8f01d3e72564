// The document that most paths answer with: what this node is, in the words that tools for PostgreSQL's high
// availability know, and under "pgaf" in this project's own.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "keeper/http/conditions.h"

namespace pgaf::keeper {

[[nodiscard]] nlohmann::json status_document(const LoopView& view, const Tags& tags);

}  // namespace pgaf::keeper
