// The monitor's answers as people see them on a terminal.
#pragma once

#include <string>

namespace pgaf::v1 {
class ClusterState;
class Event;
class EventList;
}  // namespace pgaf::v1

namespace pgaf::ctl {

[[nodiscard]] std::string state_table(const v1::ClusterState& state, bool colours);
[[nodiscard]] std::string settings_table(const v1::ClusterState& state, bool colours);
[[nodiscard]] std::string event_table(const v1::EventList& events, bool colours);
/// One event on a line of its own, in the columns of event_table, for events that come one by one.
[[nodiscard]] std::string event_line(const v1::Event& event, bool colours);
/// One event while a command runs: time of day, node (unless the message names it), message.
[[nodiscard]] std::string progress_line(const v1::Event& event);

/// What libpq takes to reach the cluster. Role: primary, replica or any.
[[nodiscard]] std::string connection_uri(const v1::ClusterState& state, const std::string& role);

}  // namespace pgaf::ctl
