// Takes a request's target apart: path and query, percent-decoded.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace pgaf::http {

struct Target {
    std::string path;
    std::map<std::string, std::string> query;
};

/// Nothing when the target is not a path or its encoding is broken. A key that is repeated keeps its first value.
[[nodiscard]] std::optional<Target> parse_target(std::string_view text);

}  // namespace pgaf::http
