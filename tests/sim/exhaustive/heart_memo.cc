#include "tests/sim/exhaustive/heart_memo.h"

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "common/mutation.h"

namespace pgaf::fsm {
BOOST_DESCRIBE_STRUCT(SessionOpened, (), (hello))
BOOST_DESCRIBE_STRUCT(SessionClosed, (), (node, boot))
BOOST_DESCRIBE_STRUCT(ReportReceived, (), (report))
BOOST_DESCRIBE_STRUCT(ProbeAnswered, (), (by, result))
BOOST_DESCRIBE_STRUCT(Command, (),
                      (id, kind, node, allow_data_loss, allow_failover, force, dry_run, candidate_priority,
                       replication_quorum, setting, value))
BOOST_DESCRIBE_STRUCT(Tick, (), ())
}  // namespace pgaf::fsm

namespace pgaf::exhaustive {
namespace {

constexpr std::int64_t timeout_ms = 2500;

// Whoever adds a member to one of these describes it (BOOST_DESCRIBE_STRUCT), names it here, and looks whether calm()
// and grow_older() have to know it: left out of the fingerprint, different states would be taken for one.
template <class T, std::size_t members>
constexpr bool described_with =
    boost::mp11::mp_size<boost::describe::describe_members<T, boost::describe::mod_any_access>>::value == members;
[[maybe_unused]] void names_all_members(const fsm::NodeView& view, const fsm::Memory& memory, const keeper::Run& run) {
    [[maybe_unused]] const auto& [a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19,
                                  a20, a21, a22, a23, a24, a25, a26, a27] = view;
    static_assert(described_with<fsm::NodeView, 27>);
    [[maybe_unused]] const auto& [b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15, b16, b17, b18, b19,
                                  b20, b21, b22, b23, b24, b25, b26, b27] = memory;
    static_assert(described_with<fsm::Memory, 27>);
    [[maybe_unused]] const auto& [c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19,
                                  c20, c21, c22, c23, c24, c25, c26, c27, c28] = run;
    static_assert(described_with<keeper::Run, 28>);
}

/// How many node timeouts a time of this kind can matter.
void cap(Millis& when, std::int64_t timeouts) {
    when = std::max(when, Millis{heart_now.v - timeouts * timeout_ms});
}
void cap(std::optional<Millis>& when, std::int64_t timeouts) {
    if (when) cap(*when, timeouts);
}

void calm(fsm::NodeView& v) {
    v.seq = v.seq == 0 ? 0 : 1;
    // In this model no run of a keeper comes back.
    v.hears = false;
    v.earlier_runs.clear();
    if (v.report) {
        v.report->seq = 0;
        // Only whether it is there counts for anybody.
        if (!v.report->problem.empty()) v.report->problem = "a problem";
    }
    v.first_probe = 0;
    if (v.probe) v.probe->probe = 0;
    if (!v.distrust.empty()) v.distrust = "forgot";
    cap(v.heard, 1);
    cap(v.closed, 1);
    cap(v.high_since, 1);
    cap(v.not_streaming_since, 1);
    cap(v.starting_since, 4);
    // Older than what was last heard stays older.
    if (v.probe_asked.v != 0) cap(v.probe_asked, 2);
    if (v.probe_answered.v != 0) cap(v.probe_answered, 2);
    if (v.peers_asked.v != 0) cap(v.peers_asked, 1);
    std::erase_if(v.reaches, [](const auto& seen) { return seen.second.v <= heart_now.v - timeout_ms; });
}

/// Within one instant only the order counts: whether a report came after the start of some run of a keeper.
void calm_order(std::map<NodeName, fsm::NodeView>& views) {
    const Millis long_ago{heart_now.v - timeout_ms};
    std::vector<Millis> starts;
    for (auto& [name, v] : views) {
        if (v.ran) v.boot_since = long_ago;
        cap(v.boot_since, 1);
        if (v.boot_since > long_ago) starts.push_back(v.boot_since);
    }
    std::sort(starts.begin(), starts.end(), std::greater<>());
    starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
    const auto place = [&](Millis when) {
        const auto found = std::find_if(starts.begin(), starts.end(), [&](Millis start) { return start <= when; });
        return found == starts.end() ? long_ago : Millis{heart_now.v - 2 * (found - starts.begin() + 1)};
    };
    for (auto& [name, v] : views) {
        const Millis before = place(Millis{v.reported.v - 1});
        v.reported = before == long_ago ? long_ago : Millis{before.v + 1};
        if (v.boot_since > long_ago) v.boot_since = place(v.boot_since);
    }
}

/// R11: a count of commits that tells as much as a keeper can hear of, and nothing of the way here: the goals that were
/// made.
std::uint64_t commits_counted(const fsm::ClusterRecord& r) {
    std::uint64_t goals = 0;
    for (const auto& [name, n] : r.nodes) goals += n.goal.stamp.version.v;
    return goals;
}

/// The goals of this step were made in its commit.
void count_commits(const fsm::ClusterRecord& before, fsm::ClusterRecord& after) {
    for (auto& [name, n] : after.nodes) {
        const auto was = before.nodes.find(name);
        const bool made = was == before.nodes.end() || was->second.goal.stamp != n.goal.stamp;
        if (made && n.goal.digest.mark.life == after.mark.life) n.goal.digest.mark.commits = commits_counted(after);
    }
}

}  // namespace

void calm(Monitor& monitor) {
    fsm::ClusterRecord& r = monitor.record;
    fsm::Memory& m = monitor.memory;
    r.failovers = 0;
    if (!r.reason.empty()) r.reason = "a reason";
    for (auto& [name, n] : r.nodes) {
        n.said.rebuilt.clear();
        if (!n.put_back.empty()) n.put_back = n.goal.put_back = "forgot";
        if (stores_change) continue;
        RecordDigest rules;
        if (n.goal.role == Role::primary) rules.rules = std::move(n.goal.digest.rules);
        n.goal.digest = std::move(rules);
    }
    r.mark.commits = stores_change ? commits_counted(r) : 0;
    if (!stores_change) r.earlier.clear();
    for (auto& [name, v] : m.views) calm(v);
    calm_order(m.views);
    m.last_probe = 0;
    m.last_waiting.clear();
    m.last_refusals.clear();
    if (!r.doubt.empty()) r.doubt = "behind";
    m.recent_failovers.clear();
    m.triggered = m.epoch_began = heart_now;
    cap(m.started, 1);
    const bool forming = r.phase == fsm::Phase::forming;
    if (!forming) m.first_came = m.last_came = heart_now;
    cap(m.first_came, 1);
    cap(m.last_came, 1);
    cap(m.phase_since, 4);
    if (r.phase == fsm::Phase::steady || forming) m.phase_since = heart_now;
    cap(m.complete_since, 1);
    cap(m.word_since, 6);
    // In synchronous worlds nobody waits for a lease (R7).
    if (!r.settings.asynchronous) {
        m.members_fenced_since.reset();
        m.primary_answered.reset();
        m.primary_end = {};
    }
    cap(m.members_fenced_since, 3);
    cap(m.primary_answered, 3);
    cap(m.chosen_at, 4);
    if (r.phase != fsm::Phase::promoting) m.chosen_at = heart_now;
    cap(m.forward_since, 2);
    if (!r.forward) m.forward_since = heart_now;
    cap(m.permitted_at, 4);
    if (!r.permit) m.permitted_at = heart_now;
    for (Millis& t : m.recent_restarts) cap(t, 2);
}

void grow_older(fsm::Memory& m, Millis by) {
    const auto older = [by](Millis& when) { when.v -= by.v; };
    const auto older_if = [by](std::optional<Millis>& when) {
        if (when) when->v -= by.v;
    };
    for (Millis* t : {&m.started, &m.first_came, &m.last_came, &m.phase_since, &m.triggered, &m.epoch_began,
                      &m.chosen_at, &m.forward_since, &m.permitted_at})
        older(*t);
    older_if(m.complete_since);
    older_if(m.word_since);
    older_if(m.members_fenced_since);
    older_if(m.primary_answered);
    for (Millis& t : m.recent_failovers) older(t);
    // How slowly a server that does not come up is started again: here the next time is far enough.
    m.recent_restarts.clear();
    for (auto& [name, v] : m.views) {
        older_if(v.heard);
        older_if(v.closed);
        older_if(v.not_streaming_since);
        older_if(v.starting_since);
        older(v.high_since);
        older(v.boot_since);
        older(v.reported);
        if (v.probe_asked.v != 0) older(v.probe_asked);
        if (v.probe_answered.v != 0) older(v.probe_answered);
        if (v.peers_asked.v != 0) older(v.peers_asked);
        for (auto& [peer, when] : v.reaches) older(when);
    }
}

const HeartMove* HeartMemo::known(const Fingerprint& question) const {
    const auto found = known_.find(question);
    return found == known_.end() ? nullptr : &moves_[found->second];
}

const HeartMove& HeartMemo::step(Pools& pools, std::uint32_t monitor, const fsm::Input& input,
                                 std::vector<std::string>* told) {
    Fingerprinter f;
    f.add(monitor);
    f.add_value(input);
    const HeartMove* move = told ? nullptr : known(f.end());
    return move ? *move : know(pools, f.end(), monitor, input, told);
}

const HeartMove& HeartMemo::hears(Pools& pools, std::uint32_t monitor, std::uint32_t report,
                                  std::vector<std::string>* told) {
    Fingerprinter f;
    f.add(monitor);
    f.add(std::variant_size_v<fsm::Input>);  // no input's index: a question of another kind
    f.add(report);
    const HeartMove* move = told ? nullptr : known(f.end());
    return move ? *move : know(pools, f.end(), monitor, fsm::ReportReceived{pools.reports[report]}, told);
}

const HeartMove& HeartMemo::know(Pools& pools, const Fingerprint& question, std::uint32_t monitor,
                                 const fsm::Input& input, std::vector<std::string>* told) {
    const auto [found, fresh] = known_.try_emplace(question, static_cast<std::uint32_t>(moves_.size()));
    const std::uint32_t index = found->second;
    if (fresh) moves_.emplace_back();
    HeartMove& move = moves_[index];
    const Monitor& before = pools.monitors[monitor];
    fsm::Memory memory = before.memory;
    for (auto& [name, v] : memory.views) --v.boot_since.v, --v.reported.v;
    fsm::Heart heart(before.record, std::move(memory));
    fsm::Output out;
    fsm::Input numbered = input;
    if (auto* report = std::get_if<fsm::ReportReceived>(&numbered)) report->report.seq = 2;
    try {
        out = heart.step(numbered, heart_now);
    } catch (const std::logic_error& broken_rule) {
        move.broken = broken_rule.what();
        return move;
    }
    if (told)
        for (const fsm::LogEntry& e : out.log)
            told->push_back("monitor: " + e.kind + (e.rule.empty() ? "" : " [" + e.rule + "]") + ": " + e.message);
    if (!fresh) return move;
    Monitor after{true, heart.record(), heart.memory(), std::nullopt};
    if (stores_change) count_commits(before.record, after.record);
    calm(after);
    const auto said = [](const fsm::ClusterRecord& r) {
        return std::tuple(r.epoch, r.phase, r.primary_epoch, r.last_rule);
    };
    move.decides = said(before.record) != said(after.record);
    if (broken(Mutation::r1)) after.stored = out.persist ? before.record : before.stored;
    for (Goal goal : out.goals) {
        goal.digest = stores_change ? after.record.nodes.at(goal.node).goal.digest : RecordDigest{};
        goal.settings.clear();
        if (!goal.put_back.empty()) goal.put_back = "forgot";
        const NodeIx to = node_of(goal.node);
        move.goals.emplace_back(to, pools.goals.put(std::move(goal)));
    }
    move.probes = out.probes;
    for (const fsm::TurnAway& away : out.turned_away) move.turned_away.push_back(node_of(away.node));
    move.after = pools.monitors.put(std::move(after));
    return move;
}

}  // namespace pgaf::exhaustive
