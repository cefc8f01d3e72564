#include "monitor/http/routes.h"

#include <charconv>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>
#include <variant>

#include "monitor/http/documents.h"
#include "monitor/http/page.h"
#include "monitor/service/messages.h"

namespace pgaf::monitor {
namespace {

using http::Request;
using http::Response;
using Json = nlohmann::ordered_json;

constexpr std::uint32_t usual_events = 100;
constexpr std::uint32_t most_events = 1000;
/// A stream that is taken up again begins with at most so many of the events that its client has missed.
constexpr std::uint32_t most_missed = 500;

constexpr auto paths =
    "no such path; there are /, /healthz, /readyz, /metrics, /api/v1/stream, /api/v1/clusters and, for each cluster, "
    "/api/v1/clusters/{name}, /api/v1/clusters/{name}/events and /api/v1/clusters/{name}/stream";

Response json(unsigned status, const Json& body) {
    return {status, "application/json", body.dump() + "\n"};
}
Response problem(unsigned status, const std::string& message) {
    return json(status, Json{{"error", message}});
}

/// What the strand has to say to a request: an answer, what an answer is made of elsewhere, or where a stream begins.
using Outcome = std::variant<Response, metrics::Families, Feed::Beginning>;

class Routes {
  public:
    explicit Routes(RoutesWorld world)
        : world_(std::move(world)), feed_(world_.context, world_.post, world_.coordinator, world_.times) {}

    Response answer(const Request& request) {
        if (auto page = page_response(request)) return *page;
        // Broken programs are the strand's business; what a request can hold makes no function below throw.
        auto outcome = ask([this, request] { return route(request); });
        if (!outcome) return problem(503, "the monitor's main loop does not answer; look at its log and at its disk");
        if (auto* figures = std::get_if<metrics::Families>(&*outcome))
            return {200, metrics::content_type, metrics_text(std::move(*figures), world_.counts)};
        if (auto* beginning = std::get_if<Feed::Beginning>(&*outcome)) {
            Response response{200, "text/event-stream", {}};
            response.stream = feed_.open(std::move(*beginning));
            return response;
        }
        return std::get<Response>(std::move(*outcome));
    }

  private:
    /// Runs on the strand and waits for it. Nothing: it took too long.
    std::optional<Outcome> ask(std::function<Outcome()> question) {
        // Shared: an answer that comes too late still has somewhere to go.
        const auto promise = std::make_shared<std::promise<Outcome>>();
        auto future = promise->get_future();
        world_.post([promise, question = std::move(question)] { promise->set_value(question()); });
        if (future.wait_for(world_.patience) != std::future_status::ready) return std::nullopt;
        return future.get();
    }

    Outcome route(const Request& request) {
        const bool deciding = world_.coordinator.deciding();
        if (request.path == "/healthz") return json(200, Json{{"status", "ok"}});
        if (request.path == "/readyz")
            return deciding ? json(200, Json{{"status", "ready"}}) : problem(503, "the monitor is stopping");
        if (request.path == "/metrics") return world_.metrics.collect(world_.coordinator);
        static const std::string root = "/api/v1/clusters";
        if (request.path == root) return clusters();
        if (request.path.rfind(root + "/", 0) == 0) return below(request.path.substr(root.size() + 1), request);
        if (request.path == "/api/v1/stream") return feed_.begin(StreamKind::monitor, {}, {}, false);
        return problem(404, paths);
    }

    Response clusters() {
        Json all = Json::array();
        for (const ClusterName& name : world_.coordinator.names()) all.push_back(state(*world_.coordinator.find(name)));
        return json(200, Json{{"clusters", all}});
    }
    [[nodiscard]] Json state(const fsm::Heart& heart) const {
        return state_document(state_view(world_.coordinator, heart));
    }

    /// {name}, {name}/events and {name}/stream.
    Outcome below(const std::string& rest, const Request& request) {
        const auto slash = rest.find('/');
        const ClusterName name{rest.substr(0, slash)};
        const fsm::Heart* heart = world_.coordinator.find(name);
        if (!heart) return problem(404, "no such cluster; /api/v1/clusters lists them");
        if (slash == std::string::npos) return json(200, state(*heart));
        const std::string what = rest.substr(slash);
        if (what == "/stream") return events(name, request, StreamKind::cluster);
        if (what != "/events") return problem(404, paths);
        if (wants_stream(request)) return events(name, request, StreamKind::events);
        return events(name, request, std::nullopt);
    }

    static bool wants_stream(const Request& request) {
        const auto accept = request.headers.find("accept");
        return accept != request.headers.end() && accept->second.find("text/event-stream") != std::string::npos;
    }

    /// As a document, or as a stream that goes on.
    Outcome events(const ClusterName& name, const Request& request, std::optional<StreamKind> stream) {
        EventQuery query{.cluster = name};
        std::uint64_t limit = usual_events;
        std::uint64_t since = 0;
        bool good = number(request.query, "after", query.after) && number(request.query, "limit", limit) &&
                    number(request.query, "since_unix_ms", since);
        // A browser that takes a stream up again says where it stopped; the address is still the one it began with.
        if (stream) good = good && number(request.headers, "last-event-id", query.after);
        if (!good) return problem(400, "after, since_unix_ms, limit and Last-Event-ID are whole numbers");
        // A log that ends before what the client has seen is another one: the store was lost since.
        const bool another = stream && query.after > world_.coordinator.last_event(name);
        if (another) query.after = 0;
        const bool resumed = stream && query.after != 0;
        query.limit = static_cast<std::uint32_t>(std::min<std::uint64_t>(limit, stream ? most_missed : most_events));
        if (resumed) query.limit = most_missed;
        query.since_unix_ms = static_cast<std::int64_t>(since);
        const auto found = world_.coordinator.events(query);
        if (!found) return problem(503, found.error().message);
        if (stream) return feed_.begin(*stream, name, *found, another || (resumed && found->size() == most_missed));
        Json all = Json::array();
        for (const Event& event : *found) all.push_back(event_document(event));
        return json(200, Json{{"events", all}});
    }

    /// False: that key is there, and its value is no number below 2^63. Without the key the value stays.
    static bool number(const std::map<std::string, std::string>& given, const std::string& key, std::uint64_t& value) {
        const auto found = given.find(key);
        if (found == given.end()) return true;
        const std::string& text = found->second;
        const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
        return failure == std::errc{} && stop == text.data() + text.size() && value >> 63U == 0;
    }

    RoutesWorld world_;
    Feed feed_;
};

}  // namespace

http::Handler make_routes(RoutesWorld world) {
    auto routes = std::make_shared<Routes>(std::move(world));
    return [routes](const Request& request) { return routes->answer(request); };
}

}  // namespace pgaf::monitor
