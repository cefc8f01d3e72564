#include "keeper/options.h"

#include "keeper/postgres/hba.h"

namespace pgaf::keeper {
namespace {

using config::Config;
using config::Option;
using config::Type;

PostgresConfig postgres_from(const Config& config) {
    PostgresConfig p;
    p.cluster = ClusterName{config.text("cluster")};
    p.node = NodeName{config.text("node")};
    p.data_dir = config.text("pgdata");
    while (p.data_dir.size() > 1 && p.data_dir.back() == '/') p.data_dir.pop_back();
    p.state_dir = config.has("state_dir") ? config.text("state_dir") : p.data_dir + ".pgaf";
    p.launcher_socket = config.text("launcher_socket");
    p.port = static_cast<std::uint16_t>(config.integer("port"));
    p.listen = config.text("listen");
    if (config.has("socket_dir")) p.socket_dir = config.text("socket_dir");
    p.superuser = config.text("superuser");
    if (config.has("superuser_password_file")) p.superuser_password_file = config.text("superuser_password_file");
    p.superuser_password = config.text("superuser_password");
    p.replication_password_file = config.text("replication_password_file");
    p.replication_password = config.text("replication_password");
    p.hba = config.list("hba");
    p.peer_networks = config.list("peer_networks");
    p.parameters = config.table("parameters");
    p.node_timeout = LoopOptions{}.node_timeout;
    p.disk_limit = Millis{config.integer("disk_timeout_ms")};
    return p;
}

std::vector<std::string> check(const Config& config) {
    std::vector<std::string> problems;
    const auto right = check_postgres_config(postgres_from(config));
    if (!right) problems.push_back(right.error().message);
    // Another word for yes would leave the node in, and nobody would know why.
    const auto& tags = config.table("tags");
    const auto left_out = tags.find("noloadbalance");
    if (left_out != tags.end() && left_out->second != "true" && left_out->second != "false")
        problems.push_back("tags: noloadbalance is \"" + left_out->second + "\"; it can be true or false");
    return problems;
}

std::vector<Option> node_options() {
    return {
        {.name = "cluster",
         .fallback = "default",
         .help = "the cluster that this node belongs to",
         .check = config::check_cluster_name},
        {.name = "node",
         .help = "name of this node, another one on each machine",
         .required = true,
         .check = config::check_node_name},
        {.name = "monitor",
         .type = Type::list,
         .help = "host:port of the monitor; several are tried in turn",
         .required = true,
         .check = config::check_host_port},
        {.name = "host",
         .help = "where other nodes and clients reach this PostgreSQL: a name or an address",
         .required = true},
        {.name = "port",
         .type = Type::integer,
         .fallback = "5432",
         .help = "port of this PostgreSQL",
         .min = 1,
         .max = 65535},
        {.name = "candidate_priority",
         .type = Type::integer,
         .fallback = "50",
         .help = "new nodes: rank in elections; 0: is never promoted",
         .min = 0,
         .max = 100},
        {.name = "replication_quorum",
         .type = Type::boolean,
         .fallback = "true",
         .help = "new nodes: commits may wait for this node"},
        {.name = "http_listen",
         .fallback = "127.0.0.1:8008",
         .help = "host:port for health checks and metrics",
         .check = config::check_listen_address},
        {.name = "tags",
         .type = Type::table,
         .help =
             "words about this node, for ?tag_NAME=VALUE of health checks; noloadbalance = \"true\": never a /replica"},
        {.name = "stats_interval_ms",
         .type = Type::integer,
         .fallback = "10000",
         .help = "how often PostgreSQL is asked for the figures that /metrics tells",
         .min = 1000,
         .max = 30000},  // figures that are older than a minute are an alert (PgafStatsStale)
        {.name = "log_level",
         .fallback = "info",
         .help = "what is logged",
         .words = {"debug", "info", "warning", "error", "off"}},
    };
}

std::vector<Option> postgres_options() {
    return {
        {.name = "pgdata",
         .help = "the data folder; may be absent",
         .required = true,
         .check = config::check_absolute_path},
        {.name = "state_dir",
         .help = "what the keeper must remember; not set: pgdata with .pgaf added",
         .check = config::check_absolute_path},
        {.name = "launcher_socket",
         .fallback = "/run/pgaf/launcher.sock",
         .help = "socket of this node's pgaf-launcher",
         .check = config::check_absolute_path},
        {.name = "socket_dir",
         .help = "folder of PostgreSQL's Unix socket; not set: state_dir",
         .check = config::check_absolute_path},
        {.name = "listen", .fallback = "*", .help = "PostgreSQL's listen_addresses"},
        {.name = "superuser", .fallback = "postgres", .help = "PostgreSQL's superuser, whom the keeper acts as"},
        {.name = "superuser_password_file",
         .help = "file (0600) with the password that the superuser gets when the cluster is made",
         .check = config::check_absolute_path},
        {.name = "superuser_password", .help = "that password itself", .secret = true},
        {.name = "replication_password_file",
         .help = "file (0600) with the password of the replication role, the same on all nodes",
         .check = config::check_absolute_path},
        {.name = "replication_password", .help = "that password itself", .secret = true},
        {.name = "disk_timeout_ms",
         .type = Type::integer,
         .fallback = "5000",
         .help = "a small write to the data folder that takes longer: the disk hangs, another node takes over",
         .min = 3000,
         .max = 600000},
        {.name = "hba",
         .type = Type::list,
         .help = "lines of pg_hba.conf for clients",
         .separator = ';',
         .check = check_hba_line},
        {.name = "peer_networks",
         .type = Type::list,
         .help = "networks that the other nodes come from; not set: exactly their hosts",
         .check = check_hba_network},
        {.name = "parameters",
         .type = Type::table,
         .help = "PostgreSQL settings that the cluster does not own",
         .yes = "on",
         .no = "off",
         .separator = ';'},
    };
}

}  // namespace

config::Program program() {
    config::Program it{.name = "pgaf-keeper",
                       .about = "makes the PostgreSQL of this machine what the monitor wants it to be",
                       .command = "run",
                       .env_prefix = "PGAF_KEEPER_",
                       .default_file = "/etc/pgaf/keeper.toml",
                       .options = node_options(),
                       .check = check};
    for (auto& option : postgres_options()) it.options.push_back(std::move(option));
    return it;
}

Options options_from(const Config& config) {
    Options o;
    o.postgres = postgres_from(config);
    o.session.monitors = config.list("monitor");
    Hello& self = o.loop.self;
    self.cluster = o.postgres.cluster;
    self.node = o.postgres.node;
    self.host = config.text("host");
    self.port = o.postgres.port;
    self.candidate_priority = static_cast<std::uint32_t>(config.integer("candidate_priority"));
    self.replication_quorum = config.boolean("replication_quorum");
    self.keeper_version = PGAF_VERSION;
    o.http_listen = config.text("http_listen");
    o.tags = config.table("tags");
    o.stats_interval = Millis{config.integer("stats_interval_ms")};
    o.log_level = log_level_from_word(config.text("log_level")).value_or(LogLevel::info);
    o.postgres.log = o.session.log = o.loop.log = Log{}.with({{"cluster", self.cluster}, {"node", self.node}});
    return o;
}

}  // namespace pgaf::keeper
