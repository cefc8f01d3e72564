// Why a takeover began, as the value of a metric's label.
#pragma once

#include <string>

namespace pgaf::monitor {

/// A few fixed words for the free text that says why a takeover began, so that the label's values stay few.
[[nodiscard]] std::string reason_label(const std::string& reason);

}  // namespace pgaf::monitor
