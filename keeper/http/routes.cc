#include "keeper/http/routes.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/metrics/family.h"
#include "keeper/http/cluster_documents.h"
#include "keeper/http/status.h"

namespace pgaf::keeper {
namespace {

using Json = nlohmann::json;
using http::Response;

constexpr unsigned ok = 200;
constexpr unsigned bad_request = 400;
constexpr unsigned not_found = 404;
constexpr unsigned unavailable = 503;
constexpr const char* json_type = "application/json";

/// One question.
struct Asked {
    const LoopView& view;
    const Query& query;
    const Sources& sources;
};

/// A text of PostgreSQL or of the system may be in any encoding: what is no UTF-8 is replaced.
Response document(unsigned code, const Json& json) {
    return {code, json_type, json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Response plain(const Asked& a, bool holds) {
    return document(holds ? ok : unavailable, status_document(a.view, a.sources.tags));
}

/// A condition on a standby, with what the query adds to it.
Response narrowed(const Asked& a, bool holds) {
    const Narrowed n = narrow(a.view, a.sources.tags, a.query);
    if (!n.wrong.empty()) return document(bad_request, {{"error", n.wrong}});
    return plain(a, holds && n.holds);
}

bool replica(const Asked& a) {
    return is_replica(a.view, a.sources.tags);
}
bool synchronous(const Asked& a) {
    return replica(a) && in_sync_rule(a.view) == true;
}

Response primary(const Asked& a) {
    return plain(a, is_primary(a.view));
}
Response a_replica(const Asked& a) {
    return narrowed(a, replica(a));
}
/// Of a primary that readers may take too: it has no lag, but it has tags.
Response primary_for_readers(const Asked& a) {
    return plain(a, has_tags(a.sources.tags, a.query));
}
Response read_only(const Asked& a) {
    return is_primary(a.view) ? primary_for_readers(a) : narrowed(a, replica(a));
}
Response sync(const Asked& a) {
    return narrowed(a, synchronous(a));
}
Response read_only_sync(const Asked& a) {
    return is_primary(a.view) ? primary_for_readers(a) : narrowed(a, synchronous(a));
}
/// Of a node that nobody has told about the rule neither is said.
Response async(const Asked& a) {
    return narrowed(a, replica(a) && in_sync_rule(a.view) == false);
}
Response health(const Asked& a) {
    return plain(a, a.view.facts.status == PgStatus::running);
}
Response liveness(const Asked& a) {
    return plain(a, a.view.since_progress <= liveness_limit);
}
Response readiness(const Asked& a) {
    return is_primary(a.view) ? plain(a, is_ready(a.view, a.query)) : narrowed(a, is_ready(a.view, a.query));
}
Response status(const Asked& a) {
    return plain(a, true);
}
Response cluster(const Asked& a) {
    return document(ok, cluster_document(a.view));
}
Response history(const Asked& a) {
    return document(ok, history_document(a.view));
}
Response configuration(const Asked& a) {
    return document(ok, config_document(a.view));
}
Response metrics(const Asked& a) {
    return {ok, pgaf::metrics::content_type, a.sources.metrics ? a.sources.metrics(a.view) : ""};
}

struct Route {
    const char* path;
    Response (*answer)(const Asked&);
};
constexpr Route routes[] = {
    {"/", primary},
    {"/primary", primary},
    {"/read-write", primary},
    {"/master", primary},
    // The same as /primary as long as there are no standby clusters.
    {"/leader", primary},
    {"/replica", a_replica},
    {"/read-only", read_only},
    {"/synchronous", sync},
    {"/sync", sync},
    {"/quorum", sync},
    {"/read-only-sync", read_only_sync},
    {"/read-only-quorum", read_only_sync},
    {"/asynchronous", async},
    {"/async", async},
    {"/health", health},
    {"/liveness", liveness},
    {"/readiness", readiness},
    {"/patroni", status},
    {"/status", status},
    {"/cluster", cluster},
    {"/history", history},
    {"/config", configuration},
    {"/metrics", metrics},
};

}  // namespace

Response answer(const LoopView& view, const http::Request& request, const Sources& sources) {
    const auto found = std::find_if(std::begin(routes), std::end(routes),
                                    [&](const Route& route) { return request.path == route.path; });
    if (found == std::end(routes)) return document(not_found, {{"error", "no such path: " + request.path}});
    return found->answer({view, request.query, sources});
}

std::vector<std::string> paths() {
    std::vector<std::string> all;
    for (const Route& route : routes) all.emplace_back(route.path);
    return all;
}

}  // namespace pgaf::keeper
