// What goals carry of the record, so that a monitor that has lost its store can rebuild it (R11).
#pragma once

#include <vector>

#include "monitor/fsm/record.h"

namespace pgaf::fsm {

/// As of the commit that this step makes.
[[nodiscard]] RecordDigest digest_of(const ClusterRecord& record);
[[nodiscard]] std::vector<SettingValue> carried(const Settings& settings);
/// What of it this version knows; the rest, and what can't be read, is left as it is.
void take_over(Settings& settings, const std::vector<SettingValue>& from);

}  // namespace pgaf::fsm
