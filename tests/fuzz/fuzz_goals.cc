// A keeper against a monitor that sends whatever goals the protocol's types allow: read from the wire, judged,
// promised, and acted on over servers in several conditions. What has to hold: a promise never goes down (R2, I4), a
// goal for another incarnation is never accepted, the state file gives back what was promised, nothing opens under a
// goal that does not name this node primary.
#include <tuple>

#include "common/json.h"
#include "common/wire/convert.h"
#include "keeper/reconcile/reconcile.h"
#include "keeper/reconcile/report.h"
#include "pgaf/v1/keeper.pb.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_session.pb.h"
#include "tests/fuzz/message_mutator.h"

PGAF_FUZZ_MESSAGES(pgaf::fuzz::Goals)

namespace pgaf::keeper {
namespace {

using fuzz::require;

/// A data folder that is empty, a server that is down, one that follows, one that is read-write.
std::vector<Facts> conditions(const Promise& promise) {
    Facts absent;
    absent.status = PgStatus::absent;
    absent.launcher_connected = true;
    Facts down = absent;
    down.status = PgStatus::stopped;
    down.folder_incarnation = promise.incarnation;
    down.system_id = SystemId{"77"};
    down.timeline = Timeline{1};
    down.end = down.complete = down.replayed = Lsn{0x3000028};
    down.end_exact = true;
    Facts follows = down;
    follows.status = PgStatus::running;
    follows.in_recovery = true;
    follows.end_exact = false;
    follows.following = NodeName{"b"};
    follows.receiver.streaming = true;
    Facts primary = follows;
    primary.in_recovery = false;
    primary.following = {};
    primary.receiver = {};
    primary.open_to_clients = true;
    return {absent, down, follows, primary};
}

bool opens(const Step& step) {
    return std::holds_alternative<StartPrimary>(step) || std::holds_alternative<Promote>(step) ||
           std::holds_alternative<OpenToClients>(step) || std::holds_alternative<ApplyRule>(step);
}

void act(const Promise& promise) {
    Run run;
    run.boot = BootId{"00000000000000b1"};
    run.next = IncarnationId{"00000000000000a2"};
    run.goal_received = run.monitor_in_reach = true;
    for (const Facts& facts : conditions(promise)) {
        const auto decision = reconcile(promise, run, facts);
        require(decision.step || decision.settled || !decision.waiting.empty() || !decision.problem.empty(),
                "something is done, or said");
        if (decision.step && opens(*decision.step))
            require(promise.goal && promise.goal->role == Role::primary, "only a primary's goal opens a server");
        const auto report = make_report(promise, run, facts, {}, decision.problem);
        static_cast<void>(wire::to_wire(report));
    }
}

}  // namespace
}  // namespace pgaf::keeper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pgaf;
    using fuzz::require;
    fuzz::Goals goals;
    if (!goals.ParseFromArray(data, static_cast<int>(size))) return 0;
    keeper::Promise promise;
    promise.cluster = ClusterName{"main"};
    promise.node = NodeName{"a"};
    promise.incarnation = IncarnationId{"6131000000000000"};
    promise.has_folder = true;
    for (const auto& message : goals.goals()) {
        const auto goal = wire::from_wire(message);
        if (!goal) {
            require(!goal.error().message.empty(), "a refusal says why");
            continue;
        }
        const auto verdict = keeper::judge(promise, *goal);
        require(verdict.accepted == verdict.why.empty(), "a goal that is refused is told why");
        if (!verdict.accepted) continue;
        const auto before = promise.promised;
        promise = keeper::accept(promise, *goal);
        const auto order = [](const Stamp& s) { return std::tuple(s.epoch, s.term, s.version); };
        require(order(promise.promised) >= order(before), "I4: what is promised never goes down (R2)");
        require(promise.goal->incarnation == promise.incarnation, "R2: only goals for this incarnation");
        const auto again = from_json<keeper::Promise>(to_json(promise));
        require(again && *again == promise, "R2: what is promised is remembered");
        keeper::act(promise);
    }
    return 0;
}
