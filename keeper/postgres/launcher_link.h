// Inside of launcher_client: the connection to the launcher's socket, and requests and answers on it. The calls of
// LauncherClient (launcher_client.cc) are made of these.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "keeper/postgres/launcher_client.h"

namespace pgaf::keeper {

/// What a request ends with: the launcher's answer, or why there is none.
struct LauncherAnswer {
    nlohmann::json json;
    std::string error;
};

/// Fields of the launcher's lines; a missing or odd one, or a number that T can't hold, reads as its default.
template <class T>
T launcher_field(const nlohmann::json& json, const char* name, T fallback = {}) {
    const auto found = json.find(name);
    if (found == json.end()) return fallback;
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        // get() would convert fractions, and cut what is too large.
        if (found->is_number_unsigned())
            return std::in_range<T>(found->get<std::uint64_t>()) ? found->get<T>() : fallback;
        if (!found->is_number_integer() || !std::in_range<T>(found->get<std::int64_t>())) return fallback;
    }
    try {
        return found->get<T>();
    } catch (const nlohmann::json::exception&) {
        return fallback;
    }
}

/// A request without arguments. A function, since g++ 12 can't compile a braced list inside of a coroutine's co_await.
[[nodiscard]] nlohmann::json launcher_op(const char* name);

/// Shared with the handlers under way, so that it outlives a client that is destroyed first.
struct LauncherClient::Impl : std::enable_shared_from_this<LauncherClient::Impl> {
    using Complete = std::function<void(LauncherAnswer)>;
    struct RunUnderWay {
        OnLine on_line;
        bool cancelled = false;
    };

    Impl(boost::asio::any_io_executor strand, std::string path)
        : executor(std::move(strand)), socket_path(std::move(path)), socket(executor), pause(executor) {}

    boost::asio::any_io_executor executor;
    std::string socket_path;
    boost::asio::local::stream_protocol::socket socket;
    boost::asio::steady_timer pause;
    std::function<void(const LauncherEvent&)> on_event;
    LauncherView view;
    std::string trouble = "not connected yet";
    /// Exits that earlier lives of the launcher had, plus one for each of those lives.
    std::uint64_t earlier_exits = 0;
    std::uint64_t next_id = 1;
    /// The request whose answer ends view.starting; 0 when it is another keeper's, whose end an event tells.
    std::uint64_t start_id = 0;
    std::map<std::uint64_t, Complete> pending;
    std::map<std::uint64_t, RunUnderWay> runs;
    std::string unsent;
    bool writing = false;
    bool closed = false;

    boost::asio::awaitable<void> keep_connected();
    boost::asio::awaitable<void> serve_connection();
    bool on_line(const std::string& line);
    void on_hello(const nlohmann::json& json);
    void on_launcher_event(const std::string& event, const nlohmann::json& json);
    void take_fields(const nlohmann::json& json);
    void count_exits(const nlohmann::json& json);
    void lose_connection(const std::string& why);
    void emit(LauncherEvent::Kind kind, PostmasterExit exit = {});

    void write_more();
    void complete(std::uint64_t id, LauncherAnswer answer);
    /// Sends a request; answers what stopped it, empty when nothing did.
    std::string send(nlohmann::json request);
    boost::asio::awaitable<LauncherAnswer> wait(std::uint64_t id, std::function<void()> on_cancel);
    boost::asio::awaitable<LauncherAnswer> request(nlohmann::json request);
    /// Cannot be cancelled before its answer; view.starting meanwhile.
    boost::asio::awaitable<LauncherAnswer> start(nlohmann::json request);
    void start_over();
    boost::asio::awaitable<LauncherAnswer> prompt_request(nlohmann::json request);
    /// A prompt request whose answer holds nothing more; `doing` says what failed.
    boost::asio::awaitable<Result<>> plain(nlohmann::json request, const char* doing);
    boost::asio::awaitable<Result<int>> run(Program program, OnLine on_line);
    void cancel_run(std::uint64_t id);
};

}  // namespace pgaf::keeper
