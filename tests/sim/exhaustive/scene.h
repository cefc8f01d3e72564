// A world that is being changed by one action: its parts are copied when they are first changed, and get their numbers
// when the action is over.
#pragma once

#include <optional>

#include "tests/sim/exhaustive/world.h"

namespace pgaf::exhaustive {

struct NodeMoves;

class Scene {
  public:
    Scene(Search& search, const World& world) : search(search), world(world) {}

    [[nodiscard]] std::size_t nodes() const { return search.spec.nodes; }
    [[nodiscard]] const Node& node(NodeIx n) const {
        return edited_[n] ? *edited_[n] : search.pools.nodes[world.node[n]];
    }
    Node& edit(NodeIx n) {
        if (!edited_[n]) edited_[n] = search.pools.nodes[world.node[n]];
        return *edited_[n];
    }
    [[nodiscard]] const Ghost& ghost() const { return ghost_ ? *ghost_ : search.pools.ghosts[world.ghost]; }
    Ghost& edit_ghost() {
        if (!ghost_) ghost_ = search.pools.ghosts[world.ghost];
        return *ghost_;
    }
    [[nodiscard]] const Monitor& monitor() const { return search.pools.monitors[world.monitor]; }

    /// The world as it is now.
    World seal();

    // ---- links ----
    [[nodiscard]] bool monitor_linked(NodeIx n) const { return (world.cut & (1U << n)) == 0; }
    [[nodiscard]] bool linked(NodeIx a, NodeIx b) const { return (world.cut & link_bit(a, b)) == 0; }
    static std::uint8_t link_bit(NodeIx a, NodeIx b) { return static_cast<std::uint8_t>(1U << (3U + a + b)); }

    // ---- luck ----
    [[nodiscard]] std::uint8_t left(Luck luck) const { return world.budget[static_cast<std::size_t>(luck)]; }
    bool spend(Luck luck) {
        std::uint8_t& left = world.budget[static_cast<std::size_t>(luck)];
        if (left == 0) return false;
        --left;
        return true;
    }

    /// Only the first is kept.
    void violated(std::string what) {
        if (violation.empty()) violation = std::move(what);
    }
    /// For the trace: `text` is called only when somebody listens.
    template <class F>
    void say(F&& text) {
        if (told) told->push_back(text());
    }

    Search& search;
    World world;
    std::string violation;
    std::vector<std::string>* told = nullptr;
    /// What is known of the nodes as they were before the action.
    const NodeMoves* known = nullptr;
    /// Something else can happen here that takes less than node_timeout.
    bool due = false;

  private:
    std::array<std::optional<Node>, most_nodes> edited_;
    std::optional<Ghost> ghost_;
};

// ---- server.cc: PostgreSQL
// --------------------------------------------------------------------------------------------

[[nodiscard]] bool serves_read_write(const Node& n);
void end_receiver(Scene& s, NodeIx standby);
/// Every process is gone.
void end_server(Scene& s, NodeIx n, bool crashed);
/// The postmaster is gone, its backends are not.
void orphan_server(Scene& s, NodeIx n);
bool connect_receiver(Scene& s, NodeIx standby);
bool flush_entry(Scene& s, NodeIx standby);
/// `is_long`: its record begins in one segment and ends in the next.
bool write_commit(Scene& s, NodeIx n, bool is_long);
/// Commits whose rule is satisfied are acknowledged at once: later would ask for less.
void release(Scene& s, NodeIx n);
/// k of S have flushed so many entries.
[[nodiscard]] bool flushed_by_rule(const Server& server, const SyncRule& rule, std::uint8_t entries);

// ---- steps.cc
// ---------------------------------------------------------------------------------------------------------

///   done      it happened
///   begun     its first half happened
///   waits     it can't happen now
enum class Progress { done, begun, waits };
Progress perform(Scene& s, NodeIx n, const keeper::Step& step);
/// The next part of what is under way.
Progress go_on(Scene& s, NodeIx n);

// ---- keeper.cc
// --------------------------------------------------------------------------------------------------------

[[nodiscard]] keeper::Facts observe(const Scene& s, NodeIx n);
void start_keeper(Scene& s, NodeIx n);
void kill_keeper(Scene& s, NodeIx n);
/// Looks and takes its next step. False: there is none.
bool act(Scene& s, NodeIx n);
/// The second half of a step that is under way.
bool finish_step(Scene& s, NodeIx n);
void take_goal(Scene& s, NodeIx n, const Goal& goal);
/// A look, and what is said of it.
[[nodiscard]] Report look_and_report(Scene& s, NodeIx n);
/// The same, when there is news that the monitor has not been told. Its number; 0: there is none.
[[nodiscard]] std::uint32_t news(Scene& s, NodeIx n);
/// The monitor has answered a report that was sent just now: a lease counts from there.
void note_answered(Scene& s, NodeIx n);
/// node_timeout has passed for the leases, and the standbys that are linked have confirmed WAL of it.
void age_leases(Scene& s);
/// The session is over as far as the keeper knows.
void lose_session(Scene& s, NodeIx n);

// ---- monitor.cc
// -------------------------------------------------------------------------------------------------------

void heart_step(Scene& s, const fsm::Input& input);
bool open_session(Scene& s, NodeIx n);
/// News arrives at once; or stays on its way, and arrives later.
bool report(Scene& s, NodeIx n);
bool send_report(Scene& s, NodeIx n);
bool deliver_report(Scene& s, NodeIx n);
bool close_session(Scene& s, NodeIx n);
bool start_monitor(Scene& s);
bool kill_monitor(Scene& s);
/// node_timeout passes: whoever can be heard is heard, and what is cut off falls silent.
bool pass_time(Scene& s);
[[nodiscard]] Monitor new_cluster(const Spec& spec);

// ---- rival.cc
// ---------------------------------------------------------------------------------------------------------

/// While it lives the other monitor is the world's.
class AsRival {
  public:
    explicit AsRival(Scene& scene);
    ~AsRival();
    AsRival(const AsRival&) = delete;
    AsRival& operator=(const AsRival&) = delete;

  private:
    Scene& s_;
};
/// Another process takes the store over; the first one stands still, and the sessions with it.
bool overtake(Scene& s);
/// The one that stood still goes on: it looks at the store, and ends.
bool rival_goes_on(Scene& s);
/// The node's session is with the other one.
[[nodiscard]] bool with_rival(const Scene& s, NodeIx n);
[[nodiscard]] bool rival_acts(const Scene& s);

// ---- checks.cc
// --------------------------------------------------------------------------------------------------------

void check_acknowledged(Scene& s, NodeIx n, const Entry& entry);
/// Clients are let in: they see all that is there.
void check_opened(Scene& s, NodeIx n);
/// R9: nothing is started on what the state file alone says, while the monitor is near.
void check_begins(Scene& s, NodeIx n, const keeper::Step& step);
void check_timeline(Scene& s, NodeIx n, std::uint8_t timeline);
void check_promised(Scene& s, NodeIx n);
void check_decided(Scene& s, const fsm::ClusterRecord& before, const fsm::ClusterRecord& after);
/// node_timeout passes, and nobody has anything to do that takes less (I7).
void check_stale(Scene& s);
/// Nothing changes any more: somebody has to serve.
void check_rest(Scene& s);

}  // namespace pgaf::exhaustive
