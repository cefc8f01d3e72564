#include "keeper/postgres/server_view.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "keeper/postgres/settings.h"

namespace pgaf::keeper {
namespace {

using Json = nlohmann::json;

constexpr const char* look_query = R"(
SELECT r AS recovery, (SELECT system_identifier FROM pg_control_system()) AS system,
  CASE WHEN r THEN NULL ELSE pg_current_wal_flush_lsn() END AS flushed,
  CASE WHEN r THEN NULL
       ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint END AS timeline,
  pg_last_wal_receive_lsn() AS received, pg_last_wal_replay_lsn() AS replayed,
  CASE WHEN r THEN pg_is_wal_replay_paused() ELSE false END AS paused,
  c.timeline_id AS checkpoint_timeline, c.redo_lsn AS redo,
  (SELECT bytes_per_wal_segment FROM pg_control_init()) AS segment_bytes,
  current_setting('synchronous_standby_names') AS names, current_setting('primary_conninfo') AS conninfo,
  (SELECT json_build_object('pid', pid, 'status', status, 'timeline', coalesce(received_tli, 0), 'flushed', flushed_lsn,
          'host', coalesce(sender_host, ''), 'port', coalesce(sender_port, 0),
          'age', greatest(0, extract(epoch FROM clock_timestamp() - last_msg_receipt_time) * 1000)::bigint)
     FROM pg_stat_wal_receiver LIMIT 1) AS receiver,
  (SELECT json_agg(json_build_object('pid', s.pid, 'user', coalesce(usename, ''), 'application', application_name,
          'state', coalesce(state, ''), 'flushed', flush_lsn, 'replayed', replay_lsn,
          'lag', coalesce(extract(epoch FROM replay_lag) * 1000, 0)::bigint,
          'priority', coalesce(sync_priority, 0), 'slot', coalesce(slot_name, '')))
     FROM pg_stat_replication s LEFT JOIN pg_replication_slots p ON p.active_pid = s.pid AND p.slot_type = 'physical')
    AS walsenders,
  (SELECT json_agg(json_build_object('name', slot_name, 'active', active, 'lost', coalesce(wal_status = 'lost', false),
          'restart', restart_lsn))
     FROM pg_replication_slots WHERE slot_type = 'physical' AND restart_lsn IS NOT NULL AND NOT temporary) AS slots
FROM pg_is_in_recovery() AS r, pg_control_checkpoint() AS c)";

Lsn lsn_of(const Json& json, const char* key) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_string()) return {};
    return Lsn::parse(found->get<std::string>()).value_or(Lsn{});
}

ReceiverRow receiver_of(const Json& json) {
    ReceiverRow row;
    row.pid = json.at("pid").get<int>();
    row.status = json.at("status").get<std::string>();
    row.timeline = Timeline{json.at("timeline").get<std::uint32_t>()};
    row.flushed = lsn_of(json, "flushed");
    row.host = json.at("host").get<std::string>();
    row.port = json.at("port").get<std::uint16_t>();
    // greatest() leaves NULL out, so a receiver that has heard nothing yet counts as fresh: it has just connected.
    row.last_message_age = Millis{json.at("age").get<std::int64_t>()};
    return row;
}

WalsenderRow walsender_of(const Json& json) {
    WalsenderRow row;
    row.pid = json.at("pid").get<int>();
    row.user = json.at("user").get<std::string>();
    row.application = json.at("application").get<std::string>();
    row.state = json.at("state").get<std::string>();
    row.flushed = lsn_of(json, "flushed");
    row.replayed = lsn_of(json, "replayed");
    row.replay_lag = Millis{json.at("lag").get<std::int64_t>()};
    row.sync_priority = json.at("priority").get<int>();
    row.slot = json.at("slot").get<std::string>();
    return row;
}

template <class Row, class F>
std::vector<Row> rows_of(const std::string& text, F make) {
    std::vector<Row> rows;
    if (text.empty()) return rows;
    for (const Json& json : Json::parse(text)) rows.push_back(make(json));
    return rows;
}

ServerView view_of(const Rows& rows) {
    ServerView view;
    view.in_recovery = rows.flag(0, "recovery");
    // Unsigned 64 bits, which SQL's bigint shows as negative from 2038 on.
    view.system_id = SystemId{std::to_string(static_cast<std::uint64_t>(rows.number(0, "system")))};
    view.flushed = rows.lsn(0, "flushed");
    view.timeline = Timeline{static_cast<std::uint32_t>(rows.number(0, "timeline"))};
    view.received = rows.lsn(0, "received");
    view.replayed = rows.lsn(0, "replayed");
    view.replay_paused = rows.flag(0, "paused");
    view.checkpoint_timeline = Timeline{static_cast<std::uint32_t>(rows.number(0, "checkpoint_timeline"))};
    view.segment_bytes = static_cast<std::uint64_t>(rows.number(0, "segment_bytes"));
    view.redo = rows.lsn(0, "redo");
    view.standby_names = rows.text(0, "names");
    view.conninfo = rows.text(0, "conninfo");
    if (!rows.is_null(0, "receiver")) view.receiver = receiver_of(Json::parse(rows.text(0, "receiver")));
    view.walsenders = rows_of<WalsenderRow>(rows.text(0, "walsenders"), walsender_of);
    view.slots = rows_of<SlotRow>(rows.text(0, "slots"), [](const Json& json) {
        return SlotRow{json.at("name").get<std::string>(), json.at("active").get<bool>(), json.at("lost").get<bool>(),
                       lsn_of(json, "restart")};
    });
    return view;
}

}  // namespace

boost::asio::awaitable<Result<ServerView>> look(Connection& connection, Millis limit) {
    auto rows = co_await connection.query(look_query, limit);
    // Recovery that ends between two parts of the query makes one of them an error ("recovery is not in progress").
    if (!rows && connection.is_open()) rows = co_await connection.query(look_query, limit);
    if (!rows) co_return rows.error();
    co_return view_of(*rows);
}

std::optional<MemberName> parse_member_name(const std::string& application, const ClusterName& cluster) {
    std::string name = application;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    const std::string prefix = "pgaf_" + cluster.v + "_";
    constexpr std::size_t id_length = 16;
    if (name.size() < prefix.size() + 2 + id_length || name.compare(0, prefix.size(), prefix) != 0) return std::nullopt;
    const std::size_t separator = name.size() - id_length - 1;
    if (name[separator] != '_') return std::nullopt;
    MemberName member;
    member.node = NodeName{name.substr(prefix.size(), separator - prefix.size())};
    member.incarnation = IncarnationId{name.substr(separator + 1)};
    if (!is_valid_node_name(member.node.v)) return std::nullopt;
    return member;
}

bool is_impostor(const WalsenderRow& walsender, const ClusterName& cluster) {
    // Before it streams it acknowledges nothing, and the true one has not taken its slot yet either.
    if (walsender.state != "streaming" && walsender.state != "catchup") return false;
    const auto member = parse_member_name(walsender.application, cluster);
    if (!member) return false;
    return walsender.user != replication_role || walsender.slot != slot_name(member->node);
}

}  // namespace pgaf::keeper
