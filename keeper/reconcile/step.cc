#include "keeper/reconcile/step.h"

namespace pgaf::keeper {
namespace {

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

std::string rule_text(const NamedRule& rule) {
    if (rule.rule.asynchronous()) return "asynchronous replication (rule " + std::to_string(rule.id.v) + ")";
    return "sync rule " + std::to_string(rule.id.v) + " (" + std::to_string(rule.rule.k) + " of " +
           std::to_string(rule.rule.members.size()) + ")";
}

}  // namespace

std::string step_name(const Step& step) {
    return std::visit(
        Overloaded{[](const Initialise&) { return "Initialise"; }, [](const Adopt&) { return "Adopt"; },
                   [](const StartPrimary&) { return "StartPrimary"; },
                   [](const StartStandby&) { return "StartStandby"; }, [](const Follow&) { return "Follow"; },
                   [](const Fence&) { return "Fence"; }, [](const Promote&) { return "Promote"; },
                   [](const ApplyRule&) { return "ApplyRule"; }, [](const OpenToClients&) { return "OpenToClients"; },
                   [](const CloseToClients&) { return "CloseToClients"; },
                   [](const Checkpoint&) { return "Checkpoint"; }, [](const Stop&) { return "Stop"; },
                   [](const Rewind&) { return "Rewind"; }, [](const Clone&) { return "Clone"; },
                   [](const DropTornTail&) { return "DropTornTail"; }, [](const UpdatePeers&) { return "UpdatePeers"; },
                   [](const ResumeReplay&) { return "ResumeReplay"; }},
        step);
}

std::string step_text(const Step& step) {
    return std::visit(
        Overloaded{
            [](const Initialise&) -> std::string { return "initialising a new data folder"; },
            [](const Adopt&) -> std::string { return "adopting the data folder"; },
            [](const StartPrimary&) -> std::string { return "starting PostgreSQL as primary"; },
            [](const StartStandby& s) -> std::string {
                return "starting PostgreSQL as a standby" +
                       (s.upstream.empty() ? std::string{} : " of " + s.upstream.v);
            },
            [](const Follow& s) -> std::string { return "following " + s.upstream.v; },
            [](const Fence&) -> std::string { return "fencing: ending replication and reading the end of WAL"; },
            [](const Promote& s) -> std::string { return "promoting to timeline " + std::to_string(s.timeline.v); },
            [](const ApplyRule& s) -> std::string { return "bringing " + rule_text(s.rule) + " into force"; },
            [](const OpenToClients& s) -> std::string {
                return s.rule.rule.asynchronous() ? "opening to clients"
                                                  : "waiting for " + std::to_string(s.rule.rule.k) +
                                                        " standby(s) to have all WAL before clients are let in";
            },
            [](const CloseToClients&) -> std::string { return "closing to clients"; },
            [](const Checkpoint&) -> std::string { return "making a checkpoint"; },
            [](const Stop& s) -> std::string { return "stopping PostgreSQL (" + std::string(word(s.mode)) + ")"; },
            [](const Rewind& s) -> std::string { return "rewinding against " + s.upstream.v; },
            [](const Clone& s) -> std::string { return "cloning from " + s.upstream.v; },
            [](const DropTornTail&) -> std::string { return "moving a torn end of WAL aside"; },
            [](const UpdatePeers&) -> std::string { return "updating access and slots for the cluster's nodes"; },
            [](const ResumeReplay& s) -> std::string { return "resuming replay, to follow " + s.upstream.v; }},
        step);
}

std::string step_reason(const Step& step) {
    if (const auto* rewind = std::get_if<Rewind>(&step)) return rewind->why;
    if (const auto* clone = std::get_if<Clone>(&step)) return clone->why;
    return {};
}

}  // namespace pgaf::keeper
