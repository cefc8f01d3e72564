// Owns the clusters: feeds each heart its inputs one at a time, makes its decisions durable, then has them sent (R1).
// Called on one strand only, so it needs no lock. Knows nothing of gRPC, HTTP or SQLite.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/log.h"
#include "common/result.h"
#include "monitor/fsm/heart.h"
#include "monitor/service/clock.h"
#include "monitor/service/meter.h"
#include "monitor/store/store.h"

namespace pgaf::monitor {

/// The way to one keeper. Called from inside the coordinator: implementations queue and return, they do not call back.
class KeeperLink {
  public:
    virtual ~KeeperLink() = default;
    virtual void send(const Goal& goal) = 0;
    virtual void send(const fsm::ProbeRequest& probe) = 0;
    /// The session is over for the coordinator: say why, and end it.
    virtual void turn_away(const std::string& message) = 0;
};

/// Somebody who looks at a cluster. changed() comes after each step; it may read the coordinator, not change it.
class Watcher {
  public:
    virtual ~Watcher() = default;
    virtual void changed() = 0;
};

/// What a keeper is told beside its goals.
struct AckContent {
    std::uint32_t heartbeat_ms = 0;
    std::uint32_t node_timeout_ms = 0;
    /// It is the cluster's primary, as the record says now: only then does the answer carry its lease (R7, R8).
    bool lease = false;
    /// Where the flushed WAL of the nodes on the newest timeline ends.
    std::vector<std::pair<NodeName, Lsn>> positions;
    /// How far the durable record has come; without a life while that is in doubt (R11).
    StoreMark mark;
};

struct CoordinatorOptions {
    /// Of clusters that are new.
    fsm::Settings settings;
    std::size_t max_clusters = 64;
    std::size_t max_sessions = 512;
};

using SessionId = std::uint64_t;
using ReplyTo = std::function<void(const fsm::Reply&)>;

class Coordinator {
  public:
    /// What the coordinator needs of the world; all of it outlives the coordinator.
    struct World {
        Store& store;
        Meter& meter;
        std::function<Millis()> now;
        /// tick() is wanted at this time, or later.
        std::function<void(Millis)> wake_at;
        /// The process has to end, because of this: nothing is decided or sent any more.
        std::function<void(const std::string&)> fatal;
    };
    Coordinator(World world, CoordinatorOptions options, MonitorId monitor);
    ~Coordinator();

    /// Begins this process's term and takes over what the store has.
    Result<void> start();
    /// Ends all sessions: the process is about to end. Nothing is decided any more.
    void stop();
    void tick();

    // Keepers. A cluster begins with the first session of its first node.
    Result<SessionId> open(const Hello& hello, KeeperLink& link);
    /// An error: the report is not of this session's node.
    Result<void> report(SessionId session, const Report& report);
    void probe_answered(SessionId session, const ProbeResult& result);
    /// Harmless when the session was turned away or closed before.
    void close(SessionId session);
    [[nodiscard]] AckContent ack(SessionId session) const;

    // Operators and those who look.
    [[nodiscard]] const fsm::Heart* find(const ClusterName& cluster) const;
    [[nodiscard]] std::vector<ClusterName> names() const;
    [[nodiscard]] fsm::Summary summary(const fsm::Heart& heart) const;
    [[nodiscard]] std::uint64_t last_event(const ClusterName& cluster) const;
    Result<std::vector<Event>> events(const EventQuery& query) { return world_.store.events(query); }
    /// Gives the heart a command; its replies go to `reply_to`, the first from inside this call. Returns the id that
    /// forget_command takes. The cluster must exist.
    std::uint64_t command(const ClusterName& cluster, fsm::Command command, ReplyTo reply_to);
    void forget_command(std::uint64_t id) { reply_to_.erase(id); }
    void watch(const ClusterName& cluster, Watcher& watcher) { watchers_[cluster].insert(&watcher); }
    void unwatch(const ClusterName& cluster, Watcher& watcher);
    [[nodiscard]] bool deciding() const { return deciding_; }
    [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }
    [[nodiscard]] std::uint64_t store_size() const { return world_.store.size_bytes(); }

  private:
    struct Cluster {
        fsm::Heart heart;
        std::uint64_t last_event = 0;
        std::optional<Millis> wake_at;
    };
    struct Session {
        ClusterName cluster;
        NodeName node;
        BootId boot;
        KeeperLink* link = nullptr;
    };

    Result<Cluster*> cluster_for(const Hello& hello);
    void step(const ClusterName& name, Cluster& cluster, const fsm::Input& input);
    bool leads();
    bool make_durable(const ClusterName& name, Cluster& cluster, const fsm::Output& out);
    void send(const ClusterName& name, const fsm::Output& out);
    void show(const ClusterName& name, const std::vector<Event>& events);
    void end_session(SessionId id, const std::string& message);
    KeeperLink* link_to(const ClusterName& cluster, const NodeName& node);
    void give_up(const std::string& why);
    Result<void> count_failovers(const ClusterName& name, fsm::Heart& heart);
    void plan_wake_up();
    void tell_watchers(const ClusterName& cluster);

    World world_;
    CoordinatorOptions options_;
    MonitorId monitor_;
    Term term_;
    bool deciding_ = false;
    std::map<ClusterName, std::unique_ptr<Cluster>> clusters_;
    std::map<SessionId, Session> sessions_;
    std::map<std::pair<ClusterName, NodeName>, SessionId> session_of_;
    SessionId last_session_ = 0;
    std::map<std::uint64_t, ReplyTo> reply_to_;
    std::uint64_t last_command_ = 0;
    std::map<ClusterName, std::set<Watcher*>> watchers_;
    Log log_;
};

}  // namespace pgaf::monitor
