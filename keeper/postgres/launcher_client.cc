#include "keeper/postgres/launcher_client.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "common/launcher_protocol.h"
#include "keeper/postgres/launcher_link.h"

namespace pgaf::keeper {
namespace {

/// The longest that the launcher takes.
constexpr std::int64_t longest_deadline_ms = 86'400'000;

namespace asio = boost::asio;

std::int64_t boot_time_ms() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return static_cast<std::int64_t>(time.tv_sec) * 1000 + time.tv_nsec / 1'000'000;
}

}  // namespace

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
    auto request = launcher_op("start");
    request["args"] = std::move(args);
    const auto answer = co_await impl->start(std::move(request));
    if (!answer.error.empty()) co_return error("starting PostgreSQL: " + answer.error);
    co_return launcher_field<pid_t>(answer.json, "pid");
}

asio::awaitable<Result<StopOutcome>> LauncherClient::stop(StopMode mode, std::optional<Millis> limit) {
    const auto impl = impl_;
    auto request = launcher_op("stop");
    request["mode"] = std::string(word(mode));
    if (limit) request["limit_ms"] = limit->v;
    const auto answer = co_await impl->request(std::move(request));
    if (!answer.error.empty()) co_return error("stopping PostgreSQL: " + answer.error);
    co_return StopOutcome{launcher_field<bool>(answer.json, "clean"),
                          launcher_field<std::string>(answer.json, "status")};
}

asio::awaitable<Result<>> LauncherClient::reload() {
    return impl_->plain(launcher_op("reload"), "reloading PostgreSQL's configuration");
}

asio::awaitable<Result<>> LauncherClient::end_process(pid_t pid, std::optional<Millis> limit) {
    const auto impl = impl_;
    auto request = launcher_op("end_process");
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
    const auto answer = co_await impl->prompt_request(launcher_op("status"));
    if (!answer.error.empty()) co_return error("asking the launcher: " + answer.error);
    co_return impl->view;
}

asio::awaitable<Result<>> LauncherClient::let_go() {
    return impl_->plain(launcher_op("let_go"), "letting the launcher go");
}

asio::awaitable<Result<>> LauncherClient::deadline(Millis limit) {
    return deadline_at(Millis{limit.v > 0 ? boot_time_ms() + limit.v : 0});
}

asio::awaitable<Result<>> LauncherClient::deadline_at(Millis until) {
    auto request = launcher_op("deadline");
    request["ms"] = until.v > 0 ? std::clamp<std::int64_t>(until.v - boot_time_ms(), 1, longest_deadline_ms) : 0;
    if (until.v > 0) request["until_ms"] = until.v;
    return impl_->plain(std::move(request), "renewing the launcher's deadline");
}

}  // namespace pgaf::keeper
