// get|set of a node's candidate priority and replication quorum, and of the cluster's settings.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/commands.h"
#include "ctl/text.h"
#include "pgaf/v1/admin.pb.h"

namespace pgaf::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t answer_limit_ms = 10'000;

/// The cluster's settings are spelt with '-'; with '_', as in configuration files, they are understood too.
std::string with_dashes(std::string name) {
    std::replace(name.begin(), name.end(), '_', '-');
    return name;
}

int show_value(Session& session, Json document, const std::string& text) {
    session.show(document, [&] { return printable(text) + "\n"; });
    return exit_done;
}

int get_node(Session& session, const std::string& setting, const std::string& name) {
    v1::ClusterState state;
    const auto outcome = session.client(answer_limit_ms).get_state(session.cluster(), state);
    if (!outcome.ok()) return session.fail(outcome);
    std::string names;
    for (const auto& node : state.nodes()) {
        names += (names.empty() ? "" : ", ") + node.name();
        if (node.name() != name) continue;
        const bool quorum = setting == "replication-quorum";
        const Json value = quorum ? Json(node.replication_quorum()) : Json(node.candidate_priority());
        return show_value(session,
                          Json{{"cluster", session.cluster()}, {"node", name}, {"setting", setting}, {"value", value}},
                          value.dump());
    }
    return session.fail({exit_refused, "cluster " + session.cluster() + " has no node '" + name +
                                           "'; it has: " + (names.empty() ? "none" : names)});
}

int get_cluster(Session& session, const std::string& setting) {
    v1::ClusterState state;
    const auto outcome = session.client(answer_limit_ms).get_state(session.cluster(), state);
    if (!outcome.ok()) return session.fail(outcome);
    std::string names;
    for (const auto& known : state.settings()) {
        names += (names.empty() ? "" : ", ") + known.name();
        if (with_dashes(known.name()) != with_dashes(setting)) continue;
        return show_value(session,
                          Json{{"cluster", session.cluster()}, {"setting", known.name()}, {"value", known.value()}},
                          known.value());
    }
    return session.fail({exit_refused, "there is no setting '" + setting + "'; there are: " + names});
}

int done(Session& session, const Outcome& outcome, const v1::Done& answer) {
    if (!outcome.ok()) return session.fail(outcome);
    const auto message = answer.message().empty() ? std::string("done") : answer.message();
    return show_value(session, Json{{"ok", true}, {"message", message}, {"dry_run", session.dry_run()}}, message);
}

std::optional<bool> parse_yes_no(const std::string& text) {
    if (text == "true" || text == "yes" || text == "on") return true;
    if (text == "false" || text == "no" || text == "off") return false;
    return std::nullopt;
}

std::optional<std::uint32_t> parse_priority(const std::string& text) {
    if (text.empty() || text.size() > 3 || text.find_first_not_of("0123456789") != std::string::npos)
        return std::nullopt;
    return static_cast<std::uint32_t>(std::stoul(text));
}

/// The request for a value as it was typed; a usage error when it cannot be meant.
v1::SetNodeRequest set_node_request(const std::string& setting, const std::string& name, const std::string& value) {
    v1::SetNodeRequest request;
    request.set_node(name);
    if (setting == "replication-quorum") {
        const auto quorum = parse_yes_no(value);
        if (!quorum)
            throw CLI::ValidationError(setting,
                                       "'" + value + "' is not allowed; allowed: true, false, yes, no, on, off");
        request.set_replication_quorum(*quorum);
    } else {
        const auto priority = parse_priority(value);
        if (!priority || *priority > 100)
            throw CLI::ValidationError(setting,
                                       "'" + value + "' is not allowed; allowed: 0 (never a candidate) to 100");
        request.set_candidate_priority(*priority);
    }
    return request;
}

int set_node(Session& session, v1::SetNodeRequest request) {
    request.set_cluster(session.cluster());
    request.set_dry_run(session.dry_run());
    v1::Done answer;
    return done(session, session.client(answer_limit_ms).set_node(request, answer), answer);
}

int set_cluster(Session& session, const std::string& setting, const std::string& value) {
    v1::SetClusterRequest request;
    request.set_cluster(session.cluster());
    request.set_setting(with_dashes(setting));
    request.set_value(value);
    request.set_dry_run(session.dry_run());
    v1::Done answer;
    return done(session, session.client(answer_limit_ms).set_cluster(request, answer), answer);
}

/// "NAME VALUE", or "--name NAME VALUE".
struct Words {
    std::vector<std::string> words;
    std::string name;
};

void add_node_setting(CLI::App& node, bool set, const std::string& setting, const std::string& help, Action& action) {
    auto typed = std::make_shared<Words>();
    auto* command = node.add_subcommand(setting, help);
    command->add_option("--name", typed->name, "the node");
    command->add_option("words", typed->words, set ? "NAME VALUE, or VALUE after --name" : "NAME")->type_name("");
    command->callback([typed, set, setting, &action] {
        auto words = typed->words;
        if (!typed->name.empty()) words.insert(words.begin(), typed->name);
        if (words.size() != (set ? 2U : 1U))
            throw CLI::ValidationError(setting, set ? "expected NAME VALUE, or --name NAME VALUE" : "expected NAME");
        if (set) {
            const auto request = set_node_request(setting, words[0], words[1]);
            action = [request](Session& session) { return set_node(session, request); };
        } else {
            action = [setting, name = words[0]](Session& session) { return get_node(session, setting, name); };
        }
    });
}

void add_cluster_setting(CLI::App& group, bool set, Action& action) {
    auto typed = std::make_shared<Words>();
    auto* cluster = group.add_subcommand("cluster", "a setting of the cluster, for example number-sync-standbys");
    cluster->add_option("setting", typed->name, "see: pgafctl show settings")->required();
    if (set) cluster->add_option("value", typed->words, "the new value")->required()->expected(1);
    cluster->callback([typed, set, &action] {
        action = [typed, set](Session& session) {
            return set ? set_cluster(session, typed->name, typed->words.front()) : get_cluster(session, typed->name);
        };
    });
}

}  // namespace

void add_settings(CLI::App& app, Action& action) {
    for (const bool set : {false, true}) {
        auto* group = app.add_subcommand(
            set ? "set" : "get", std::string(set ? "change" : "show") + " a setting of a node or of the cluster");
        group->require_subcommand(1);
        auto* node = group->add_subcommand("node", "a setting of a node");
        node->require_subcommand(1);
        add_node_setting(*node, set, "candidate-priority", "rank in elections: 0 never, the highest first", action);
        add_node_setting(*node, set, "replication-quorum", "whether its confirmations count for commits", action);
        add_cluster_setting(*group, set, action);
    }
}

}  // namespace pgaf::ctl
