// The cluster's settings: their names, limits and meanings, and which of them do not go together. Pure; used by the
// operators' commands and by the monitor's configuration of new clusters.
#pragma once

#include <string>
#include <vector>

#include "monitor/fsm/record.h"

namespace pgaf::fsm {

/// Name, value and meaning of each setting that operators can change.
struct SettingInfo {
    std::string name;
    std::string value;
    std::string meaning;
};
[[nodiscard]] std::vector<SettingInfo> list_settings(const ClusterRecord& record);

/// Changes the setting of this name. Empty when done; else why it is refused, and `settings` is as it was.
/// number-sync-standbys is no matter of the settings alone: see commands.cc.
[[nodiscard]] std::string change_setting(Settings& settings, const std::string& name, const std::string& value);

/// Why these values do not go together; empty when they do.
[[nodiscard]] std::string clash(const Settings& settings);

/// What the goals of a primary say (R8), in milliseconds. Never less than a record of before these settings can bear.
[[nodiscard]] Millis lease_of(const Settings& settings);
[[nodiscard]] Millis keeper_timeout_of(const Settings& settings);

/// A whole number, at most 64 bits, and nothing else.
[[nodiscard]] std::optional<std::uint64_t> whole_number(const std::string& text);

}  // namespace pgaf::fsm
