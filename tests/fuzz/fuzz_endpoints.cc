// What a keeper answers over HTTP, for whatever it is asked and whatever a monitor has told it of itself and of the
// cluster: a code that the interface knows, documents that are JSON in UTF-8, and 200 to who looks for the primary only
// from a node whose promised goal says so.
#include <nlohmann/json.hpp>
#include <set>

#include "common/http/target.h"
#include "common/wire/convert.h"
#include "keeper/http/routes.h"
#include "keeper/reconcile/reconcile.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_session.pb.h"
#include "tests/fuzz/message_mutator.h"

PGAF_FUZZ_MESSAGES(pgaf::fuzz::Asked)

namespace pgaf::keeper {
namespace {

using fuzz::require;

/// A node that was told the goal and the cluster, with a server that follows, or one that is read-write.
LoopView view_of(const fuzz::Asked& asked) {
    LoopView view;
    view.promise.cluster = ClusterName{"main"};
    view.promise.node = NodeName{"a"};
    view.promise.incarnation = IncarnationId{"6131000000000000"};
    view.promise.has_folder = true;
    const auto goal = wire::from_wire(asked.goal());
    if (goal && judge(view.promise, *goal).accepted) view.promise = accept(view.promise, *goal);
    view.facts.status = PgStatus::running;
    view.facts.launcher_connected = true;
    view.facts.open_to_clients = true;
    view.facts.in_recovery = asked.in_recovery();
    view.facts.receiver.streaming = asked.in_recovery();
    view.facts.replayed = Lsn{0x3000028};
    view.run.goal_received = true;
    view.run.monitor_in_reach = true;
    if (const auto cluster = wire::from_wire(asked.view())) {
        view.cluster = *cluster;
        view.cluster_age = Millis{100};
    } else {
        require(!cluster.error().message.empty(), "a refusal says why");
    }
    return view;
}

void ask(const LoopView& view, const Sources& sources, http::Request request) {
    const auto given = answer(view, request, sources);
    require(given.status == 200 || given.status == 400 || given.status == 404 || given.status == 503, "a known code");
    if (given.content_type == "application/json")
        require(nlohmann::json::accept(given.body), "a document is JSON");  // only UTF-8 is
    static const std::set<std::string> of_a_primary{"/", "/primary", "/read-write", "/master", "/leader"};
    if (of_a_primary.contains(request.path) && given.status == 200)
        require(view.promise.goal && view.promise.goal->role == Role::primary && !view.facts.in_recovery,
                "only the primary says that it is one");
}

}  // namespace
}  // namespace pgaf::keeper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pgaf;
    fuzz::Asked asked;
    if (!asked.ParseFromArray(data, static_cast<int>(size))) return 0;
    const auto view = keeper::view_of(asked);
    keeper::Sources sources{{asked.tags().begin(), asked.tags().end()}, [](const keeper::LoopView&) { return ""; }};
    const auto target = http::parse_target(asked.target());
    for (const std::string& path : keeper::paths())
        keeper::ask(view, sources, {.method = "GET", .path = path, .query = target ? target->query : keeper::Query{}});
    if (target) keeper::ask(view, sources, {.method = "GET", .path = target->path, .query = target->query});
    return 0;
}
