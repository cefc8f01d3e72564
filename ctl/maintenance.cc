// enable|disable maintenance: a node that the monitor leaves alone.
#include <CLI/CLI.hpp>
#include <memory>

#include "ctl/commands.h"

namespace pgaf::ctl {

void add_maintenance(CLI::App& app, Action& action) {
    for (const std::string verb : {"enable", "disable"}) {
        auto* group = app.add_subcommand(verb, verb + " maintenance of a node");
        group->require_subcommand(1);
        auto wanted = std::make_shared<Operation>();
        wanted->kind = verb + "-maintenance";
        auto* maintenance = group->add_subcommand(
            "maintenance", verb == "enable" ? "stop PostgreSQL on a node and leave it alone until further notice"
                                            : "take a node into the cluster again");
        maintenance->add_option("name,--name", wanted->node, "the node")->required();
        if (verb == "enable")
            maintenance->add_flag("--allow-failover", wanted->allow_failover,
                                  "also when it is the primary: another node takes over first");
        maintenance->callback(
            [wanted, &action] { action = [wanted](Session& session) { return perform(session, *wanted); }; });
    }
}

}  // namespace pgaf::ctl
