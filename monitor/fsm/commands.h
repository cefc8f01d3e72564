// Operators' commands: validated with a reason when refused; long ones become the record's operation.
#pragma once

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

void command(World& world, const Command& c);

/// Name, value and meaning of each setting that operators can change.
struct SettingInfo {
    std::string name;
    std::string value;
    std::string meaning;
};
[[nodiscard]] std::vector<SettingInfo> list_settings(const ClusterRecord& record);

}  // namespace pgaf::fsm
