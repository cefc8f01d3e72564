#include "keeper/postgres/launcher_client.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/launcher_protocol.h"
#include "common/line_buffer.h"

namespace pgaf::keeper {
namespace {

namespace asio = boost::asio;
using Json = nlohmann::json;
using boost::system::error_code;
using Socket = asio::local::stream_protocol::socket;

/// The launcher answers these requests at once; one that is frozen or stuck must not hold up the keeper's loop.
constexpr std::chrono::seconds prompt_limit{5};
constexpr std::chrono::milliseconds first_pause{20};
constexpr std::chrono::milliseconds longest_pause{250};
/// The launcher does not read: requests are refused rather than kept.
constexpr std::size_t max_unsent_bytes = 1024 * 1024;

/// What a request ends with: the launcher's answer, or why there is none.
struct Answer {
    Json json;
    std::string error;
};

Answer unanswered(std::string why) {
    return {Json(), std::move(why)};
}

/// Fields of the launcher's lines; a missing or odd one reads as its default.
template <class T>
T field(const Json& json, const char* name, T fallback = {}) {
    const auto found = json.find(name);
    if (found == json.end()) return fallback;
    try {
        return found->get<T>();
    } catch (const Json::exception&) {
        return fallback;
    }
}

/// A function, since g++ 12 can't compile a braced list inside of a coroutine's co_await.
Json op(const char* name) {
    return {{"op", name}};
}

PostmasterExit read_exit(const Json& json) {
    return {field<std::string>(json, "status"), field<bool>(json, "clean"),
            field<std::vector<std::string>>(json, "last_lines")};
}

std::int64_t boot_time_ms() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return static_cast<std::int64_t>(time.tv_sec) * 1000 + time.tv_nsec / 1'000'000;
}

}  // namespace

/// Shared with the handlers under way, so that it outlives a client that is destroyed first.
struct LauncherClient::Impl : std::enable_shared_from_this<LauncherClient::Impl> {
    using Complete = std::function<void(Answer)>;
    struct RunUnderWay {
        OnLine on_line;
        bool cancelled = false;
    };

    Impl(asio::any_io_executor strand, std::string path)
        : executor(std::move(strand)), socket_path(std::move(path)), socket(executor), pause(executor) {}

    asio::any_io_executor executor;
    std::string socket_path;
    Socket socket;
    asio::steady_timer pause;
    std::function<void(const LauncherEvent&)> on_event;
    LauncherView view;
    std::string trouble = "not connected yet";
    /// Exits that earlier lives of the launcher had, plus one for each of those lives.
    std::uint64_t earlier_exits = 0;
    std::uint64_t next_id = 1;
    std::map<std::uint64_t, Complete> pending;
    std::map<std::uint64_t, RunUnderWay> runs;
    std::string unsent;
    bool writing = false;
    bool closed = false;

    asio::awaitable<void> keep_connected();
    asio::awaitable<void> serve_connection();
    bool on_line(const std::string& line);
    void on_hello(const Json& json);
    void on_launcher_event(const std::string& event, const Json& json);
    void take_fields(const Json& json);
    void lose_connection(const std::string& why);
    void emit(LauncherEvent::Kind kind, PostmasterExit exit = {});

    void write_more();
    void complete(std::uint64_t id, Answer answer);
    /// Sends a request; answers what stopped it, empty when nothing did.
    std::string send(Json request);
    asio::awaitable<Answer> wait(std::uint64_t id, std::function<void()> on_cancel);
    asio::awaitable<Answer> request(Json request);
    asio::awaitable<Answer> prompt_request(Json request);
    /// A prompt request whose answer holds nothing more; `doing` says what failed.
    asio::awaitable<Result<>> plain(Json request, const char* doing);
    asio::awaitable<Result<int>> run(Program program, OnLine on_line);
    void cancel_run(std::uint64_t id);
};

void LauncherClient::Impl::emit(LauncherEvent::Kind kind, PostmasterExit exit) {
    const auto callback = on_event;  // it may close the client
    if (callback) callback({kind, std::move(exit)});
}

asio::awaitable<void> LauncherClient::Impl::keep_connected() {
    const auto self = shared_from_this();
    auto wait_for = first_pause;
    while (!closed) {
        error_code failed;
        socket = Socket(executor);
        co_await socket.async_connect({socket_path}, asio::redirect_error(asio::use_awaitable, failed));
        if (!failed) {
            // Asio does not: a program that this process starts must not hold the connection open.
            ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
            wait_for = first_pause;
            trouble = "the launcher at " + socket_path + " does not say hello: is it stopped?";
            co_await serve_connection();
        } else {
            trouble = "no launcher at " + socket_path + ": " + failed.message() + ": is pgaf-launcher running?";
        }
        if (closed || (co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
            co_return;
        pause.expires_after(wait_for);
        wait_for = std::min(wait_for * 2, longest_pause);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, failed));
    }
}

asio::awaitable<void> LauncherClient::Impl::serve_connection() {
    LineBuffer buffer(launcher::max_line_bytes, LineBuffer::Overlong::refuse);
    std::array<char, 16 * 1024> bytes{};
    std::string why;
    while (why.empty()) {
        error_code failed;
        const auto got =
            co_await socket.async_read_some(asio::buffer(bytes), asio::redirect_error(asio::use_awaitable, failed));
        if (failed) {
            why = failed.message();
            break;
        }
        std::vector<std::string> lines;
        if (!buffer.feed({bytes.data(), got}, lines)) why = "it sent a line that is too long";
        for (const auto& line : lines)
            if (!on_line(line)) why = "it sent a line that makes no sense";
    }
    lose_connection("the connection to the launcher is lost (" + why + ")");
}

bool LauncherClient::Impl::on_line(const std::string& line) {
    const auto json = Json::parse(line, nullptr, false);
    if (!json.is_object()) return false;
    if (const auto event = field<std::string>(json, "event"); !event.empty()) {
        on_launcher_event(event, json);
        return true;
    }
    const auto id = field<std::uint64_t>(json, "id");
    const bool fine = field<bool>(json, "ok");
    if (fine && runs.contains(id)) return true;  // a program was started; it ends later
    // Here and not where the answer is waited for: an event may follow before that goes on.
    if (fine && json.contains("life")) take_fields(json);
    if (fine && json.contains("pid")) view.postmaster = field<pid_t>(json, "pid");
    complete(id, {json, fine ? std::string() : field<std::string>(json, "error", "the launcher refused")});
    return true;
}

void LauncherClient::Impl::on_launcher_event(const std::string& event, const Json& json) {
    if (event == "hello") return on_hello(json);
    if (event == "exited") {
        view.postmaster = 0;
        view.exits = earlier_exits + field<std::uint64_t>(json, "exits");
        view.last_exit = read_exit(json);
        emit(LauncherEvent::Kind::exited, *view.last_exit);
    } else if (event == "leaving") {
        view.leaving = true;
        emit(LauncherEvent::Kind::leaving);
    } else if (event == "deadline_expired") {
        emit(LauncherEvent::Kind::deadline_expired);
    } else if (event == "output") {
        const auto found = runs.find(field<std::uint64_t>(json, "run"));
        if (found == runs.end() || found->second.cancelled || !found->second.on_line) return;
        const auto on_line = found->second.on_line;  // it may end its own run
        on_line(field<std::string>(json, "stream"), field<std::string>(json, "text"));
    } else if (event == "run_ended") {
        complete(field<std::uint64_t>(json, "run"), {json, ""});
    }  // events of a newer launcher are none of this keeper's business
}

void LauncherClient::Impl::take_fields(const Json& json) {
    const auto life = field<std::string>(json, "life");
    // The postmaster dies with its launcher, so each life that ended is an exit that nobody could report.
    if (!view.life.empty() && view.life != life) earlier_exits = view.exits + 1;
    view.life = life;
    view.data_dir = field<std::string>(json, "data_dir");
    view.bin_dir = field<std::string>(json, "bin_dir");
    view.pg_version = field<std::string>(json, "pg_version");
    view.postmaster = field<pid_t>(json, "postmaster");
    view.exits = earlier_exits + field<std::uint64_t>(json, "exits");
    view.leaving = field<bool>(json, "leaving");
    view.last_exit.reset();
    if (const auto exit = json.find("last_exit"); exit != json.end() && exit->is_object())
        view.last_exit = read_exit(*exit);
}

void LauncherClient::Impl::on_hello(const Json& json) {
    take_fields(json);
    view.connected = true;
    trouble.clear();
    emit(LauncherEvent::Kind::connected);
}

void LauncherClient::Impl::lose_connection(const std::string& why) {
    error_code ignored;  // it is lost anyway
    socket.close(ignored);
    unsent.clear();
    trouble = why;
    const bool was_connected = std::exchange(view.connected, false);
    while (!pending.empty()) complete(pending.begin()->first, unanswered(why));
    if (was_connected) emit(LauncherEvent::Kind::disconnected);
}

void LauncherClient::Impl::complete(std::uint64_t id, Answer answer) {
    const auto found = pending.find(id);
    if (found == pending.end()) return;
    const auto handler = std::move(found->second);
    pending.erase(found);
    handler(std::move(answer));
}

std::string LauncherClient::Impl::send(Json request) {
    if (!view.connected) return trouble;
    const auto line = request.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    if (line.size() > launcher::max_line_bytes) return "the request is too long for the launcher";
    if (unsent.size() + line.size() > max_unsent_bytes) return "the launcher does not read: is it stopped?";
    unsent += line;
    if (!writing) write_more();
    return {};
}

void LauncherClient::Impl::write_more() {
    writing = true;
    const auto chunk = std::make_shared<std::string>(std::exchange(unsent, {}));
    asio::async_write(socket, asio::buffer(*chunk), [self = shared_from_this(), chunk](error_code failed, std::size_t) {
        self->writing = false;
        // A broken connection is told by the reading side.
        if (!failed && !self->unsent.empty()) self->write_more();
    });
}

/// Waits for complete(id). Unlike the usual operation it is not ended by a cancellation, but by what `on_cancel` brings
/// about: a program that was cancelled has to be gone before its caller goes on.
asio::awaitable<Answer> LauncherClient::Impl::wait(std::uint64_t id, std::function<void()> on_cancel) {
    return asio::async_initiate<const asio::use_awaitable_t<>, void(Answer)>(
        [this, id, on_cancel = std::move(on_cancel)](auto handler) {
            auto slot = asio::get_associated_cancellation_slot(handler);
            if (slot.is_connected())
                slot.assign([on_cancel](asio::cancellation_type type) {
                    if (type != asio::cancellation_type::none) on_cancel();
                });
            const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
            pending[id] = [shared, executor = executor](Answer answer) {
                // Not at once: complete() may run inside of an initiation or of a cancellation.
                asio::post(executor, [shared, answer = std::move(answer)]() mutable {
                    asio::get_associated_cancellation_slot(*shared).clear();
                    (*shared)(std::move(answer));
                });
            };
        },
        asio::use_awaitable);
}

asio::awaitable<Answer> LauncherClient::Impl::request(Json request) {
    const auto self = shared_from_this();
    const auto id = next_id++;
    request["id"] = id;
    if (auto stopped_by = send(std::move(request)); !stopped_by.empty()) co_return unanswered(std::move(stopped_by));
    co_return co_await wait(id, [this, id] { complete(id, unanswered("cancelled")); });
}

asio::awaitable<Answer> LauncherClient::Impl::prompt_request(Json json) {
    const auto id = next_id;  // the one that request() is about to use
    asio::steady_timer limit(executor, prompt_limit);
    limit.async_wait([self = shared_from_this(), id](error_code failed) {
        if (!failed) self->complete(id, unanswered("the launcher does not answer: is it stopped?"));
    });
    co_return co_await request(std::move(json));
}

asio::awaitable<Result<>> LauncherClient::Impl::plain(Json request, const char* doing) {
    const auto self = shared_from_this();
    const auto answer = co_await prompt_request(std::move(request));
    if (!answer.error.empty()) co_return error(std::string(doing) + ": " + answer.error);
    co_return Result<>{};
}

void LauncherClient::Impl::cancel_run(std::uint64_t id) {
    const auto found = runs.find(id);
    if (found == runs.end()) return;
    found->second.cancelled = true;
    if (auto stopped_by = send({{"id", next_id++}, {"op", "kill_run"}, {"run", id}}); !stopped_by.empty())
        complete(id, unanswered(std::move(stopped_by)));
}

asio::awaitable<Result<int>> LauncherClient::Impl::run(Program program, OnLine on_line) {
    const auto self = shared_from_this();
    const auto id = next_id++;
    auto request = op("run");
    request["id"] = id;
    request["program"] = program.name;
    request["args"] = program.args;
    request["env"] = program.env;
    if (const auto stopped_by = send(std::move(request)); !stopped_by.empty())
        co_return error(program.name + ": " + stopped_by);
    runs[id] = {std::move(on_line), false};
    const auto answer = co_await wait(id, [this, id] { cancel_run(id); });
    const bool cancelled = runs[id].cancelled;
    runs.erase(id);
    if (!answer.error.empty()) co_return error(program.name + ": " + answer.error);
    if (cancelled) co_return error(program.name + ": cancelled");
    co_return field<int>(answer.json, "code", -1);
}

LauncherClient::LauncherClient(asio::any_io_executor strand, std::string socket_path)
    : impl_(std::make_shared<Impl>(std::move(strand), std::move(socket_path))) {}

LauncherClient::~LauncherClient() {
    close();
}

void LauncherClient::on_event(std::function<void(const LauncherEvent&)> callback) {
    impl_->on_event = std::move(callback);
}

asio::awaitable<void> LauncherClient::keep_connected() {
    return impl_->keep_connected();
}

void LauncherClient::close() {
    if (std::exchange(impl_->closed, true)) return;
    impl_->on_event = nullptr;
    impl_->pause.cancel();
    impl_->lose_connection("the client was closed");
}

const LauncherView& LauncherClient::view() const {
    return impl_->view;
}
const std::string& LauncherClient::trouble() const {
    return impl_->trouble;
}

asio::awaitable<Result<pid_t>> LauncherClient::start(std::vector<std::string> args) {
    const auto impl = impl_;
    auto request = op("start");
    request["args"] = std::move(args);
    const auto answer = co_await impl->request(std::move(request));
    if (!answer.error.empty()) co_return error("starting PostgreSQL: " + answer.error);
    co_return field<pid_t>(answer.json, "pid");
}

asio::awaitable<Result<StopOutcome>> LauncherClient::stop(StopMode mode, std::optional<Millis> limit) {
    const auto impl = impl_;
    auto request = op("stop");
    request["mode"] = std::string(word(mode));
    if (limit) request["limit_ms"] = limit->v;
    const auto answer = co_await impl->request(std::move(request));
    if (!answer.error.empty()) co_return error("stopping PostgreSQL: " + answer.error);
    co_return StopOutcome{field<bool>(answer.json, "clean"), field<std::string>(answer.json, "status")};
}

asio::awaitable<Result<>> LauncherClient::reload() {
    return impl_->plain(op("reload"), "reloading PostgreSQL's configuration");
}

asio::awaitable<Result<>> LauncherClient::end_process(pid_t pid, std::optional<Millis> limit) {
    const auto impl = impl_;
    auto request = op("end_process");
    request["pid"] = pid;
    if (limit) request["limit_ms"] = limit->v;
    const auto answer = co_await impl->request(std::move(request));
    if (!answer.error.empty()) co_return error("ending process " + std::to_string(pid) + ": " + answer.error);
    co_return Result<>{};
}

asio::awaitable<Result<int>> LauncherClient::run(Program program, OnLine on_line) {
    const auto impl = impl_;
    co_return co_await impl->run(std::move(program), std::move(on_line));
}

asio::awaitable<Result<LauncherView>> LauncherClient::status() {
    const auto impl = impl_;
    const auto answer = co_await impl->prompt_request(op("status"));
    if (!answer.error.empty()) co_return error("asking the launcher: " + answer.error);
    co_return impl->view;
}

asio::awaitable<Result<>> LauncherClient::let_go() {
    return impl_->plain(op("let_go"), "letting the launcher go");
}

asio::awaitable<Result<>> LauncherClient::deadline(Millis limit) {
    auto request = op("deadline");
    request["ms"] = limit.v;
    if (limit.v > 0) request["until_ms"] = boot_time_ms() + limit.v;
    return impl_->plain(std::move(request), "renewing the launcher's deadline");
}

}  // namespace pgaf::keeper
