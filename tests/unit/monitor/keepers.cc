#include "tests/unit/monitor/keepers.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <stdexcept>

#include "common/credentials.h"
#include "common/wire/convert.h"
#include "tests/support/slowness.h"

namespace pgaf::test {

bool eventually(const std::function<bool()>& holds) {
    const auto end = Clock::now() + std::chrono::seconds(5) * slowness;
    while (!holds()) {
        if (Clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

RunningMonitor::RunningMonitor(std::unique_ptr<monitor::Store> store) {
    auto app = monitor::App::start({}, std::move(store));
    if (!app) throw std::runtime_error(app.error().message);
    app_ = std::move(*app);
    thread_ = std::thread([this] { result_ = app_->run(); });
}

RunningMonitor::~RunningMonitor() {
    if (thread_.joinable()) (void)stop();
}

Result<void> RunningMonitor::stop() {
    app_->stop();
    return wait();
}

Result<void> RunningMonitor::wait() {
    thread_.join();
    return result_;
}

std::shared_ptr<grpc::Channel> RunningMonitor::channel() const {
    grpc::ChannelArguments arguments;
    // Channels of a test share no connection, so that one can be broken without the others.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(app_->grpc_port()), *channel_credentials(),
                                     arguments);
}

v1::ClusterState RunningMonitor::state(const std::string& cluster) const {
    grpc::ClientContext context;
    v1::GetStateRequest request;
    request.set_cluster(cluster);
    v1::ClusterState state;
    const auto status = admin()->GetState(&context, request, &state);
    return status.ok() ? state : v1::ClusterState{};
}

FakeKeeper::FakeKeeper(const RunningMonitor& monitor, SharedNodes& nodes, Hello hello)
    : nodes_(nodes),
      hello_(std::move(hello)),
      stub_(v1::KeeperService::NewStub(monitor.channel())),
      stream_(stub_->Session(&context_)) {
    v1::KeeperMessage message;
    *message.mutable_hello() = wire::to_wire(hello_);
    send(message);
    report();
    reader_ = std::thread([this] { read(); });
    beater_ = std::thread([this] { beat(); });
}

FakeKeeper::~FakeKeeper() {
    reset();
    reader_.join();
    beater_.join();
}

void FakeKeeper::reset() {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return over_; });
}

void FakeKeeper::send(const v1::KeeperMessage& message) {
    const std::lock_guard lock(write_mutex_);
    stream_->Write(message);  // a broken stream ends the reader
}

void FakeKeeper::report() {
    v1::KeeperMessage message;
    {
        const std::lock_guard lock(nodes_.mutex);
        *message.mutable_report() = wire::to_wire(nodes_.nodes.report(hello_.node));
    }
    send(message);
}

void FakeKeeper::read() {
    v1::MonitorMessage message;
    while (stream_->Read(&message)) {
        if (message.has_goal()) {
            const auto goal = wire::from_wire(message.goal());
            if (!goal) throw std::runtime_error(goal.error().message);
            {
                const std::lock_guard lock(nodes_.mutex);
                nodes_.nodes.obey(*goal);
            }
            report();
        }
        const std::lock_guard lock(mutex_);
        if (message.has_goal()) ++goals_;
        if (message.has_ack()) last_ack_ = message.ack();
        if (message.has_view()) {
            last_view_ = message.view();
            ++views_;
        }
        if (message.has_refusal()) refusal_ = message.refusal().message();
    }
    {
        const std::lock_guard lock(write_mutex_);
        stream_->Finish();
    }
    const std::lock_guard lock(mutex_);
    over_ = true;
    ended_.notify_all();
}

void FakeKeeper::beat() {
    std::unique_lock lock(mutex_);
    while (!ended_.wait_for(lock, std::chrono::milliseconds(20), [this] { return over_; })) {
        lock.unlock();
        report();
        lock.lock();
    }
}

int FakeKeeper::goals() {
    const std::lock_guard lock(mutex_);
    return goals_;
}
v1::Ack FakeKeeper::last_ack() {
    const std::lock_guard lock(mutex_);
    return last_ack_;
}
v1::ClusterView FakeKeeper::last_view() {
    const std::lock_guard lock(mutex_);
    return last_view_;
}
int FakeKeeper::views() {
    const std::lock_guard lock(mutex_);
    return views_;
}
std::string FakeKeeper::refusal() {
    const std::lock_guard lock(mutex_);
    return refusal_;
}

FakeCluster::FakeCluster(const RunningMonitor& its_monitor, const std::vector<std::string>& names)
    : monitor(its_monitor) {
    std::vector<Hello> hellos;
    for (const auto& name : names) hellos.push_back(shared.nodes.add("default", name));
    for (const auto& hello : hellos) {
        keepers[hello.node.v] = std::make_unique<FakeKeeper>(monitor, shared, hello);
        // The first one is the primary, whoever is quicker.
        if (hello.node == hellos.front().node) eventually([&] { return monitor.state().has_writable_primary(); });
    }
    const bool up = eventually([&] {
        const auto state = monitor.state();
        // Healthy is true for a moment before the standbys are in the sync rule.
        return state.healthy() && state.nodes_size() == static_cast<int>(names.size()) &&
               (names.size() == 1 || state.failover_ready());
    });
    if (!up) throw std::runtime_error("the fake cluster does not come up: " + monitor.state().DebugString());
}

std::string http_get(std::uint16_t port, const std::string& target, const std::string& headers) {
    boost::asio::io_context context;
    boost::asio::ip::tcp::socket socket(context);
    socket.connect({boost::asio::ip::address_v4::loopback(), port});
    boost::asio::write(socket, boost::asio::buffer("GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
                                                   headers + "\r\n"));
    std::string answer;
    boost::system::error_code end;
    boost::asio::read(socket, boost::asio::dynamic_buffer(answer), end);
    return answer;
}

}  // namespace pgaf::test
