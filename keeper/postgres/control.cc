// PostgresControl for a real server: hands each step to the file that carries it out.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/system/system_error.hpp>
#include <variant>

#include "keeper/postgres/clients.h"
#include "keeper/postgres/facts_reader.h"
#include "keeper/postgres/fence.h"
#include "keeper/postgres/hba.h"
#include "keeper/postgres/initialise.h"
#include "keeper/postgres/lifecycle.h"
#include "keeper/postgres/make.h"
#include "keeper/postgres/passwords.h"
#include "keeper/postgres/promote.h"
#include "keeper/postgres/rebuild.h"
#include "keeper/postgres/sync_rule.h"

namespace pgaf::keeper {
namespace {

/// Which function carries out which step.
struct Carry {
    Node& node;
    const Progress& progress;

    Async<Result<>> operator()(const Initialise& s) const { return initialise(node, s, progress); }
    Async<Result<>> operator()(const Adopt& s) const { return adopt(node, s); }
    Async<Result<>> operator()(const StartPrimary& s) const { return start_primary(node, s, progress); }
    Async<Result<>> operator()(const StartStandby& s) const { return start_standby(node, s, progress); }
    Async<Result<>> operator()(const Follow& s) const { return follow(node, s); }
    Async<Result<>> operator()(const ResumeReplay&) const { return resume_replay(node); }
    Async<Result<>> operator()(const Fence& s) const { return fence(node, s); }
    Async<Result<>> operator()(const Promote& s) const { return promote(node, s, progress); }
    Async<Result<>> operator()(const ApplyRule& s) const { return apply_rule(node, s, progress); }
    Async<Result<>> operator()(const OpenToClients& s) const { return open_to_clients(node, s, progress); }
    Async<Result<>> operator()(const CloseToClients& s) const { return close_to_clients(node, s); }
    Async<Result<>> operator()(const Checkpoint&) const { return checkpoint(node); }
    Async<Result<>> operator()(const Stop& s) const { return stop(node, s, progress); }
    Async<Result<>> operator()(const Rewind& s) const { return rewind(node, s, progress); }
    Async<Result<>> operator()(const Clone& s) const { return clone(node, s, progress); }
    Async<Result<>> operator()(const DropTornTail& s) const { return drop_torn_tail(node, s, progress); }
    Async<Result<>> operator()(const UpdatePeers& s) const { return update_peers(node, s); }
};

class Control : public PostgresControl {
  public:
    Control(PostgresConfig config, boost::asio::any_io_executor strand)
        : node_(std::make_shared<Node>(std::move(config), std::move(strand))),
          reader_(std::make_shared<FactsReader>(*node_)) {
        node_->launcher.on_event([this](const LauncherEvent&) {
            node_->changed.ring();
            if (callback_) callback_();
        });
        boost::asio::co_spawn(
            node_->strand, [](std::shared_ptr<Node> node) { return node->launcher.keep_connected(); }(node_),
            boost::asio::detached);
    }
    ~Control() override {
        node_->launcher.on_event({});
        node_->launcher.close();
        // Nobody waits for that; it must not come back to an event loop that is gone.
        if (reader_->reading_wal()) node_->file_thread.join();
    }

    // What runs holds what it works on, whatever becomes of this object meanwhile.
    Async<Facts> observe(bool mark) override {
        const auto node = node_;
        const auto reader = reader_;
        co_return co_await reader->observe(mark);
    }

    Async<Result<>> perform(const Step& step, std::function<void(std::string)> progress) override {
        const auto node = node_;
        const Step wanted = step;
        const Progress say = progress ? std::move(progress) : [](std::string) {};
        try {
            co_return co_await std::visit(Carry{*node, say}, wanted);
        } catch (const boost::system::system_error& e) {
            // How Asio tells a coroutine that it was cancelled; anything else is a broken program.
            if (e.code() != boost::asio::error::operation_aborted) throw;
        }
        co_return error("given up, since it is not wanted any more");
    }

    void on_change(std::function<void()> callback) override { callback_ = std::move(callback); }
    Async<Result<>> let_go() override { co_return co_await node_->launcher.let_go(); }
    Async<Result<>> hold_deadline(Millis until) override {
        const auto node = node_;
        co_return co_await node->launcher.deadline_at(until);
    }
    void peers_at(std::map<NodeName, Lsn> positions) override { node_->peer_positions = std::move(positions); }
    void follow_node_timeout(Millis node_timeout) override { node_->follow_node_timeout(node_timeout); }
    [[nodiscard]] bool reads_wal() const override { return reader_->reads_stopped(); }
    [[nodiscard]] std::optional<DiskSpace> disk_space() const override { return node_->disk.space(); }

  private:
    std::shared_ptr<Node> node_;
    std::shared_ptr<FactsReader> reader_;
    std::function<void()> callback_;
};

/// sizeof(sockaddr_un::sun_path) with its end.
constexpr std::size_t socket_path_limit = 107;

}  // namespace

Result<> check_postgres_config(const PostgresConfig& config) {
    if (config.data_dir.empty() || config.data_dir.front() != '/') return error("pgdata has to be an absolute path");
    if (config.state_dir.empty() || config.state_dir.front() != '/')
        return error("state_dir has to be an absolute path");
    if ((config.state_dir + "/").starts_with(config.data_dir + "/"))
        return error("state_dir must not lie in the data folder, which clones replace");
    const std::string socket = socket_folder(config) + "/.s.PGSQL." + std::to_string(config.port);
    if (socket.size() > socket_path_limit)
        return error("the path of PostgreSQL's Unix socket, " + socket + ", is longer than " +
                     std::to_string(socket_path_limit) + " bytes: set socket_dir to a folder with a shorter name");
    if (auto done = check_passwords(config); !done) return done;
    return check_parameters(config.parameters);
}

std::unique_ptr<PostgresControl> make_postgres_control(PostgresConfig config, boost::asio::any_io_executor strand) {
    return std::make_unique<Control>(std::move(config), std::move(strand));
}

}  // namespace pgaf::keeper
