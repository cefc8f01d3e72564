#include "keeper/http/cluster_documents.h"

#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/reflect.h"

namespace pgaf::keeper {
namespace {

using Json = nlohmann::json;

ClusterView view_of_goal(const Goal& goal) {
    ClusterView view;
    view.epoch = goal.stamp.epoch;
    for (const Peer& peer : goal.peers) {
        ClusterMember member;
        member.node = peer.node;
        member.incarnation = peer.incarnation;
        member.host = peer.host;
        member.port = peer.port;
        member.primary = peer.node == goal.digest.primary;
        member.candidate_priority = peer.candidate_priority;
        view.members.push_back(std::move(member));
    }
    Timeline before;
    for (const HistoryEntry& entry : goal.history) {
        Promotion promotion;
        promotion.epoch = entry.epoch;
        promotion.timeline = entry.timeline;
        promotion.parent = before;
        promotion.lsn = entry.fork.value_or(Lsn{});
        view.history.push_back(std::move(promotion));
        // One whose fork was never heard of was assigned and not begun (R5).
        if (before.empty() || entry.fork) before = entry.timeline;
    }
    view.settings = goal.settings;
    return view;
}

const char* role_word(const ClusterMember& member) {
    if (member.primary) return "leader";
    return member.in_sync_rule ? "sync_standby" : "replica";
}

const char* state_word(const ClusterMember& member) {
    switch (member.status) {
        case PgStatus::running:
            return member.streaming && !member.primary ? "streaming" : "running";
        case PgStatus::starting:
            return "starting";
        case PgStatus::stopping:
            return "stopping";
        case PgStatus::stopped:
            return "stopped";
        case PgStatus::absent:
            return "creating replica";
        case PgStatus::stuck:
            return "stuck";
        case PgStatus::unknown:
            break;
    }
    return "unknown";
}

Json member_json(const ClusterMember& member) {
    Json json{{"name", member.node.v},
              {"role", role_word(member)},
              {"state", state_word(member)},
              {"host", member.host},
              {"port", member.port},
              {"pgaf",
               {{"state", std::string(word(member.state))},
                {"connected", member.connected},
                {"candidate_priority", member.candidate_priority},
                {"lsn", member.lsn.text()}}}};
    if (!member.timeline.empty()) json["timeline"] = member.timeline.v;
    if (member.primary) return json;
    if (member.lag_bytes)
        json["lag"] = *member.lag_bytes;
    else
        json["lag"] = "unknown";
    return json;
}

/// ISO 8601 in UTC; empty for 0.
std::string time_text(std::int64_t unix_ms) {
    if (unix_ms == 0) return {};
    const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[32];
    const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    const std::string millis = std::to_string(1000 + unix_ms % 1000).substr(1);
    return std::string(text, size) + "." + millis + "+00:00";
}

/// Numbers and truth values as such: settings travel as texts.
Json value_json(const std::string& text) {
    if (text == "true" || text == "false") return text == "true";
    std::int64_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed == std::errc{} && end == text.data() + text.size()) return number;
    return text;
}

}  // namespace

ClusterView known_cluster(const LoopView& v) {
    if (v.cluster_age) return v.cluster;
    return v.promise.goal ? view_of_goal(*v.promise.goal) : ClusterView{};
}

Json cluster_document(const LoopView& v) {
    const ClusterView cluster = known_cluster(v);
    Json members = Json::array();
    for (const ClusterMember& member : cluster.members) members.push_back(member_json(member));
    Json own{{"epoch", cluster.epoch.v}};
    // How old what is said may be; without it, it is only what this node's goal says.
    if (v.cluster_age) own["age_ms"] = v.cluster_age->v;
    return {{"members", std::move(members)}, {"scope", v.promise.cluster.v}, {"pgaf", std::move(own)}};
}

/// A row for each timeline that ended: its number, where it was left, why, when, and who was promoted. The present one
/// has no row, and neither has one whose end is not known yet.
Json history_document(const LoopView& v) {
    Json rows = Json::array();
    for (const Promotion& p : known_cluster(v).history) {
        if (p.parent.empty() || p.lsn.empty()) continue;
        rows.push_back({p.parent.v, p.lsn.v, p.reason, time_text(p.unix_ms), p.node.v});
    }
    return rows;
}

Json config_document(const LoopView& v) {
    Json settings = Json::object();
    for (const SettingValue& setting : known_cluster(v).settings) settings[setting.name] = value_json(setting.value);
    Json json = Json::object();
    const auto number = [&](const char* name) -> std::optional<std::int64_t> {
        const auto found = settings.find(name);
        if (found == settings.end() || !found->is_number_integer()) return std::nullopt;
        return found->get<std::int64_t>();
    };
    // The words that Patroni's tools ask for, as far as there is a counterpart. Whole seconds, rounded up.
    if (const auto ms = number("node-timeout-ms")) json["ttl"] = (*ms + 999) / 1000;
    if (const auto ms = number("heartbeat-ms")) json["loop_wait"] = (*ms + 999) / 1000;
    if (const auto bytes = number("maximum-lag-on-failover")) json["maximum_lag_on_failover"] = *bytes;
    if (const auto count = number("number-sync-standbys")) json["synchronous_node_count"] = *count;
    if (settings.contains("asynchronous")) json["synchronous_mode"] = settings["asynchronous"] != Json(true);
    json["pgaf"] = std::move(settings);
    return json;
}

}  // namespace pgaf::keeper
