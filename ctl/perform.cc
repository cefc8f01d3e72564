// perform switchover|failover|promotion|rebuild, and how any long operation is run: its events as they come, then the
// result.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/commands.h"
#include "ctl/documents.h"
#include "ctl/tables.h"
#include "ctl/text.h"
#include "pgaf/v1/admin.pb.h"

namespace pgaf::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t operation_limit_ms = 60'000;

v1::OperationRequest request_of(const Session& session, const Operation& operation) {
    v1::OperationRequest request;
    request.set_cluster(session.cluster());
    request.set_kind(operation.kind);
    request.set_node(operation.node);
    request.set_allow_data_loss(operation.allow_data_loss);
    request.set_allow_failover(operation.allow_failover);
    request.set_force(operation.force);
    request.set_dry_run(session.dry_run());
    return request;
}

/// Asks, after the monitor has said what it would do. True: go on.
bool confirm(Session& session, const Operation& operation, int& exit_code) {
    std::string what = operation.confirmation;
    if (session.asks()) {
        auto request = request_of(session, operation);
        request.set_dry_run(true);
        v1::OperationResult preview;
        const auto outcome =
            session.client(operation_limit_ms).perform(request, [&](const v1::OperationUpdate& update) {
                if (update.has_result()) preview = update.result();
            });
        if (!outcome.ok() || !preview.ok()) {
            exit_code = session.fail(outcome.ok() ? Outcome{exit_refused, preview.message()} : outcome);
            return false;
        }
        what += "\n" + printable(preview.message());
    }
    return session.confirmed(what, exit_code);
}

/// "switchover done: node2 is primary, writes paused for 0.13 s"
std::string closing_line(const Operation& operation, const v1::OperationResult& result) {
    const std::string message = printable(result.message());
    if (!result.has_write_pause_ms()) return message;
    const bool says_pause = message.find("writes paused") != std::string::npos;
    return operation.kind + " done: " + message +
           (says_pause ? "" : ", writes paused for " + measured_text(result.write_pause_ms()));
}

}  // namespace

int perform(Session& session, const Operation& operation) {
    int exit_code = exit_done;
    if (!operation.confirmation.empty() && !session.dry_run() && !confirm(session, operation, exit_code))
        return exit_code;
    Json events = Json::array();
    v1::OperationResult result;
    const auto each = [&](const v1::OperationUpdate& update) {
        if (update.has_result()) result = update.result();
        if (!update.has_event()) return;
        if (session.format() == Format::table)
            session.terminal().out << progress_line(update.event()) << std::flush;
        else
            events.push_back(event_document(update.event()));
    };
    const auto outcome = session.client(operation_limit_ms).perform(request_of(session, operation), each);
    if (!outcome.ok()) return session.fail(outcome);
    if (session.format() == Format::table && !result.ok())
        return session.fail({exit_refused, printable(result.message())});
    Json document = result_document(result);
    document["dry_run"] = session.dry_run();
    document["events"] = std::move(events);
    session.show(document, [&] { return closing_line(operation, result) + "\n"; });
    return result.ok() ? exit_done : exit_refused;
}

void add_perform(CLI::App& app, Action& action) {
    auto* group = app.add_subcommand("perform", "switchover, failover, promotion, rebuild");
    group->require_subcommand(1);
    auto wanted = std::make_shared<Operation>();
    const auto go = [wanted, &action](const std::string& kind) {
        return [wanted, kind, &action] {
            wanted->kind = kind;
            if (wanted->allow_data_loss) wanted->confirmation = "A failover that may lose acknowledged commits.";
            action = [wanted](Session& session) { return perform(session, *wanted); };
        };
    };
    auto* switchover = group->add_subcommand("switchover", "move the primary, planned, and say how long writes paused");
    switchover->add_option("--to", wanted->node, "the node to become primary (default: the best candidate)");
    switchover->callback(go("switchover"));
    auto* failover = group->add_subcommand("failover", "replace the primary now, whether it answers or not");
    failover->add_flag("--allow-data-loss", wanted->allow_data_loss,
                       "also when the nodes in reach may lack acknowledged commits");
    failover->callback(go("failover"));
    auto* promotion = group->add_subcommand("promotion", "make a certain node the primary");
    promotion->add_option("name,--name", wanted->node, "the node to become primary")->required();
    promotion->callback(go("promotion"));
    auto* rebuild = group->add_subcommand(
        "rebuild", "after the monitor's store was lost: rebuild the cluster's record without waiting for more nodes");
    rebuild->callback([wanted, &action] {
        wanted->kind = "rebuild";
        wanted->confirmation =
            "The record of the cluster is rebuilt from what the nodes in reach have promised. A node that is left out "
            "may know of a newer primary, and then commits that were acknowledged may be lost: first make sure that it "
            "is down, and that it is gone for good.";
        action = [wanted](Session& session) { return perform(session, *wanted); };
    });
}

}  // namespace pgaf::ctl
