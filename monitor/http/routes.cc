#include "monitor/http/routes.h"

#include <charconv>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>

#include "monitor/http/documents.h"
#include "monitor/service/messages.h"

namespace pgaf::monitor {
namespace {

using http::Request;
using http::Response;
using Json = nlohmann::ordered_json;

constexpr std::uint32_t usual_events = 100;
constexpr std::uint32_t most_events = 1000;

Response json(unsigned status, const Json& body) {
    return {status, "application/json", body.dump() + "\n"};
}
Response problem(unsigned status, const std::string& message) {
    return json(status, Json{{"error", message}});
}

class Routes {
  public:
    Routes(Post post, Coordinator& coordinator, Metrics& metrics, std::chrono::milliseconds patience)
        : post_(std::move(post)), coordinator_(coordinator), metrics_(metrics), patience_(patience) {}

    Response answer(const Request& request) {
        // Broken programs are the strand's business; what a request can hold makes no function below throw.
        return ask([this, request] { return route(request); })
            .value_or(problem(503, "the monitor's main loop does not answer; look at its log and at its disk"));
    }

  private:
    /// Runs on the strand and waits for it. Nothing: it took too long.
    std::optional<Response> ask(std::function<Response()> question) {
        // Shared: an answer that comes too late still has somewhere to go.
        const auto promise = std::make_shared<std::promise<Response>>();
        auto future = promise->get_future();
        post_([promise, question = std::move(question)] { promise->set_value(question()); });
        if (future.wait_for(patience_) != std::future_status::ready) return std::nullopt;
        return future.get();
    }

    Response route(const Request& request) {
        if (request.path == "/healthz") return json(200, Json{{"status", "ok"}});
        if (request.path == "/readyz") {
            return coordinator_.deciding() ? json(200, Json{{"status", "ready"}})
                                           : problem(503, "the monitor is stopping");
        }
        if (request.path == "/metrics")
            return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_.render(coordinator_)};
        static const std::string root = "/api/v1/clusters";
        if (request.path == root) return clusters();
        if (request.path.rfind(root + "/", 0) == 0) return below(request.path.substr(root.size() + 1), request);
        return problem(404, "no such path; there are /healthz, /readyz, /metrics, /api/v1/clusters");
    }

    Response clusters() {
        Json all = Json::array();
        for (const ClusterName& name : coordinator_.names())
            all.push_back(document(state_message(coordinator_, *coordinator_.find(name))));
        return json(200, Json{{"clusters", all}});
    }

    /// {name} and {name}/events.
    Response below(const std::string& rest, const Request& request) {
        const auto slash = rest.find('/');
        const ClusterName name{rest.substr(0, slash)};
        const fsm::Heart* heart = coordinator_.find(name);
        if (!heart) return problem(404, "no such cluster; /api/v1/clusters lists them");
        if (slash == std::string::npos) return json(200, document(state_message(coordinator_, *heart)));
        if (rest.substr(slash) == "/events") return events(name, request);
        return problem(404, "no such path; there are /api/v1/clusters/{name} and /api/v1/clusters/{name}/events");
    }

    Response events(const ClusterName& name, const Request& request) {
        EventQuery query{.cluster = name};
        std::uint64_t limit = usual_events;
        std::uint64_t since = 0;
        if (!number(request, "after", query.after) || !number(request, "limit", limit) ||
            !number(request, "since_unix_ms", since)) {
            return problem(400, "after, since_unix_ms and limit are whole numbers");
        }
        query.limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(limit, most_events));
        query.since_unix_ms = static_cast<std::int64_t>(since);
        const auto found = coordinator_.events(query);
        if (!found) return problem(503, found.error().message);
        Json all = Json::array();
        for (const Event& event : *found) all.push_back(document(event_message(event)));
        return json(200, Json{{"events", all}});
    }

    /// False: the query has that key, and its value is no number below 2^63. Without the key the value stays.
    static bool number(const Request& request, const std::string& key, std::uint64_t& value) {
        const auto found = request.query.find(key);
        if (found == request.query.end()) return true;
        const std::string& text = found->second;
        const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
        return failure == std::errc{} && stop == text.data() + text.size() && value >> 63U == 0;
    }

    Post post_;
    Coordinator& coordinator_;
    Metrics& metrics_;
    std::chrono::milliseconds patience_;
};

}  // namespace

http::Handler make_routes(Post post, Coordinator& coordinator, Metrics& metrics, std::chrono::milliseconds patience) {
    auto routes = std::make_shared<Routes>(std::move(post), coordinator, metrics, patience);
    return [routes](const Request& request) { return routes->answer(request); };
}

}  // namespace pgaf::monitor
