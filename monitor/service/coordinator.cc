#include "monitor/service/coordinator.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

namespace pgaf::monitor {
namespace {

/// Ticks come at least so often, so that the clock can tell a freeze of this process from silence of the nodes.
constexpr Millis longest_sleep{200};

class Stopwatch {
  public:
    [[nodiscard]] double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    }

  private:
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace

Coordinator::Coordinator(World world, CoordinatorOptions options, MonitorId monitor)
    : world_(std::move(world)), options_(std::move(options)), monitor_(std::move(monitor)) {}
Coordinator::~Coordinator() = default;

Result<void> Coordinator::start() {
    const std::string doubt = world_.store.doubt();
    const auto term = world_.store.begin_term(monitor_);
    if (!term) return term.error();
    term_ = *term;
    auto records = world_.store.load();
    if (!records) return records.error();
    for (auto& record : *records) {
        const ClusterName name = record.name;
        const auto last = world_.store.last_event(name);
        if (!last) return last.error();
        clusters_[name] = std::make_unique<Cluster>(
            Cluster{fsm::Heart(std::move(record), term_, monitor_, world_.now()), *last, std::nullopt});
        if (auto counted = count_failovers(name, clusters_[name]->heart); !counted) return counted.error();
    }
    last_command_ = term_.v << 20U;  // operations outlive the process that took them; their ids stay apart
    deciding_ = true;
    for (auto& [name, cluster] : clusters_) step(name, *cluster, fsm::Tick{});
    plan_wake_up();
    if (!doubt.empty()) log_.warning("store_doubted", doubt);
    log_.info("term_began", "this monitor decides",
              {{"term", term_}, {"monitor", monitor_}, {"clusters", clusters_.size()}});
    return {};
}

/// R15: the limit holds over restarts of the monitor, by the event log and the wall clock.
Result<void> Coordinator::count_failovers(const ClusterName& name, fsm::Heart& heart) {
    const std::int64_t now = wall_clock_unix_ms();
    const auto events = world_.store.events({name, 0, now - fsm::failover_window.v, default_events_kept});
    if (!events) return events.error();
    std::vector<Millis> ages;
    for (const Event& event : *events)
        if (fsm::is_automatic_failover(event.entry))
            ages.push_back(Millis{std::max<std::int64_t>(now - event.unix_ms, 0)});
    heart.remember_failovers(ages, world_.now());
    return {};
}

void Coordinator::stop() {
    deciding_ = false;
    while (!sessions_.empty()) end_session(sessions_.begin()->first, "the monitor is stopping; connect again");
    for (const auto& [name, cluster] : clusters_) tell_watchers(name);
}

/// After a failed commit nobody can say what is on the disk: the transaction may or may not be there after the next
/// recovery. So the process ends instead of going on from a copy of the heart: starting again reads what is durable,
/// and nothing of what was not durable has been said to anybody. No database stops for want of a monitor (R8).
void Coordinator::give_up(const std::string& why) {
    if (!deciding_) return;
    deciding_ = false;
    log_.error("giving_up", why);
    world_.fatal(why);
}

// ---- steps ----------------------------------------------------------------------------------------------------------

/// R10: this process may have stood still, and have been replaced meanwhile. So it looks whether it still leads before
/// it takes anything in: after a report has come and before it is answered, since a primary's lease counts from when it
/// sent that report (R8), and the next monitor counts from its own start (R7).
bool Coordinator::leads() {
    if (!deciding_) return false;
    if (const auto mine = world_.store.still_leads(); !mine) {
        give_up(mine.error().message);
        return false;
    }
    return true;
}

void Coordinator::step(const ClusterName& name, Cluster& cluster, const fsm::Input& input) {
    if (!leads()) return;
    fsm::Output out;
    try {
        const Stopwatch watch;
        out = cluster.heart.step(input, world_.now());
        world_.meter.decision(watch.seconds());
    } catch (const std::exception& broken) {  // an invariant that did not hold: nothing of it is stored or sent
        return give_up("cluster " + name.v + ": " + broken.what());
    }
    if (!make_durable(name, cluster, out)) return;
    cluster.wake_at = out.wake_at;
    send(name, out);
    for (const auto& takeover : out.takeovers) world_.meter.takeover(name, takeover);
    tell_watchers(name);
    plan_wake_up();
    // A session that this step has ended is closed for the heart too. It ignores those that it did not take.
    for (const auto& away : out.turned_away) step(name, cluster, fsm::SessionClosed{away.node, away.boot});
}

/// R1. True: durable, may be sent.
bool Coordinator::make_durable(const ClusterName& name, Cluster& cluster, const fsm::Output& out) {
    if (!out.persist && out.log.empty()) return true;
    const Stopwatch watch;
    const auto saved = world_.store.save(cluster.heart.record(), out.log, wall_clock_unix_ms());
    world_.meter.commit(watch.seconds());
    if (!saved) {
        give_up(saved.error().message);
        return false;
    }
    term_ = std::max(term_, cluster.heart.record().term);
    if (!saved->empty()) cluster.last_event = saved->back().seq;
    show(name, *saved);
    return true;
}

void Coordinator::send(const ClusterName& name, const fsm::Output& out) {
    for (const Goal& goal : out.goals) {
        if (KeeperLink* link = link_to(name, goal.node)) link->send(goal);
    }
    for (const auto& probe : out.probes) {
        if (KeeperLink* link = link_to(name, probe.by)) link->send(probe);
    }
    for (const auto& away : out.turned_away) {
        std::vector<SessionId> theirs;
        for (const auto& [id, s] : sessions_) {
            if (s.cluster == name && s.node == away.node && s.boot == away.boot) theirs.push_back(id);
        }
        for (const SessionId id : theirs) end_session(id, away.message);
    }
    for (const auto& reply : out.replies) {
        const auto found = reply_to_.find(reply.command);
        if (found == reply_to_.end()) continue;  // who asked has gone
        const ReplyTo reply_to = found->second;
        if (reply.done) reply_to_.erase(found);
        reply_to(reply);
    }
}

void Coordinator::show(const ClusterName& name, const std::vector<Event>& events) {
    for (const Event& event : events) {
        const auto& e = event.entry;
        world_.meter.event(name, e.kind);
        log_.info(e.kind, e.message,
                  {{"cluster", name},
                   {"node", e.node},
                   {"epoch", e.epoch},
                   {"rule", e.rule},
                   {"seq", event.seq},
                   {"evidence", e.evidence}});
    }
}

void Coordinator::tick() {
    const Millis now = world_.now();
    for (auto& [name, cluster] : clusters_) {
        if (cluster->wake_at && *cluster->wake_at <= now) step(name, *cluster, fsm::Tick{});
    }
    plan_wake_up();
}

void Coordinator::plan_wake_up() {
    if (!deciding_) return;
    Millis next{world_.now().v + longest_sleep.v};
    for (const auto& [name, cluster] : clusters_) {
        if (cluster->wake_at) next = std::min(next, *cluster->wake_at);
    }
    world_.wake_at(next);
}

// ---- sessions -------------------------------------------------------------------------------------------------------

Result<Coordinator::Cluster*> Coordinator::cluster_for(const Hello& hello) {
    if (const auto found = clusters_.find(hello.cluster); found != clusters_.end()) return found->second.get();
    if (!is_valid_cluster_name(hello.cluster.v)) {
        return error("'" + hello.cluster.v +
                     "' is not a cluster name: use at most 16 of a-z, 0-9 and '-', beginning with a letter");
    }
    if (clusters_.size() >= options_.max_clusters) {
        return error("this monitor has its limit of " + std::to_string(options_.max_clusters) +
                     " clusters; run another one for cluster " + hello.cluster.v);
    }
    fsm::ClusterRecord record;
    record.name = hello.cluster;
    record.settings = options_.settings;
    record.doubt = world_.store.doubt();
    auto cluster = std::make_unique<Cluster>(
        Cluster{fsm::Heart(std::move(record), term_, monitor_, world_.now()), 0, std::nullopt});
    return clusters_.emplace(hello.cluster, std::move(cluster)).first->second.get();
}

Result<SessionId> Coordinator::open(const Hello& hello, KeeperLink& link) {
    if (!deciding_) return error("the monitor is stopping; connect again");
    if (sessions_.size() >= options_.max_sessions) {
        return error("this monitor has its limit of " + std::to_string(options_.max_sessions) + " keepers");
    }
    const auto cluster = cluster_for(hello);
    if (!cluster) return cluster.error();
    const SessionId id = ++last_session_;
    const auto key = std::pair(hello.cluster, hello.node);
    sessions_[id] = Session{hello.cluster, hello.node, hello.boot, &link};
    const SessionId before = std::exchange(session_of_[key], id);
    step(hello.cluster, **cluster, fsm::SessionOpened{hello});
    if (sessions_.contains(id)) {
        if (before != 0) end_session(before, "a newer session of " + hello.node.v + " has taken the place of this one");
        return id;
    }
    // Turned away. The one before it stays, unless it was turned away with it.
    if (sessions_.contains(before)) session_of_[key] = before;
    if ((*cluster)->heart.record().nodes.empty()) clusters_.erase(hello.cluster);
    return id;
}

/// Without a word to the heart: see step() and open() for who tells it.
void Coordinator::end_session(SessionId id, const std::string& message) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return;
    const Session session = found->second;
    sessions_.erase(found);
    const auto current = session_of_.find({session.cluster, session.node});
    if (current != session_of_.end() && current->second == id) session_of_.erase(current);
    session.link->turn_away(message);
}

void Coordinator::close(SessionId id) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return;
    const Session session = found->second;
    sessions_.erase(found);
    const auto current = session_of_.find({session.cluster, session.node});
    if (current == session_of_.end() || current->second != id) return;  // replaced: the node is still there
    session_of_.erase(current);
    const auto cluster = clusters_.find(session.cluster);
    if (cluster != clusters_.end())
        step(session.cluster, *cluster->second, fsm::SessionClosed{session.node, session.boot});
}

Result<void> Coordinator::report(SessionId id, const Report& report) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return {};  // ended a moment ago; its keeper will see that
    const Session& session = found->second;
    if (report.cluster != session.cluster || report.node != session.node || report.boot != session.boot) {
        return error("a report of " + report.cluster.v + "/" + report.node.v + " in the session of " +
                     session.cluster.v + "/" + session.node.v + "; open a session for each node");
    }
    world_.meter.heartbeat(session.cluster, session.node);
    const ClusterName name = session.cluster;
    step(name, *clusters_.at(name), fsm::ReportReceived{report});
    return {};
}

void Coordinator::probe_answered(SessionId id, const ProbeResult& result) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return;
    const Session session = found->second;
    step(session.cluster, *clusters_.at(session.cluster), fsm::ProbeAnswered{session.node, result});
}

KeeperLink* Coordinator::link_to(const ClusterName& cluster, const NodeName& node) {
    const auto current = session_of_.find({cluster, node});
    if (current == session_of_.end()) return nullptr;  // it gets its goal when it connects
    const auto session = sessions_.find(current->second);
    return session == sessions_.end() ? nullptr : session->second.link;
}

AckContent Coordinator::ack(SessionId id) const {
    AckContent content;
    const auto session = sessions_.find(id);
    if (session == sessions_.end()) return content;
    const fsm::Heart& heart = clusters_.at(session->second.cluster)->heart;
    const auto& record = heart.record();
    content.heartbeat_ms = record.settings.heartbeat_ms;
    content.node_timeout_ms = record.settings.node_timeout_ms;
    const auto node = record.nodes.find(session->second.node);
    content.lease = record.doubt.empty() && node != record.nodes.end() && record.primary == node->first &&
                    record.primary_incarnation == node->second.incarnation;
    if (record.doubt.empty()) content.mark = record.mark;
    if (record.history.empty()) return content;
    for (const auto& [name, view] : heart.views()) {
        // A node on an older timeline may have diverged, and then needs WAL from before the fork, wherever its own
        // ends.
        const bool counts =
            view.report && view.report->timeline == record.history.back().timeline && record.nodes.contains(name);
        if (counts && !view.report->end.empty()) content.positions.emplace_back(name, view.report->end);
    }
    return content;
}

// ---- operators ------------------------------------------------------------------------------------------------------

const fsm::Heart* Coordinator::find(const ClusterName& cluster) const {
    const auto found = clusters_.find(cluster);
    return found == clusters_.end() ? nullptr : &found->second->heart;
}

std::vector<ClusterName> Coordinator::names() const {
    std::vector<ClusterName> all;
    for (const auto& [name, cluster] : clusters_) all.push_back(name);
    return all;
}

fsm::Summary Coordinator::summary(const fsm::Heart& heart) const {
    return fsm::summarize(heart, world_.now());
}

std::uint64_t Coordinator::last_event(const ClusterName& cluster) const {
    const auto found = clusters_.find(cluster);
    return found == clusters_.end() ? 0 : found->second->last_event;
}

std::uint64_t Coordinator::command(const ClusterName& cluster, fsm::Command command, ReplyTo reply_to) {
    command.id = ++last_command_;
    reply_to_[command.id] = std::move(reply_to);
    step(cluster, *clusters_.at(cluster), command);
    return command.id;
}

void Coordinator::tell_watchers(const ClusterName& cluster) {
    const auto found = watchers_.find(cluster);
    if (found == watchers_.end()) return;
    for (Watcher* watcher : found->second) watcher->changed();
}

void Coordinator::unwatch(const ClusterName& cluster, Watcher& watcher) {
    const auto found = watchers_.find(cluster);
    if (found == watchers_.end()) return;
    found->second.erase(&watcher);
    if (found->second.empty()) watchers_.erase(found);
}

}  // namespace pgaf::monitor
