// YAML of a JSON value: block style, two blanks an indent. Enough for what pgafctl prints.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace pgaf::ctl {

[[nodiscard]] std::string to_yaml(const nlohmann::ordered_json& value);

}  // namespace pgaf::ctl
