#include "ctl/tables.h"

#include <algorithm>

#include "common/lsn.h"
#include "common/net.h"
#include "ctl/text.h"
#include "pgaf/v1/admin.pb.h"

namespace pgaf::ctl {
namespace {

std::string joined_names(const v1::ClusterState& state) {
    std::string names;
    for (const auto& name : state.failover_candidates()) names += (names.empty() ? "" : ", ") + name;
    return names;
}

std::string lag_text(const v1::NodeStatus& node) {
    if (!node.has_lag_bytes()) return "-";
    std::string text = bytes_text(node.lag_bytes());
    // A lag in time below what can be seen here says nothing.
    if (node.has_lag_ms() && node.lag_ms() >= 100) text += " " + age_text(node.lag_ms());
    return text;
}

Colour node_colour(const v1::NodeStatus& node) {
    if (!node.problem().empty() || !node.healthy()) return Colour::red;
    return node.state() == node.assigned() ? Colour::none : Colour::yellow;
}

std::string headline(const v1::ClusterState& state, bool colours) {
    std::string health = "healthy";
    if (!state.has_writable_primary())
        health = "no writable primary";
    else if (!state.healthy())
        health = "not healthy";
    const bool fine = state.healthy() && state.has_writable_primary();
    std::string failover = "ready (" + joined_names(state) + ")";
    if (!state.failover_ready())
        failover = "not ready" + (state.why_not_ready().empty() ? "" : " (" + state.why_not_ready() + ")");
    return "Cluster " + coloured(printable(state.cluster()), Colour::bold, colours) + "   epoch " +
           std::to_string(state.epoch()) + "   timeline " +
           (state.timeline() == 0 ? std::string("-") : std::to_string(state.timeline())) + "   " +
           coloured(health, fine ? Colour::green : Colour::red, colours) + "   failover: " +
           coloured(printable(failover), state.failover_ready() ? Colour::green : Colour::yellow, colours) + "\n";
}

/// What the table's columns have no room for: why the cluster waits, what nodes do, what is wrong with them.
std::string footnotes(const v1::ClusterState& state, bool colours) {
    std::string out;
    if (!state.waiting().empty())
        out += coloured("waiting: " + printable(state.waiting()), Colour::yellow, colours) + "\n";
    for (const auto& node : state.nodes()) {
        if (!node.doing().empty()) out += printable(node.name() + ": " + node.doing()) + "\n";
        if (!node.problem().empty())
            out += coloured(printable(node.name() + ": " + node.problem()), Colour::red, colours) + "\n";
    }
    return out;
}

Row event_row(const v1::Event& event) {
    std::string message = event.message();
    if (!event.evidence().empty()) message += " [" + event.evidence() + "]";
    return {local_time_text(event.unix_ms()), std::to_string(event.epoch()), event.node().empty() ? "-" : event.node(),
            event.kind(), message};
}

/// Wide enough for what is usual, so that events that come one by one stand in columns.
const std::vector<std::size_t> event_widths{23, 5, 8, 20};

std::string percent_encoded(const std::string& text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~')
            out += c;
        else
            ((out += '%') += digits[byte >> 4]) += digits[byte & 15];
    }
    return out;
}

}  // namespace

std::string state_table(const v1::ClusterState& state, bool colours) {
    std::vector<Row> rows{{"  NAME", "HOST:PORT", "STATE", "ASSIGNED", "LSN", "TLI", "LAG", "PRIO", "QUORUM", "SEEN"}};
    for (const auto& node : state.nodes()) {
        const HostPort address{node.host(), static_cast<std::uint16_t>(node.port())};
        rows.push_back({{(node.primary() ? "* " : "  ") + node.name(), node.primary() ? Colour::bold : Colour::none},
                        address.text(),
                        {node.state(), node_colour(node)},
                        node.assigned(),
                        node.lsn() == 0 ? "-" : Lsn{node.lsn()}.text(),
                        node.timeline() == 0 ? "-" : std::to_string(node.timeline()),
                        lag_text(node),
                        std::to_string(node.candidate_priority()),
                        node.replication_quorum() ? "yes" : "no",
                        node.seen_ms() < 0 ? "never" : age_text(node.seen_ms())});
    }
    return headline(state, colours) + table(rows, colours, {7, 15, 9, 9, 10, 3, 5, 4, 6, 4}) +
           footnotes(state, colours);
}

std::string settings_table(const v1::ClusterState& state, bool colours) {
    std::vector<Row> rows{{"NAME", "VALUE", "MEANING"}};
    for (const auto& setting : state.settings()) rows.push_back({setting.name(), setting.value(), setting.meaning()});
    return table(rows, colours);
}

std::string event_table(const v1::EventList& events, bool colours) {
    std::vector<Row> rows{{"TIME", "EPOCH", "NODE", "EVENT", "MESSAGE"}};
    for (const auto& event : events.events()) rows.push_back(event_row(event));
    return table(rows, colours, event_widths);
}

std::string event_line(const v1::Event& event, bool colours) {
    return table({event_row(event)}, colours, event_widths);
}

std::string progress_line(const v1::Event& event) {
    const bool named = event.node().empty() || event.message().find(event.node()) != std::string::npos;
    const std::string node = named ? "" : event.node() + ": ";
    return local_time_text(event.unix_ms()).substr(11) + "  " + printable(node + event.message()) + "\n";
}

std::string connection_uri(const v1::ClusterState& state, const std::string& role) {
    // The present primary first, to spare most clients an attempt; standbys first for those that read.
    std::vector<const v1::NodeStatus*> nodes;
    for (const auto& node : state.nodes())
        if (node.assigned() != "dropped") nodes.push_back(&node);
    const bool standbys_first = role == "replica";
    std::stable_partition(nodes.begin(), nodes.end(),
                          [&](const auto* node) { return node->primary() != standbys_first; });
    std::string hosts;
    for (const auto* node : nodes)
        hosts += (hosts.empty() ? "" : ",") + HostPort{node->host(), static_cast<std::uint16_t>(node->port())}.text();
    const std::string wanted = role == "primary" ? "read-write" : role == "replica" ? "standby" : "any";
    const std::string dbname = state.dbname().empty() ? "postgres" : state.dbname();
    // Without a limit a client waits for minutes for a machine that is frozen or cut off, although the next is fine.
    return "postgresql://" + hosts + "/" + percent_encoded(dbname) + "?target_session_attrs=" + wanted +
           "&connect_timeout=2";
}

}  // namespace pgaf::ctl
