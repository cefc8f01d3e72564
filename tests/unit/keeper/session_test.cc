// The session over real gRPC, against a small server that keeps what it hears and says what it is told to.
#include <grpcpp/grpcpp.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "common/wire/convert.h"
#include "keeper/service/session.h"
#include "pgaf/v1/keeper.grpc.pb.h"
#include "tests/support/slowness.h"

namespace pgaf::keeper {
namespace {

using Context = boost::asio::io_context;

/// A monitor's end: one call after the other, on gRPC's threads, so everything is locked.
class FakeMonitor final : public v1::KeeperService::Service {
  public:
    explicit FakeMonitor(int port = 0) {
        grpc::ServerBuilder builder;
        builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
        builder.AddListeningPort("127.0.0.1:" + std::to_string(port), grpc::InsecureServerCredentials(), &port_);
        builder.RegisterService(this);
        server_ = builder.BuildAndStart();
    }
    ~FakeMonitor() override { stop(); }

    void stop() {
        if (!server_) return;
        server_->Shutdown(std::chrono::system_clock::now());
        server_->Wait();
        server_.reset();
    }
    [[nodiscard]] int port() const { return port_; }
    [[nodiscard]] bool listens() const { return server_ && port_ != 0; }
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

    grpc::Status Session(grpc::ServerContext*,
                         grpc::ServerReaderWriter<v1::MonitorMessage, v1::KeeperMessage>* stream) override {
        v1::KeeperMessage message;
        while (stream->Read(&message)) {
            const std::lock_guard lock(mutex_);
            heard_.push_back(message);
            if (silent_) continue;
            for (const v1::MonitorMessage& word : words_) stream->Write(word);
            words_.clear();
            if (message.has_report()) {
                v1::MonitorMessage ack;
                ack.mutable_ack()->set_seq(message.report().seq());
                ack.mutable_ack()->set_heartbeat_ms(321);
                auto& position = *ack.mutable_ack()->add_positions();
                position.set_node("node1");
                position.set_lsn(0x7000);
                stream->Write(ack);
            }
            if (hang_up_) return {grpc::StatusCode::FAILED_PRECONDITION, "not for you"};
        }
        return grpc::Status::OK;
    }

    std::vector<v1::KeeperMessage> heard() {
        const std::lock_guard lock(mutex_);
        return heard_;
    }
    /// Said after the next message that comes in.
    void say(const v1::MonitorMessage& word) {
        const std::lock_guard lock(mutex_);
        words_.push_back(word);
    }
    void be_silent(bool silent) {
        const std::lock_guard lock(mutex_);
        silent_ = silent;
    }
    void hang_up(bool on) {
        const std::lock_guard lock(mutex_);
        hang_up_ = on;
    }

  private:
    int port_ = 0;
    std::unique_ptr<grpc::Server> server_;
    std::mutex mutex_;
    std::vector<v1::KeeperMessage> heard_;
    std::deque<v1::MonitorMessage> words_;
    bool silent_ = false;
    bool hang_up_ = false;
};

Hello hello(const char* incarnation = "a") {
    return {ClusterName{"default"},
            NodeName{"node1"},
            IncarnationId{incarnation},
            BootId{"boot"},
            "127.0.0.1",
            5432,
            50,
            true,
            {},
            "0.1.0"};
}

Report report(std::uint64_t seq) {
    Report r;
    r.cluster = ClusterName{"default"};
    r.node = NodeName{"node1"};
    r.incarnation = IncarnationId{"a"};
    r.boot = BootId{"boot"};
    r.seq = seq;
    return r;
}

/// A session and all that it has called back with.
struct Client {
    /// `connect_limit`: short where a monitor gives no answer; else the machine may be as busy as it likes.
    explicit Client(std::vector<std::string> monitors, Millis connect_limit = Millis{300}) {
        SessionOptions options;
        options.monitors = std::move(monitors);
        options.connect_limit = connect_limit;
        options.first_backoff = Millis{20};
        options.longest_backoff = Millis{100};
        options.after_refusal = Millis{250};
        set_log_level(LogLevel::off);
        session = std::move(*MonitorSession::make(context.get_executor(), options));
        session->listen({[this] {
                             ++opened;
                             if (seq) session->send(report(++seq));
                         },
                         [this](const Ack& a) { acks.push_back(a); }, [this](const Goal& g) { goals.push_back(g); },
                         [this](const Probe& p) { probes.push_back(p); },
                         [this](const std::string& why) { refusals.push_back(why); },
                         [this](const std::string& why) { losses.push_back(why); },
                         [this](const ClusterView& v) { views.push_back(v); }});
    }
    ~Client() {
        bool closed = false;
        boost::asio::co_spawn(context, session->close(), [&](std::exception_ptr) { closed = true; });
        until([&] { return closed; });
    }
    void pass(int ms) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
        while (std::chrono::steady_clock::now() < end) {
            context.restart();
            context.run_one_for(std::chrono::milliseconds(5));
        }
    }
    bool until(const std::function<bool()>& condition, int limit_ms = 20'000) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms) * pgaf::test::slowness;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            context.restart();
            context.run_one_for(std::chrono::milliseconds(5));
        }
        return true;
    }

    Context context{1};
    std::unique_ptr<MonitorSession> session;
    /// 0: the session is opened without a report.
    std::uint64_t seq = 1000;
    int opened = 0;
    std::vector<Ack> acks;
    std::vector<Goal> goals;
    std::vector<Probe> probes;
    std::vector<std::string> refusals;
    std::vector<std::string> losses;
    std::vector<ClusterView> views;
};

}  // namespace

TEST_CASE("hello first, then reports; answers come back") {
    FakeMonitor monitor;
    v1::MonitorMessage word;
    Goal goal;
    goal.stamp = {Epoch{3}, Term{2}, Version{1}, MonitorId{"00112233445566aa"}};
    goal.node = NodeName{"node1"};
    goal.incarnation = IncarnationId{"00112233445566bb"};
    goal.role = Role::fence;
    *word.mutable_goal() = wire::to_wire(goal);
    monitor.say(word);
    word.Clear();
    word.mutable_probe()->set_probe(9);
    word.mutable_probe()->set_target("node2");
    word.mutable_probe()->set_host("h");
    word.mutable_probe()->set_port(5433);
    word.mutable_probe()->set_limit_ms(70);
    monitor.say(word);
    Client client({monitor.address()}, Millis{15'000});
    client.session->open(hello());
    REQUIRE(client.until([&] { return !client.acks.empty(); }));
    const auto heard = monitor.heard();
    REQUIRE(heard.size() >= 2);
    CHECK(heard[0].hello().incarnation() == "a");
    CHECK(heard[1].report().seq() == 1001);
    CHECK(client.acks[0].seq == 1001);
    CHECK(client.acks[0].heartbeat == Millis{321});
    CHECK(client.acks[0].positions.at(NodeName{"node1"}) == Lsn{0x7000});
    REQUIRE(client.goals.size() == 1);
    CHECK(client.goals[0] == goal);
    REQUIRE(client.probes.size() == 1);
    CHECK(client.probes[0].target == NodeName{"node2"});
    CHECK(client.probes[0].port == 5433);
    CHECK(client.probes[0].limit == Millis{70});
}

TEST_CASE("a view of the cluster comes through, and one that can't be read is as good as none") {
    FakeMonitor monitor;
    v1::MonitorMessage word;
    auto& member = *word.mutable_view()->add_members();
    member.set_node("node2");
    member.set_host("h");
    member.set_port(5432);
    member.set_state("a word of next year");
    monitor.say(word);
    member.set_state("secondary");
    member.set_in_sync_rule(true);
    monitor.say(word);
    Client client({monitor.address()}, Millis{15'000});
    client.session->open(hello());
    REQUIRE(client.until([&] { return !client.acks.empty(); }));
    REQUIRE(client.views.size() == 1);
    REQUIRE(client.views[0].members.size() == 1);
    CHECK(client.views[0].members[0].in_sync_rule);
    CHECK(client.losses.empty());
}

TEST_CASE("of reports that could not be sent yet only the newest is") {
    FakeMonitor monitor;
    Client client({monitor.address()}, Millis{15'000});
    client.seq = 0;
    client.session->open(hello());
    for (std::uint64_t seq = 1; seq <= 5000; ++seq) client.session->send(report(seq));
    for (std::uint64_t i = 1; i <= 100; ++i)
        client.session->send(ProbeResult{.probe = i, .target = {}, .receiver = {}});
    REQUIRE(client.until([&] { return !client.acks.empty(); }));
    CHECK(client.acks[0].seq == 5000);
    const auto heard = monitor.heard();
    // The hello, the sixteen newest answers, one report.
    REQUIRE(heard.size() == 18);
    CHECK(heard[1].probe_result().probe() == 85);
    CHECK(heard[16].probe_result().probe() == 100);
}

TEST_CASE("addresses are tried in turn") {
    FakeMonitor gone;
    const std::string dead = gone.address();
    gone.stop();
    FakeMonitor monitor;
    Client client({dead, monitor.address()});
    const auto began = std::chrono::steady_clock::now();
    client.session->open(hello());
    REQUIRE(client.until([&] { return !client.acks.empty(); }));
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::milliseconds(900));
    REQUIRE_FALSE(client.losses.empty());
    CHECK_THAT(client.losses[0], Catch::Contains(dead));
}

TEST_CASE("a monitor that comes back is found again at once") {
    auto monitor = std::make_unique<FakeMonitor>();
    const int port = monitor->port();
    Client client({monitor->address()});
    client.session->open(hello());
    REQUIRE(client.until([&] { return !client.acks.empty(); }));
    monitor.reset();
    REQUIRE(client.until([&] { return !client.losses.empty(); }, 1000));
    client.until([&] { return client.losses.size() > 3; }, 1000);
    monitor = std::make_unique<FakeMonitor>(port);
    REQUIRE(monitor->listens());
    const std::size_t before = client.acks.size();
    REQUIRE(client.until([&] { return client.acks.size() > before; }, 1500));
}

TEST_CASE("a monitor that takes the connection and says nothing is given up") {
    FakeMonitor monitor;
    monitor.be_silent(true);
    Client client({monitor.address()});
    const auto began = std::chrono::steady_clock::now();
    client.session->open(hello());
    REQUIRE(client.until([&] { return !client.losses.empty(); }, 2000));
    CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds(290));
    CHECK_THAT(client.losses[0], Catch::Contains("no answer in time"));
    monitor.be_silent(false);
    REQUIRE(client.until([&] { return !client.acks.empty(); }, 2000));
}

TEST_CASE("a refusal is told, and tried again more slowly") {
    FakeMonitor monitor;
    v1::MonitorMessage word;
    word.mutable_refusal()->set_message("node node1 was dropped");
    monitor.say(word);
    monitor.hang_up(true);
    Client client({monitor.address()});
    client.session->open(hello());
    REQUIRE(client.until([&] { return !client.refusals.empty(); }));
    CHECK(client.refusals[0] == "node node1 was dropped");
    CHECK(client.losses.empty());
    const int opened = client.opened;
    client.pass(150);
    CHECK(client.opened == opened);
    monitor.hang_up(false);
    REQUIRE(client.until([&] { return !client.acks.empty(); }, 1500));
}

TEST_CASE("another hello ends the session before, and begins one of its own") {
    FakeMonitor monitor;
    Client client({monitor.address()}, Millis{15'000});
    client.session->open(hello("a"));
    REQUIRE(client.until([&] { return !client.acks.empty(); }));
    client.session->open(hello("b"));
    client.session->send(report(7777));  // belongs to the session that is being ended
    REQUIRE(client.until([&] { return client.acks.size() >= 2; }));
    std::vector<std::string> hellos;
    for (const auto& message : monitor.heard()) {
        if (message.has_hello()) hellos.push_back(message.hello().incarnation());
        CHECK(message.report().seq() != 7777);
    }
    CHECK(hellos == std::vector<std::string>{"a", "b"});
    CHECK(client.losses.empty());
}

TEST_CASE("no monitor configured is an error") {
    Context context;
    const auto made = MonitorSession::make(context.get_executor(), {});
    REQUIRE_FALSE(bool(made));
    CHECK_THAT(made.error().message, Catch::Contains("monitor"));
}

}  // namespace pgaf::keeper
