// The status page over HTTP: its files with the headers that keep a browser to them.
#pragma once

#include <optional>

#include "common/http/server.h"

namespace pgaf::monitor {

/// Nothing when the path is none of the page's. Needs nobody else, so that a page that shows trouble can be loaded in
/// it.
[[nodiscard]] std::optional<http::Response> page_response(const http::Request& request);

}  // namespace pgaf::monitor
