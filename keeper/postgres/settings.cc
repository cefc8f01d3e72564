#include "keeper/postgres/settings.h"

#include <algorithm>
#include <charconv>

#include "keeper/postgres/conf_text.h"
#include "keeper/postgres/connection.h"
#include "keeper/postgres/files.h"

namespace pgaf::keeper {
namespace {

std::string timeout_of(Millis node_timeout) {
    return std::to_string(node_timeout.v) + "ms";
}

/// Taken as they are from the user, who may want more than the default; never less than a cluster needs.
struct Minimum {
    const char* name;
    int least;
    const char* standard;
};
constexpr Minimum minimums[] = {{"max_wal_senders", 8, "16"}, {"max_replication_slots", 8, "16"}};

/// Used unless the user says otherwise.
constexpr std::pair<const char*, const char*> defaults[] = {{"wal_keep_size", "128MB"}};

std::string parameter_or(const PostgresConfig& config, const std::string& name, const std::string& otherwise) {
    const auto found = config.parameters.find(name);
    return found == config.parameters.end() ? otherwise : found->second;
}

/// What sessions of pgaf's own set, as its queries rely on it: the server, the role or the database may have other
/// defaults. Serializable, for one, lets a standby answer nothing at all.
constexpr auto own_session =
    "-c search_path=pg_catalog -c default_transaction_isolation=read\\ committed -c default_transaction_read_only=off "
    "-c default_transaction_deferrable=off -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";

using Lines = std::vector<std::pair<std::string, std::string>>;

/// The same for the whole life of a node.
Lines fixed_settings(const PostgresConfig& config, int version) {
    Lines lines = {
        {"port", std::to_string(config.port)},
        {"unix_socket_directories", socket_folder(config)},
        {"hba_file", config.data_dir + "/pg_hba.conf"},
        {"ident_file", config.data_dir + "/pg_ident.conf"},
        {"wal_level", parameter_or(config, "wal_level", "replica")},
        {"hot_standby", "on"},
        {"wal_log_hints", "on"},
        {"fsync", "on"},
        {"full_page_writes", "on"},
        // R9: left on, the postmaster would let clients in before k of S have what its recovery made visible. So it
        // ends instead, and the keeper starts it again at once, closed.
        {"restart_after_crash", "off"},
        {"wal_retrieve_retry_interval", "100ms"},
        {"wal_receiver_status_interval", "1s"},
        {"wal_sender_timeout", timeout_of(config.node_timeout)},
        {"wal_receiver_timeout", timeout_of(config.node_timeout)},
        {"archive_cleanup_command", ""},
        {"recovery_end_command", ""},
        {"recovery_target_timeline", "latest"},
        {"recovery_target", ""},
        {"recovery_target_lsn", ""},
        {"recovery_target_name", ""},
        {"recovery_target_time", ""},
        {"recovery_target_xid", ""},
    };
    // A file that promotes behind the cluster's back; gone in 16.
    if (version < 16) lines.emplace_back("promote_trigger_file", "");
    return lines;
}

}  // namespace

const std::set<std::string>& owned_settings() {
    static const std::set<std::string> names = {"port",
                                                "listen_addresses",
                                                "unix_socket_directories",
                                                "hba_file",
                                                "ident_file",
                                                "wal_level",
                                                "hot_standby",
                                                "wal_log_hints",
                                                "fsync",
                                                "full_page_writes",
                                                "restart_after_crash",
                                                "wal_retrieve_retry_interval",
                                                "wal_receiver_status_interval",
                                                "wal_sender_timeout",
                                                "wal_receiver_timeout",
                                                "restore_command",
                                                "archive_cleanup_command",
                                                "recovery_end_command",
                                                "recovery_target_timeline",
                                                "recovery_target",
                                                "recovery_target_lsn",
                                                "recovery_target_name",
                                                "recovery_target_time",
                                                "recovery_target_xid",
                                                "promote_trigger_file",
                                                "synchronous_standby_names",
                                                "primary_conninfo",
                                                "primary_slot_name",
                                                "max_wal_senders",
                                                "max_replication_slots",
                                                "data_directory",
                                                "config_file"};
    return names;
}

Result<> check_parameters(const std::map<std::string, std::string>& parameters) {
    for (const auto& [name, value] : parameters) {
        if (name.empty() || conf_name(name + " =") != name || name.find_first_of("\n'\"=#") != std::string::npos)
            return error("parameters: \"" + name + "\" is no name of a PostgreSQL setting (lower case, no blanks)");
        if (value.find('\n') != std::string::npos)
            return error("parameters: the value of " + name + " has a line break");
        if (name == "wal_level") {
            if (value != "replica" && value != "logical")
                return error("parameters: wal_level may be replica or logical, not \"" + value +
                             "\": standbys need it");
            continue;
        }
        const auto minimum = std::find_if(std::begin(minimums), std::end(minimums),
                                          [&wanted = name](const Minimum& m) { return wanted == m.name; });
        if (minimum != std::end(minimums)) {
            int number = 0;
            const auto r = std::from_chars(value.data(), value.data() + value.size(), number);
            if (r.ec != std::errc{} || r.ptr != value.data() + value.size() || number < minimum->least)
                return error("parameters: " + name + " must be a number of at least " + std::to_string(minimum->least));
            continue;
        }
        if (name == "fsync" || name == "full_page_writes")
            return error("parameters: " + name +
                         " is always on: switched off, a crash loses what was acknowledged; "
                         "take it out");
        if (owned_settings().contains(name))
            return error("parameters: " + name + " is set by pgaf itself; take it out");
    }
    return {};
}

std::string render_settings(const PostgresConfig& config, const Variable& variable, int version) {
    Lines lines = fixed_settings(config, version);
    lines.emplace_back("listen_addresses", variable.socket_only ? "" : config.listen);
    lines.emplace_back("synchronous_standby_names", variable.standby_names);
    lines.emplace_back("primary_conninfo", variable.conninfo);
    lines.emplace_back("primary_slot_name", variable.slot);
    lines.emplace_back("restore_command", variable.restore_command);
    for (const Minimum& minimum : minimums)
        lines.emplace_back(minimum.name, parameter_or(config, minimum.name, minimum.standard));
    if (variable.replay_first) {
        lines.emplace_back("max_standby_streaming_delay", "0");
        lines.emplace_back("max_standby_archive_delay", "0");
    }
    std::string text =
        "# Written by pgaf-keeper before each start and each change; what is edited here is lost.\n"
        "# Settings of your own belong into the table \"parameters\" of the keeper's configuration.\n";
    for (const auto& [name, value] : defaults) text += std::string(name) + " = " + conf_quoted(value) + "\n";
    // After a crash the server makes its folder durable before anything else: by one flush, not one for each file.
    if (version >= 14) text += "recovery_init_sync_method = 'syncfs'\n";
    for (const auto& [name, value] : config.parameters)
        if (!owned_settings().contains(name)) text += name + " = " + conf_quoted(value) + "\n";
    for (const auto& [name, value] : lines) text += name + " = " + conf_quoted(value) + "\n";
    return text;
}

std::string with_timeouts(const std::string& text, Millis node_timeout) {
    std::vector<std::string> removed;
    std::string changed = conf_without(text, {"wal_sender_timeout", "wal_receiver_timeout"}, removed);
    for (const char* name : {"wal_sender_timeout", "wal_receiver_timeout"})
        changed += std::string(name) + " = " + conf_quoted(timeout_of(node_timeout)) + "\n";
    return changed;
}

Variable parse_settings(const std::string& text) {
    auto values = conf_values(text);
    Variable variable;
    variable.standby_names = values["synchronous_standby_names"];
    variable.conninfo = values["primary_conninfo"];
    variable.slot = values["primary_slot_name"];
    variable.restore_command = values["restore_command"];
    return variable;
}

Result<std::string> member_name(const IncarnationId& incarnation, const Layout& layout) {
    const Peer* peer = find_peer(layout.peers, incarnation);
    // A member whose data folder is gone: it counts in the rule until R3 takes it out, and nobody bears its name.
    return application_name(layout.cluster, peer == nullptr ? NodeName{"gone"} : peer->node, incarnation);
}

namespace {

Result<std::string> quoted_members(const SyncRule& rule, const Layout& layout) {
    std::string list;
    for (const IncarnationId& member : rule.members) {
        const auto name = member_name(member, layout);
        if (!name) return name;
        list += (list.empty() ? "\"" : ", \"") + *name + "\"";
    }
    return list;
}

}  // namespace

Result<std::string> standby_names(const SyncRule& rule, const Layout& layout) {
    if (rule.asynchronous()) return std::string{};
    // A promotion with fewer survivors than number_sync_standbys: writes wait until the rule has grown (R6).
    if (rule.members.empty()) return std::string(closed_rule);
    const auto members = quoted_members(rule, layout);
    if (!members) return members;
    return "ANY " + std::to_string(rule.k) + " (" + *members + ")";
}

Result<std::string> padded_standby_names(const SyncRule& rule, const Layout& layout) {
    const auto members = quoted_members(rule, layout);
    if (!members) return members;
    return "FIRST " + std::to_string(rule.k) + " (\"pgaf pad\"" + (members->empty() ? "" : ", " + *members) + ")";
}

std::string socket_folder(const PostgresConfig& config) {
    return config.socket_dir.empty() ? config.state_dir : config.socket_dir;
}

std::string passfile_path(const PostgresConfig& config) {
    return config.state_dir + "/pgpass";
}

std::string passfile_text(const std::string& password) {
    std::string escaped;
    for (const char c : password) {
        if (c == ':' || c == '\\') escaped += '\\';
        escaped += c;
    }
    return "*:*:*:" + std::string(replication_role) + ":" + escaped + "\n";
}

std::string upstream_conninfo(const PostgresConfig& config, const Peer& upstream, const std::string& application,
                              const std::string& database) {
    std::string text = "host=" + conninfo_value(upstream.host) + " port=" + std::to_string(upstream.port) +
                       " user=" + replication_role + " passfile=" + conninfo_value(passfile_path(config)) +
                       " application_name=" + conninfo_value(application) + " connect_timeout=5" +
                       " tcp_user_timeout=" + std::to_string(config.node_timeout.v) +
                       " keepalives_idle=2 keepalives_interval=1 keepalives_count=3";
    if (!database.empty()) text += " dbname=" + conninfo_value(database) + " options=" + conninfo_value(own_session);
    return text;
}

std::string local_conninfo(const PostgresConfig& config, const std::string& application) {
    // Its own queries end at the server too when nobody waits for them any more, and tell errors in one language.
    return "host=" + conninfo_value(socket_folder(config)) + " port=" + std::to_string(config.port) +
           " user=" + conninfo_value(config.superuser) +
           " dbname=postgres application_name=" + conninfo_value(application) + " client_encoding=UTF8 options=" +
           conninfo_value(std::string("-c statement_timeout=60s -c lc_messages=C -c synchronous_commit=local ") +
                          own_session);
}

}  // namespace pgaf::keeper
