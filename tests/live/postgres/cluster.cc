#include "tests/live/postgres/cluster.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace pgaf::test {
namespace asio = boost::asio;
using keeper::Facts;
using keeper::Step;

std::uint16_t free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw std::runtime_error("no free port on 127.0.0.1");
    ::close(fd);
    return ntohs(address.sin_port);
}

// ---- Sql ----

Sql::Sql(const std::string& conninfo) : connection_(PQconnectdb(conninfo.c_str())) {
    if (PQstatus(connection_) == CONNECTION_OK) {
        PQsetNoticeProcessor(
            connection_, [](void* self, const char* text) { static_cast<Sql*>(self)->notices.emplace_back(text); },
            this);
        return;
    }
    const std::string why = PQerrorMessage(connection_);
    PQfinish(std::exchange(connection_, nullptr));
    throw std::runtime_error("connecting: " + why);
}

Sql::~Sql() {
    PQfinish(connection_);
}

Sql::Sql(Sql&& other) noexcept
    : notices(std::move(other.notices)), connection_(std::exchange(other.connection_, nullptr)) {
    PQsetNoticeProcessor(
        connection_, [](void* self, const char* text) { static_cast<Sql*>(self)->notices.emplace_back(text); }, this);
}

std::string Sql::ask(const std::string& sql) {
    PGresult* result = PQexec(connection_, sql.c_str());
    const auto status = PQresultStatus(result);
    const std::string why = PQresultErrorMessage(result);
    std::string value = status == PGRES_TUPLES_OK && PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) throw std::runtime_error(sql + ": " + why);
    return value;
}

void Sql::send(const std::string& sql) {
    if (PQsendQuery(connection_, sql.c_str()) == 0) throw std::runtime_error(PQerrorMessage(connection_));
}

bool Sql::answered(int limit_ms) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
    for (;;) {
        PQconsumeInput(connection_);
        if (PQisBusy(connection_) == 0) {
            while (PGresult* result = PQgetResult(connection_)) PQclear(result);
            return true;
        }
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
        pollfd waiting{PQsocket(connection_), POLLIN, 0};
        if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) return false;
    }
}

int Sql::backend() const {
    return PQbackendPID(connection_);
}

// ---- TestNode ----

pid_t TestNode::postmaster() const {
    return std::atoi(read_text(data("postmaster.pid")).c_str());
}

Sql TestNode::sql(const std::string& more) const {
    return Sql("host=" + config.socket_dir + " port=" + std::to_string(port) + " user=postgres dbname=postgres " +
               more);
}

pid_t TestNode::process(const std::string& backend_type) const {
    return std::atoi(
        ask("SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE backend_type = '" + backend_type + "'").c_str());
}

// ---- Cluster ----

Cluster::Cluster(int nodes) {
    for (int i = 1; i <= nodes; ++i) {
        auto node = std::make_unique<TestNode>();
        node->name = NodeName{"node" + std::to_string(i)};
        node->incarnation = IncarnationId{random_id()};
        node->port = free_port();
        node->dir = dir_ / node->name.v;
        std::filesystem::create_directories(node->dir + "/state");
        keeper::PostgresConfig& config = node->config;
        config.cluster = ClusterName{"default"};
        config.node = node->name;
        config.data_dir = node->dir + "/data";
        config.state_dir = node->dir + "/state";
        config.launcher_socket = node->dir + "/launcher";
        config.port = node->port;
        config.listen = "127.0.0.1";
        config.socket_dir = node->dir;
        config.replication_password_file = node->dir + "/password";
        write_text(config.replication_password_file, "it's a\\secret\n");
        ::chmod(config.replication_password_file.c_str(), 0600);
        config.proof_limit = Millis{2000};
        config.hba = {"host all all 127.0.0.1/32 scram-sha-256", "local all all peer map=pgaf"};
        config.parameters = {
            {"shared_buffers", "16MB"}, {"max_connections", "20"}, {"dynamic_shared_memory_type", "mmap"}};
        node->launcher = Child({program("pgaf-launcher"), "--pgdata", config.data_dir, "--socket",
                                config.launcher_socket, "--bin-dir", postgres_bin()},
                               node->dir + "/launcher.log");
        nodes_.push_back(std::move(node));
    }
    for (auto& node : nodes_) restart_keeper(*node);
    for (auto& node : nodes_)
        if (!until(*node, [](const Facts& f) { return f.launcher_connected; })) throw std::runtime_error("no launcher");
}

Cluster::~Cluster() {
    for (auto& node : nodes_) node->control.reset();
    io.poll();
    for (auto& node : nodes_) {
        // A frozen server would hold its launcher's end: it goes with the launcher (SIGTERM twice: at once).
        node->launcher.signal(SIGTERM);
        node->launcher.signal(SIGTERM);
        if (node->launcher.wait(10'000) == -1) node->launcher.signal(SIGKILL);
    }
}

void Cluster::run_until(const std::function<bool()>& done, int limit_ms) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
    while (!done()) {
        if (std::chrono::steady_clock::now() > end) throw std::runtime_error("no end within the limit");
        io.restart();
        io.run_one_for(std::chrono::milliseconds(10));
    }
}

Result<> Cluster::perform(TestNode& node, Step step, int limit_ms) {
    // Shared: what did not end within the limit may end later.
    const auto result = std::make_shared<std::optional<Result<>>>();
    asio::co_spawn(io,
                   node.control->perform(step, [&node](std::string text) { node.progress.push_back(std::move(text)); }),
                   [result](std::exception_ptr failed, Result<> value) {
                       if (failed) std::rethrow_exception(failed);
                       *result = std::move(value);
                   });
    run_until([&] { return result->has_value(); }, limit_ms);
    return **result;
}

Result<> Cluster::perform_cancelled(TestNode& node, Step step, int after_ms, const std::function<void()>& then) {
    std::optional<Result<>> result;
    asio::cancellation_signal signal;
    asio::co_spawn(io,
                   node.control->perform(step, [&node](std::string text) { node.progress.push_back(std::move(text)); }),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr failed, Result<> value) {
                       if (failed) std::rethrow_exception(failed);
                       result = std::move(value);
                   }));
    const auto due = std::chrono::steady_clock::now() + std::chrono::milliseconds(after_ms);
    run_until([&] { return result.has_value() || std::chrono::steady_clock::now() > due; }, after_ms + 1000);
    if (!result) signal.emit(asio::cancellation_type::terminal);
    if (then) then();
    run_until([&] { return result.has_value(); }, 20'000);
    return *result;
}

Facts Cluster::facts(TestNode& node) {
    const auto result = std::make_shared<std::optional<Facts>>();
    asio::co_spawn(io, node.control->observe(false), [result](std::exception_ptr failed, Facts value) {
        if (failed) std::rethrow_exception(failed);
        *result = std::move(value);
    });
    run_until([&] { return result->has_value(); }, 30'000);
    // The loop looks again at once, too.
    if ((*result)->end_pending) return facts(node);
    return **result;
}

bool Cluster::until(TestNode& node, const std::function<bool(const Facts&)>& condition, int limit_ms) {
    return eventually([&] { return condition(facts(node)); }, limit_ms);
}

void Cluster::restart_keeper(TestNode& node) {
    node.control.reset();
    node.control = keeper::make_postgres_control(node.config, io.get_executor());
    node.control->on_change([&node] { ++node.changes; });
}

keeper::Layout Cluster::layout(const TestNode& node) const {
    keeper::Layout layout{ClusterName{"default"}, node.name, node.incarnation, {}};
    for (const auto& other : nodes_)
        layout.peers.push_back({other->name, other->incarnation, "127.0.0.1", other->port});
    return layout;
}

NamedRule Cluster::rule(std::uint32_t k, const std::vector<const TestNode*>& members) {
    NamedRule rule{RuleId{++last_rule_}, {k, {}}};
    for (const TestNode* member : members) rule.rule.members.push_back(member->incarnation);
    std::sort(rule.rule.members.begin(), rule.rule.members.end());
    return rule;
}

bool Cluster::until_streaming(TestNode& primary, const TestNode& standby) {
    return until(primary, [&](const Facts& f) {
        return std::any_of(f.standbys.begin(), f.standbys.end(),
                           [&](const WalsenderView& v) { return v.incarnation == standby.incarnation && v.streaming; });
    });
}

void Cluster::clone_and_start(TestNode& node, const TestNode& from) {
    REQUIRE(perform(node, keeper::Clone{layout(node), from.name, node.incarnation, "there is no data folder"}));
    REQUIRE(perform(node, keeper::StartStandby{layout(node), from.name}));
}

void Cluster::bring_up() {
    TestNode& first = (*this)[1];
    REQUIRE(perform(first, keeper::Initialise{layout(first)}));
    REQUIRE(perform(first, keeper::StartPrimary{layout(first)}));
    REQUIRE(perform(first, keeper::ApplyRule{layout(first), rule(0, {})}));
    REQUIRE(perform(first, keeper::OpenToClients{layout(first), rule(0, {})}));
    for (auto& node : nodes_)
        if (node.get() != &first) clone_and_start(*node, first);
    for (auto& node : nodes_)
        if (node.get() != &first) REQUIRE(until_streaming(first, *node));
}

void Cluster::bring_up_synchronous(std::uint32_t k) {
    bring_up();
    std::vector<const TestNode*> standbys;
    for (std::size_t i = 1; i < nodes_.size(); ++i) standbys.push_back(nodes_[i].get());
    REQUIRE(perform((*this)[1], keeper::ApplyRule{layout((*this)[1]), rule(k, standbys)}));
}

}  // namespace pgaf::test
