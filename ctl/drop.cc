// drop node: out of the cluster for good.
#include <CLI/CLI.hpp>
#include <memory>

#include "ctl/commands.h"

namespace pgaf::ctl {

void add_drop(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("drop", "take a node out of the cluster for good");
    group->require_subcommand(1);
    auto wanted = std::make_shared<Operation>();
    wanted->kind = "drop-node";
    auto* node = group->add_subcommand("node", "its PostgreSQL is stopped, its data folder stays");
    node->add_option("name,--name", wanted->node, "the node")->required();
    node->add_flag("--force", wanted->force,
                   "do not wait until it has stopped: for a node whose keeper answers and does not obey");
    node->callback([wanted, &action] {
        wanted->confirmation = "Node " + wanted->node + " leaves the cluster for good.";
        action = [wanted](Session& session) { return perform(session, *wanted); };
    });
}

}  // namespace pgaf::ctl
