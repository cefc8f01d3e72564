#include "keeper/postgres/node.h"

#include <boost/asio/detached.hpp>
#include <deque>

#include "keeper/postgres/files.h"

namespace pgaf::keeper {
namespace {

constexpr Millis reload_limit{3000};

std::string not_connected(const LauncherClient& launcher) {
    return "no connection to pgaf-launcher: " + launcher.trouble() + "; start it, pgaf-keeper connects by itself";
}

}  // namespace

Node::Node(PostgresConfig configuration, boost::asio::any_io_executor on_strand)
    : config(std::move(configuration)),
      strand(std::move(on_strand)),
      launcher(strand, config.launcher_socket),
      data(config),
      disk(config.disk_limit),
      sessions(strand, local_conninfo(config, "pgaf-keeper probes")),
      changed(strand),
      layout(data.remembered_layout()) {}

Result<> Node::need_launcher() const {
    if (!launcher.view().connected) return error(not_connected(launcher));
    return {};
}

Result<> Node::need_running() const {
    if (auto connected = need_launcher(); !connected) return connected;
    if (launcher.view().postmaster == 0) return error("PostgreSQL does not run");
    return {};
}

Result<> Node::need_stopped() const {
    if (auto connected = need_launcher(); !connected) return connected;
    if (launcher.view().starting) return error("PostgreSQL is being started: wait");
    if (launcher.view().postmaster != 0) return error("PostgreSQL still runs");
    return {};
}

RunMemory& Node::run() {
    if (run_.postmaster != launcher.view().postmaster) {
        run_ = {};
        run_.postmaster = launcher.view().postmaster;
    }
    return run_;
}

std::string Node::alien_rule(const std::string& found) {
    const auto& put = run().standby_names;
    // After a restart of the keeper its file says what an earlier run has put there.
    const auto file = put ? std::nullopt : data.settings();
    if (!put && !file) return {};
    const std::string& wanted = put ? *put : file->standby_names;
    if (found == wanted) return {};
    return "synchronous_standby_names is '" + found + "', where the cluster's is '" + wanted + "'";
}

Async<Result<std::shared_ptr<Connection>>> Node::connect(Millis limit) {
    auto connection = std::make_shared<Connection>(strand);
    if (auto done = co_await connection->open(local_conninfo(config, "pgaf-keeper"), limit); !done)
        co_return done.error().in("the local PostgreSQL");
    co_return connection;
}

Result<> Node::know(const Layout& known) {
    layout = known;
    return data.remember_layout(known);
}

void Node::follow_node_timeout(Millis node_timeout) {
    if (node_timeout != data.node_timeout()) timeouts_due_ = true;
    data.set_node_timeout(node_timeout);
    if (!timeouts_due_ || timeouts_under_way_) return;
    timeouts_under_way_ = true;
    boost::asio::co_spawn(
        strand,
        [](std::shared_ptr<Node> self) -> Async<void> {
            co_await self->reload_timeouts();
            self->timeouts_under_way_ = false;
        }(shared_from_this()),
        boost::asio::detached);
}

Async<void> Node::reload_timeouts() {
    timeouts_due_ = false;
    // A server that is down gets them with its start. What fails is tried again with the monitor's next answer.
    if (!up()) co_return;
    Result<> done = data.write_timeouts();
    if (done) done = co_await launcher.reload();
    if (done) co_return;
    timeouts_due_ = true;
    config.log.warning("timeouts_not_changed", done.error().message);
}

Result<Variable> Node::following(const Layout& known, const NodeName& upstream, std::string rule) const {
    Variable variable;
    variable.standby_names = std::move(rule);
    if (upstream.empty()) return variable;
    const Peer* peer = find_peer(known.peers, upstream);
    if (peer == nullptr) return error("the upstream " + upstream.v + " is no peer of this node");
    if (peer->host.empty() || peer->port == 0)
        return error("the address of the upstream " + upstream.v + " is not known");
    PostgresConfig now = config;
    now.node_timeout = data.node_timeout();
    variable.conninfo =
        upstream_conninfo(now, *peer, application_name(known.cluster, known.self, known.incarnation), "");
    variable.slot = slot_name(known.self);
    return variable;
}

namespace {

bool same_in_force(const Variable& a, const Variable& b) {
    return a.standby_names == b.standby_names && a.conninfo == b.conninfo && a.slot == b.slot &&
           a.restore_command == b.restore_command;
}

Async<Result<Variable>> shown(Connection& connection) {
    auto rows = co_await connection.query(
        "SELECT current_setting('synchronous_standby_names') AS names, current_setting('primary_conninfo') AS "
        "conninfo, "
        "current_setting('primary_slot_name') AS slot, current_setting('restore_command') AS restore",
        Millis{5000});
    if (!rows) co_return rows.error();
    Variable variable;
    variable.standby_names = rows->text(0, "names");
    variable.conninfo = rows->text(0, "conninfo");
    variable.slot = rows->text(0, "slot");
    variable.restore_command = rows->text(0, "restore");
    co_return variable;
}

}  // namespace

Async<Result<std::shared_ptr<Connection>>> Node::put_in_force(Variable variable) {
    if (auto done = need_running(); !done) co_return done.error();
    std::vector<std::string> overridden;
    if (auto done = data.write_settings(variable, Write::atomic, &overridden); !done) co_return done.error();
    run().standby_names = variable.standby_names;
    for (const std::string& name : overridden)
        config.log.warning("setting_overridden", "taken out of postgresql.auto.conf: the cluster owns it",
                           {{"setting", name}});
    if (auto done = co_await launcher.reload(); !done) co_return done.error();
    co_return co_await wait_in_force(std::move(variable));
}

Async<Result<std::shared_ptr<Connection>>> Node::wait_in_force(Variable wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(reload_limit.v);
    for (std::int64_t pause = 1;; pause = std::min<std::int64_t>(pause * 2, 50)) {
        // A new connection each time: its values are those that the postmaster gives to every process from now on.
        auto connection = co_await connect();
        if (!connection) co_return connection.error();
        const auto found = co_await shown(**connection);
        if (!found) co_return found.error();
        if (same_in_force(*found, wanted)) co_return connection;
        if (std::chrono::steady_clock::now() > deadline)
            co_return co_await explain_not_in_force(*connection, std::move(wanted), *found);
        co_await pause_for(Millis{pause});
    }
}

Async<Error> Node::explain_not_in_force(std::shared_ptr<Connection> connection, Variable wanted, Variable found) {
    std::string message = "after a reload PostgreSQL still does not use the cluster's settings:";
    if (found.standby_names != wanted.standby_names)
        message += " synchronous_standby_names is '" + found.standby_names + "';";
    if (found.conninfo != wanted.conninfo) message += " primary_conninfo is '" + found.conninfo + "';";
    if (found.restore_command != wanted.restore_command)
        message += " restore_command is '" + found.restore_command + "';";
    if (found.slot != wanted.slot) message += " primary_slot_name is '" + found.slot + "';";
    auto rows = co_await connection->query(
        "SELECT coalesce(sourcefile, '') || ':' || coalesce(sourceline, 0) || ' ' || coalesce(name, '') || ' ' || "
        "coalesce(error, 'sets it') AS line FROM pg_file_settings WHERE error IS NOT NULL OR (applied AND name IN "
        "('synchronous_standby_names', 'primary_conninfo', 'primary_slot_name', 'restore_command') AND sourcefile NOT "
        "LIKE '%/pgaf.conf')",
        Millis{5000});
    if (rows && rows->size() > 0) message += " see " + rows->text(0, "line") + "; take that line out";
    co_return error(std::move(message));
}

Async<Result<>> Node::set_access(Layout known, bool open_to_clients) {
    if (auto done = know(known); !done) co_return done;
    const bool was_open = data.open_to_clients();
    if (auto done = data.write_access(known, open_to_clients); !done) co_return done;
    if (!up()) co_return Result<>{};
    auto loaded = co_await launcher.reload();
    if (loaded || was_open == open_to_clients) co_return loaded;
    // The server still has the lines from before, and the file is what says so.
    if (auto back = data.write_access(known, was_open); !back)
        co_return error(loaded.error().message + "; and pg_hba.conf could not be put back: " + back.error().message);
    co_return loaded;
}

Async<Result<>> run_program(Node& node, Program program, LauncherClient::OnLine on_line) {
    program.env.insert({{"LC_ALL", "C"}, {"PGCONNECT_TIMEOUT", "5"}});
    const std::string name = program.name;
    auto last = std::make_shared<std::deque<std::string>>();
    LauncherClient::OnLine keep = [last, on_line](std::string_view stream, std::string_view text) {
        if (on_line) on_line(stream, text);
        if (stream != "stderr" || text.empty()) return;
        last->emplace_back(text.substr(0, 500));
        if (last->size() > 5) last->pop_front();
    };
    auto code = co_await node.launcher.run(std::move(program), std::move(keep));
    if (!code) co_return code.error().in(name);
    if (*code == 0) co_return Result<>{};
    std::string message = name + " ended with exit code " + std::to_string(*code);
    for (const std::string& line : *last) message += "; " + line;
    co_return error(std::move(message));
}

}  // namespace pgaf::keeper
