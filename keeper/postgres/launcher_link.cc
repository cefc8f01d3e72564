#include "keeper/postgres/launcher_link.h"

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
#include <nlohmann/json.hpp>
#include <utility>

#include "common/launcher_protocol.h"
#include "common/line_buffer.h"

namespace pgaf::keeper {
namespace {

namespace asio = boost::asio;
using Answer = LauncherAnswer;
using Json = nlohmann::json;
using boost::system::error_code;
using Socket = asio::local::stream_protocol::socket;

/// The launcher answers these requests at once; one that is frozen or stuck must not hold up the keeper's loop.
constexpr std::chrono::seconds prompt_limit{5};
constexpr std::chrono::milliseconds first_pause{20};
constexpr std::chrono::milliseconds longest_pause{250};
/// More is no count: a launcher that says so is not believed.
constexpr std::uint64_t max_exits = std::uint64_t{1} << 48;
/// The launcher does not read: requests are refused rather than kept.
constexpr std::size_t max_unsent_bytes = 1024 * 1024;

Answer unanswered(std::string why) {
    return {Json(), std::move(why)};
}

PostmasterExit read_exit(const Json& json) {
    return {launcher_field<std::string>(json, "status"), launcher_field<bool>(json, "clean"),
            launcher_field<std::vector<std::string>>(json, "last_lines"), launcher_field<bool>(json, "expired")};
}

}  // namespace

nlohmann::json launcher_op(const char* name) {
    return {{"op", name}};
}

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
    if (const auto event = launcher_field<std::string>(json, "event"); !event.empty()) {
        on_launcher_event(event, json);
        return true;
    }
    const auto id = launcher_field<std::uint64_t>(json, "id");
    const bool fine = launcher_field<bool>(json, "ok");
    if (fine && runs.contains(id)) return true;  // a program was started; it ends later
    // Here and not where the answer is waited for: an event may follow before that goes on.
    if (fine && json.contains("life")) take_fields(json);
    if (fine && json.contains("pid")) view.postmaster = launcher_field<pid_t>(json, "pid");
    if (start_id != 0 && id == start_id) start_over();
    complete(id, {json, fine ? std::string() : launcher_field<std::string>(json, "error", "the launcher refused")});
    return true;
}

void LauncherClient::Impl::on_launcher_event(const std::string& event, const Json& json) {
    if (event == "hello") return on_hello(json);
    if (event == "started") {
        view.postmaster = launcher_field<pid_t>(json, "pid");
        start_over();
        emit(LauncherEvent::Kind::started);
    } else if (event == "start_failed") {
        start_over();
        emit(LauncherEvent::Kind::start_failed);
    } else if (event == "exited") {
        view.postmaster = 0;
        count_exits(json);
        view.last_exit = read_exit(json);
        emit(LauncherEvent::Kind::exited, *view.last_exit);
    } else if (event == "leaving") {
        view.leaving = true;
        emit(LauncherEvent::Kind::leaving);
    } else if (event == "deadline_expired") {
        emit(LauncherEvent::Kind::deadline_expired);
    } else if (event == "output") {
        const auto found = runs.find(launcher_field<std::uint64_t>(json, "run"));
        if (found == runs.end() || found->second.cancelled || !found->second.on_line) return;
        const auto on_line = found->second.on_line;  // it may end its own run
        on_line(launcher_field<std::string>(json, "stream"), launcher_field<std::string>(json, "text"));
    } else if (event == "run_ended") {
        complete(launcher_field<std::uint64_t>(json, "run"), {json, ""});
    }  // events of a newer launcher are none of this keeper's business
}

void LauncherClient::Impl::count_exits(const Json& json) {
    const auto told = launcher_field<std::uint64_t>(json, "exits");
    // Never fewer, whatever a launcher says: a permit that was used up must not fit again (R9).
    if (told <= max_exits) view.exits = std::max(view.exits, earlier_exits + told);
}

void LauncherClient::Impl::take_fields(const Json& json) {
    const auto life = launcher_field<std::string>(json, "life");
    // The postmaster dies with its launcher, so each life that ended is an exit that nobody could report.
    if (!view.life.empty() && view.life != life) earlier_exits = view.exits + 1;
    view.life = life;
    view.data_dir = launcher_field<std::string>(json, "data_dir");
    view.bin_dir = launcher_field<std::string>(json, "bin_dir");
    view.pg_version = launcher_field<std::string>(json, "pg_version");
    view.postmaster = launcher_field<pid_t>(json, "postmaster");
    if (start_id == 0) view.starting = launcher_field<bool>(json, "starting");
    count_exits(json);
    view.leaving = launcher_field<bool>(json, "leaving");
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
    start_over();  // whether it was executed is in the next hello
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

void LauncherClient::Impl::start_over() {
    view.starting = false;
    start_id = 0;
}

asio::awaitable<Answer> LauncherClient::Impl::start(Json request) {
    const auto self = shared_from_this();
    if (view.starting) co_return unanswered("PostgreSQL is being started already: wait");
    const auto id = next_id++;
    request["id"] = id;
    if (auto stopped_by = send(std::move(request)); !stopped_by.empty()) co_return unanswered(std::move(stopped_by));
    start_id = id;
    view.starting = true;
    // R4: the launcher goes on with it whatever is cancelled here, so that it ends with the answer, however late.
    const std::function<void()> not_cancelled = [] {};
    co_return co_await wait(id, not_cancelled);
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
    auto request = launcher_op("run");
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
    co_return launcher_field<int>(answer.json, "code", -1);
}

}  // namespace pgaf::keeper
