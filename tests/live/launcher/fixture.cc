#include "tests/live/launcher/fixture.h"

#include <libpq-fe.h>
#include <sys/stat.h>

#include <boost/asio/detached.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <stdexcept>

namespace pgaf::test {

Keeper::Keeper(const std::string& socket) : client(std::make_unique<LauncherClient>(io.get_executor(), socket)) {
    client->on_event([this](const LauncherEvent& event) {
        events.push_back(event);
        if (on_event) on_event(event);
    });
    boost::asio::co_spawn(io, client->keep_connected(), boost::asio::detached);
}

Keeper::~Keeper() {
    client->close();
    io.restart();
    io.poll();
}

bool Keeper::until(const std::function<bool()>& condition, int limit_ms) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
    while (!condition()) {
        const auto now = std::chrono::steady_clock::now();
        if (now > end) return false;
        io.restart();
        io.run_one_for(std::min<std::chrono::nanoseconds>(end - now, std::chrono::milliseconds(20)));
    }
    return true;
}

std::optional<LauncherEvent> Keeper::take(LauncherEvent::Kind kind, int limit_ms) {
    const auto find = [&] {
        return std::find_if(events.begin(), events.end(), [&](const auto& event) { return event.kind == kind; });
    };
    if (!until([&] { return find() != events.end(); }, limit_ms)) return std::nullopt;
    const auto found = find();
    auto event = *found;
    events.erase(found);
    return event;
}

Session::Session(const std::string& socket_dir, const std::string& options)
    : connection_(PQconnectdb(
          ("host=" + socket_dir + " user=postgres dbname=postgres connect_timeout=10 " + options).c_str())) {
    if (PQstatus(connection_) == CONNECTION_OK) return;
    const std::string reason = PQerrorMessage(connection_);
    PQfinish(connection_);
    throw std::runtime_error(reason);
}

Session::~Session() {
    PQfinish(connection_);
}

std::string Session::ask(const std::string& sql) {
    PGresult* result = PQexec(connection_, sql.c_str());
    const auto status = PQresultStatus(result);
    const std::string problem = PQresultErrorMessage(result);
    const std::string value = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) throw std::runtime_error(sql + ": " + problem);
    return value;
}

void Session::send(const std::string& sql) {
    if (PQsendQuery(connection_, sql.c_str()) == 0) throw std::runtime_error(PQerrorMessage(connection_));
}

pid_t Session::backend() const {
    return PQbackendPID(connection_);
}

LauncherTest::~LauncherTest() {
    keeper.reset();
    // The launcher takes PostgreSQL along; whatever a failed test has left besides is ended here.
    launcher = Child();
    for (const auto pid : in_data()) ::kill(pid, SIGKILL);
    static_cast<void>(eventually([this] { return in_data().empty(); }));
}

void LauncherTest::launch(const std::vector<std::string>& flags) {
    std::vector<std::string> command{program("pgaf-launcher"), "--pgdata", data, "--socket", socket};
    command.insert(command.end(), flags.begin(), flags.end());
    launcher = Child(command, output);
}

void LauncherTest::make_data() {
    // initdb once, then copies: it takes longer than most tests.
    static const TempDir made;
    const auto origin = made / "data";
    if (!std::filesystem::exists(origin)) {
        const auto done =
            run_command({postgres_bin() + "/initdb", "-D", origin, "-U", "postgres", "-A", "trust", "-N"});
        if (done.code != 0) throw std::runtime_error("initdb: " + done.output);
    }
    std::filesystem::copy(origin, data, std::filesystem::copy_options::recursive);
    std::filesystem::permissions(data, std::filesystem::perms::owner_all);
}

std::unique_ptr<Keeper> LauncherTest::connect() {
    auto made = std::make_unique<Keeper>(socket);
    if (!made->until_connected()) throw std::runtime_error(made->client->trouble() + "\n" + launcher_output());
    return made;
}

void LauncherTest::set_up(const std::vector<std::string>& flags) {
    make_data();
    launch(flags);
    keeper = connect();
}

std::vector<std::string> LauncherTest::server_args(const std::vector<std::string>& more) const {
    // No TCP, so no port to find; fsync off, since no test of these looks at what a power loss leaves.
    std::vector<std::string> args{"-c", "listen_addresses=", "-c", "unix_socket_directories=" + dir.path(),
                                  "-c", "fsync=off"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
}

bool LauncherTest::takes_connections() {
    return PQping(("host=" + dir.path() + " connect_timeout=5").c_str()) == PQPING_OK;
}

pid_t LauncherTest::start_postgres(const std::vector<std::string>& more) {
    const auto pid = keeper->answer(keeper->client->start(server_args(more)));
    if (!pid) throw std::runtime_error(pid.error().message);
    if (!eventually([this] { return takes_connections(); }))
        throw std::runtime_error("PostgreSQL does not come up: " + launcher_output());
    return *pid;
}

std::unique_ptr<Session> LauncherTest::busy_session() {
    auto made = session();
    made->send("do $$ begin loop end loop; end $$");
    // Busy once it has used up some time: its loop has begun.
    const auto stat = "/proc/" + std::to_string(made->backend()) + "/schedstat";
    const auto used = [&] { return std::strtoull(read_text(stat).c_str(), nullptr, 10); };
    const auto before = used();
    if (!eventually([&] { return used() > before + 30'000'000; })) throw std::runtime_error("the backend is not busy");
    return made;
}

}  // namespace pgaf::test
