#include "fakes.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "tests/support/slowness.h"

namespace pgaf::keeper::test {

TempFolder::TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "pgaf-keeper-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path = name;
}
TempFolder::~TempFolder() {
    std::error_code ignored;  // what is left lies in the temporary folder
    std::filesystem::remove_all(path, ignored);
}

// ---- FakeControl
// --------------------------------------------------------------------------------------------------------

Async<Facts> FakeControl::observe(bool mark) {
    ++looks;
    if (mark) {
        ++marks;
        facts.end.v += 0x100;
    }
    Facts seen = facts;
    if (mark) seen.lease_mark = facts.end;
    if (std::exchange(facts.end_pending, false)) seen.end = seen.complete = {}, seen.end_exact = false;
    co_await bell_.wait(bell_.rings(), seen.end_pending ? Millis{1} : slow_look);
    co_return seen;
}

Async<Result<>> FakeControl::perform(const Step& step, std::function<void(std::string)> progress) {
    const Step wanted = step;
    const std::string name = step_name(wanted);
    if (on_step) on_step(wanted);
    steps.push_back(name);
    const std::size_t at = steps.size() - 1;
    if (std::holds_alternative<StartStandby>(wanted) || std::holds_alternative<StartPrimary>(wanted))
        progress("starts");
    const auto cancelled = [] { return boost::asio::this_coro::cancellation_state; };
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    do {
        co_await bell_.wait(bell_.rings(), Millis{2});
        if ((co_await cancelled()).cancelled() != boost::asio::cancellation_type::none) {
            steps[at] += " cancelled";
            co_return error("cancelled");
        }
    } while (held_.contains(name));
    if (const auto why = failing.find(name); why != failing.end()) {
        steps[at] += " failed";
        co_return error(why->second);
    }
    carry_out(wanted);
    co_return Result<>{};
}

Async<Result<>> FakeControl::let_go() {
    ++let_gos;
    co_return Result<>{};
}

void FakeControl::release() {
    held_.clear();
    bell_.ring();
}

void FakeControl::exit_now() {
    facts.status = PgStatus::stopped;
    ++facts.exits;
    facts.receiver = {};
    facts.end_exact = true;
    change();
}

void FakeControl::carry_out(const Step& step) {
    const auto server = [this](bool standby) {
        facts.status = PgStatus::running;
        facts.in_recovery = standby;
        facts.end_exact = false;
        facts.open_to_clients = standby;
    };
    const auto data = [this](const IncarnationId& id) {
        facts.status = PgStatus::stopped;
        facts.rebuilding = false;
        facts.folder_incarnation = id;
        facts.system_id = SystemId{"77"};
        facts.timeline = Timeline{1};
        facts.end = facts.complete = Lsn{0x5000};
        facts.end_exact = true;
    };
    const auto follow = [this](const NodeName& upstream) {
        facts.following = upstream;
        facts.receiver = {!upstream.empty(), upstream, Millis{5}};
        facts.end_exact = false;
    };
    std::visit(
        [&](const auto& s) {
            using T = std::decay_t<decltype(s)>;
            if constexpr (std::same_as<T, Initialise>) data(s.layout.incarnation);
            if constexpr (std::same_as<T, Adopt>) facts.folder_incarnation = s.layout.incarnation;
            if constexpr (std::same_as<T, StartPrimary>) server(false);
            if constexpr (std::same_as<T, StartStandby>) server(true), follow(s.upstream);
            if constexpr (std::same_as<T, Follow>) follow(s.upstream);
            if constexpr (std::same_as<T, ResumeReplay>) facts.replay_paused = false, follow(s.upstream);
            if constexpr (std::same_as<T, Fence>) follow({}), facts.complete = facts.end, facts.end_exact = true;
            if constexpr (std::same_as<T, Promote>)
                server(false), facts.open_to_clients = true, facts.timeline = s.timeline;
            if constexpr (std::same_as<T, OpenToClients>) facts.open_to_clients = true;
            if constexpr (std::same_as<T, CloseToClients>) facts.open_to_clients = false, facts.client_sessions = 0;
            if constexpr (std::same_as<T, Stop>)
                facts.status = PgStatus::stopped, ++facts.exits, facts.end_exact = true;
            if constexpr (std::same_as<T, Rewind> || std::same_as<T, Clone>) data(s.next);
            if constexpr (std::same_as<T, UpdatePeers>) {
                facts.slots.clear();
                for (const Peer& peer : s.layout.peers) facts.slots.push_back(slot_name(peer.node));
            }
        },
        step);
}

// ---- FakeLink
// -----------------------------------------------------------------------------------------------------------

void FakeLink::send(const Report& report) {
    reports.push_back(report);
    if (!acknowledges) return;
    Ack ack{report.seq, {{NodeName{"node1"}, Lsn{0x9000}}}, heartbeat, node_timeout};
    ack.lease = carries_lease && !in_doubt;
    ack.in_doubt = in_doubt;
    to.ack(ack);
}

// ---- Bench
// --------------------------------------------------------------------------------------------------------------

Bench::Bench(Millis heartbeat)
    : file(std::move(*StateFile::open(folder.path, ClusterName{"default"}, NodeName{"node2"}))) {
    options.self.cluster = ClusterName{"default"};
    options.self.node = NodeName{"node2"};
    options.self.host = "127.0.0.1";
    options.self.port = 5432;
    options.heartbeat = link.heartbeat = heartbeat;
    options.node_timeout = link.node_timeout = Millis{250};
    options.first_retry = Millis{30};
    control.facts.launcher_connected = true;
    control.facts.status = PgStatus::absent;
    set_log_level(LogLevel::off);
}

Bench::~Bench() {
    if (!loop || outcome) return;
    control.release();
    loop->stop();
    until([this] { return outcome.has_value(); });
}

void Bench::start(std::optional<Promise> promise) {
    auto loaded = *file.load();
    if (promise) {
        if (!file.store(*promise)) throw std::runtime_error("cannot store");
        loaded = {*promise, false};
    }
    loop.emplace(context.get_executor(), control, link, file, options);
    boost::asio::co_spawn(context, loop->run(loaded), [this](std::exception_ptr broken, Result<> result) {
        if (broken) std::rethrow_exception(broken);
        outcome = result;
    });
    until([this] { return !link.reports.empty() || outcome; });
}

bool Bench::until(const std::function<bool()>& condition, int limit_ms) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms) * pgaf::test::slowness;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        context.restart();
        context.run_one_for(std::chrono::milliseconds(5));
    }
    return true;
}

void Bench::pass(int ms) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    while (std::chrono::steady_clock::now() < end) {
        context.restart();
        context.run_one_for(std::chrono::milliseconds(5));
    }
}

Goal Bench::goal(Role role, std::uint64_t epoch) {
    Goal g;
    g.stamp = {Epoch{epoch}, Term{1}, Version{++version}, MonitorId{"m"}};
    g.node = options.self.node;
    g.incarnation = loop->view().promise.incarnation;
    g.role = role;
    g.upstream = NodeName{role == Role::standby ? "node1" : ""};
    g.peers = {{NodeName{"node1"}, IncarnationId{"a"}, "127.0.0.1", 5431}, {g.node, g.incarnation, "127.0.0.1", 5432}};
    g.history = {{Timeline{1}, Epoch{1}, std::nullopt, Lsn{}}};
    g.system_id = SystemId{"77"};
    return g;
}

void Bench::say(Goal g) {
    link.to.goal(g);
}

Promise Bench::on_disk() const {
    return file.load()->promise;
}

bool Bench::did(const std::string& step) const {
    return std::find(control.steps.begin(), control.steps.end(), step) != control.steps.end();
}

void make_standby(Bench& bench, Promise& promise, PgStatus status) {
    promise.cluster = ClusterName{"default"};
    promise.node = NodeName{"node2"};
    promise.system_id = SystemId{"77"};
    promise.incarnation = IncarnationId{"b"};
    promise.has_folder = true;
    Facts& f = bench.control.facts;
    f.status = status;
    f.folder_incarnation = promise.incarnation;
    f.system_id = promise.system_id;
    f.in_recovery = true;
    f.timeline = Timeline{1};
    f.end = f.complete = f.replayed = Lsn{0x5000};
    f.end_exact = status == PgStatus::stopped;
    f.slots = {slot_name(NodeName{"node1"})};
    if (status == PgStatus::running) {
        f.following = NodeName{"node1"};
        f.receiver = {true, f.following, Millis{5}};
        f.open_to_clients = true;
    }
}

}  // namespace pgaf::keeper::test
