// The families of commands. Each adds its commands to the parser; the one that was given sets `action`.
#pragma once

#include <functional>

#include "ctl/session.h"

namespace CLI {
class App;
}

namespace pgaf::ctl {

using Action = std::function<int(Session&)>;

void add_show(CLI::App& app, Action& action);         // show state|events|uri|settings|standby-names
void add_perform(CLI::App& app, Action& action);      // perform switchover|failover|promotion
void add_maintenance(CLI::App& app, Action& action);  // enable|disable maintenance
void add_settings(CLI::App& app, Action& action);     // get|set node|cluster
void add_drop(CLI::App& app, Action& action);         // drop node

/// A long operation from request to measured result, with its events as they come.
struct Operation {
    std::string kind;
    std::string node;
    bool allow_data_loss = false;
    bool allow_failover = false;
    bool force = false;
    /// Set: it must be confirmed. What the monitor says it would do is shown with this sentence.
    std::string confirmation;
};
[[nodiscard]] int perform(Session& session, const Operation& operation);

}  // namespace pgaf::ctl
