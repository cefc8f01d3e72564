#include "keeper/postgres/sync_rule.h"

#include <algorithm>
#include <map>
#include <set>

#include "keeper/postgres/commit_wait.h"
#include "keeper/postgres/server_view.h"

namespace pgaf::keeper {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Millis query_limit{5000};

/// From 2 ms to 50 ms: not on the way of a failover, where the rule is opened with the promotion.
Millis next_pause(Millis pause) {
    return Millis{std::min<std::int64_t>(pause.v * 2, 50)};
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

/// The names (application_name) of a rule's members.
Result<std::set<std::string>> names_of(const SyncRule& rule, const Layout& layout) {
    std::set<std::string> names;
    for (const IncarnationId& member : rule.members) {
        const auto name = member_name(member, layout);
        if (!name) return name.error();
        names.insert(*name);
    }
    return names;
}

struct Proof {
    Node& node;
    std::shared_ptr<Connection> connection;
    std::set<std::string> members;
    /// synchronous_standby_names as it was found, lower case: whose walsenders may release under it.
    std::string before;
    /// The closed rule is in force, and not the padded one.
    bool closed = false;
    /// Walsenders of the first look: any later one was born under the rule in force.
    std::optional<std::set<int>> old;
    /// When each was last told to end: one that is blocked in its last message ends at the second signal only.
    std::map<int, Clock::time_point> ended;

    /// Why this walsender might still release a commit under an older rule; empty when it can't.
    [[nodiscard]] std::string doubt(const WalsenderRow& row) const;
    Async<Result<>> end_leaver(const WalsenderRow& row);
    Async<Result<>> no_old_release();
};

/// Its own sync_priority is set by the walsender itself, from the configuration that it has loaded: 2 and more is a
/// member's place behind the pad, 0 is none's, and everybody's under the closed rule. One that has flushed nothing yet
/// shows 0 whatever it has loaded.
std::string Proof::doubt(const WalsenderRow& row) const {
    const std::string name = lower(row.application);
    if (closed && members.contains(name)) {
        if (row.sync_priority == 0 && !(row.flushed.empty() && old->contains(row.pid))) return {};
        return name + " (its walsender " + std::to_string(row.pid) + " has not reloaded)";
    }
    if (members.contains(name)) {
        if (row.sync_priority >= 2) return {};
        return name + " (its walsender " + std::to_string(row.pid) + " has not reloaded)";
    }
    const bool named_before = before.find("\"" + name + "\"") != std::string::npos;
    if (row.sync_priority == 0 && !(named_before && old->contains(row.pid))) return {};
    return name + " (the walsender " + std::to_string(row.pid) + " of a node that has left the rule lives)";
}

Async<Result<>> Proof::end_leaver(const WalsenderRow& row) {
    if (members.contains(lower(row.application))) co_return Result<>{};
    const auto told = ended.find(row.pid);
    if (told != ended.end() && Clock::now() - told->second < std::chrono::milliseconds(200)) co_return Result<>{};
    ended[row.pid] = Clock::now();
    const auto done = co_await connection->query("SELECT pg_terminate_backend($1::int)",
                                                 parameters(std::to_string(row.pid)), query_limit);
    if (!done) co_return done.error().in("ending the walsender of " + row.application);
    co_return Result<>{};
}

/// Until no walsender can release a commit under an older rule than the padded one.
Async<Result<>> Proof::no_old_release() {
    const auto deadline = Clock::now() + std::chrono::milliseconds(node.config.proof_limit.v);
    for (Millis pause{2};; pause = next_pause(pause)) {
        const auto view = co_await look(*connection, query_limit);
        if (!view) co_return view.error();
        if (!old) {
            old.emplace();
            for (const WalsenderRow& row : view->walsenders) old->insert(row.pid);
        }
        std::string missing;
        for (const WalsenderRow& row : view->walsenders) {
            const std::string why = doubt(row);
            if (why.empty()) continue;
            missing += (missing.empty() ? "" : ", ") + why;
            if (auto done = co_await end_leaver(row); !done) co_return done;
        }
        if (missing.empty()) co_return Result<>{};
        if (Clock::now() > deadline)
            co_return error("the sync rule is configured, but not proved to be in force (R3): " + missing);
        co_await pause_for(pause);
    }
}

Async<Result<>> wait_for_flush(const Node& node, Connection& connection, const SyncRule& rule, const Layout& layout,
                               Lsn target) {
    const auto names = names_of(rule, layout);
    if (!names) co_return names.error();
    const auto deadline = Clock::now() + std::chrono::milliseconds(node.config.proof_limit.v);
    for (Millis pause{2};; pause = next_pause(pause)) {
        const auto view = co_await look(connection, query_limit);
        if (!view) co_return view.error();
        std::set<std::string> flushed;
        for (const WalsenderRow& row : view->walsenders)
            if (row.flushed >= target && !is_impostor(row, layout.cluster)) flushed.insert(lower(row.application));
        std::string missing;
        std::uint32_t count = 0;
        for (const std::string& name : *names) {
            if (flushed.contains(name))
                ++count;
            else
                missing += (missing.empty() ? "" : ", ") + name;
        }
        if (count >= rule.k) co_return Result<>{};
        if (Clock::now() > deadline)
            co_return error("waiting until " + std::to_string(rule.k) + " of the sync rule's standbys have flushed " +
                            target.text() + "; not yet: " + missing);
        co_await pause_for(pause);
    }
}

/// A walsender looks for commits to release only when its standby answers, and an idle one answers once a second: a
/// commit of the keeper's own, which waits for nobody, makes it answer now.
Async<Result<>> make_them_answer(Connection& connection) {
    const auto done = co_await connection.query(
        "SELECT pg_logical_emit_message(true, 'pgaf', 'the sync rule has changed')", query_limit);
    if (!done) co_return done.error().in("writing a WAL message");
    co_return Result<>{};
}

/// Under the closed rule a commit of the keeper's own has been seen waiting: from now on every one waits. Before that
/// the configuration says so, but only the checkpointer turns waiting on.
Async<Result<std::shared_ptr<Connection>>> prove_closed(Node& node, const Layout& layout) {
    const auto closed = node.following(layout, {}, closed_rule);
    if (!closed) co_return closed.error();
    auto connection = co_await node.put_in_force(*closed);
    if (!connection) co_return connection;
    if (auto done = co_await see_commit_wait(node, **connection, node.config.proof_limit); !done)
        co_return done.error();
    co_return connection;
}

Async<Result<std::shared_ptr<Connection>>> put_rule(Node& node, const Layout& layout,
                                                    const Result<std::string>& names) {
    if (!names) co_return names.error();
    const auto variable = node.following(layout, {}, *names);
    if (!variable) co_return variable.error();
    co_return co_await node.put_in_force(*variable);
}

/// Between the old rule and the new one no walsender may release what neither of them does. The padded rule sees to
/// that for k' = 1. But walsenders count each other's standbys, whatever each of them has loaded: one that still has
/// ANY 1 (b) counts c as soon as c's own has loaded a rule that names c, and releases a commit by c alone. For k' = 1 c
/// satisfies the new rule; for k' = 2 it satisfies neither. So there the way goes through the closed rule, which gives
/// nobody a priority: first no walsender counts any more, then those of the new rule only. Commits wait that long.
/// `waiting_unproved`: somebody else has set what was found, and may have set it to nothing before.
Async<Result<>> change_rule(Node& node, const ApplyRule& step, std::string before, bool waiting_unproved,
                            const Progress& progress) {
    const SyncRule& rule = step.rule.rule;
    node.run().closed_all_along = false;
    if (rule.asynchronous()) {
        // Weaker than any rule before it: whatever a late walsender releases, this one would have released too.
        const Result<std::string> nobody = std::string{};
        const auto seen = co_await put_rule(node, step.layout, nobody);
        if (!seen) co_return seen.error();
        co_return Result<>{};
    }
    const auto names = standby_names(rule, step.layout);
    if (!names) co_return names.error();
    const bool mixes = rule.k >= 2;
    const auto between = mixes ? Result<std::string>(closed_rule) : padded_standby_names(rule, step.layout);
    if (waiting_unproved || before.empty() || before == closed_rule) {
        progress("turning waiting for standbys on");
        if (const auto closed = co_await prove_closed(node, step.layout); !closed) co_return closed.error();
    }
    progress("changing the sync rule");
    auto strict = co_await put_rule(node, step.layout, between);
    if (!strict) co_return strict.error();
    const auto members = names_of(rule, step.layout);
    if (!members) co_return members.error();
    Proof proof{node, *strict, *members, lower(before), mixes, {}, {}};
    if (auto done = co_await proof.no_old_release(); !done) co_return done;
    // Whatever was acknowledged under an older rule lies before this: `rule.k` members that have it hold all of it.
    const auto reached = co_await look(**strict, query_limit);
    if (!reached) co_return reached.error();
    auto open = co_await put_rule(node, step.layout, names);
    if (!open) co_return open.error();
    if (auto done = co_await make_them_answer(**open); !done) co_return done;
    co_return co_await wait_for_flush(node, **open, rule, step.layout, reached->flushed);
}

}  // namespace

Async<Result<>> apply_rule(Node& node, const ApplyRule& step, const Progress& progress) {
    if (auto done = node.need_running(); !done) co_return done;
    if (auto done = node.know(step.layout); !done) co_return done;
    auto connection = co_await node.connect();
    if (!connection) co_return connection.error();
    const auto view = co_await look(**connection, query_limit);
    if (!view) co_return view.error();
    if (view->in_recovery) co_return error("a standby applies no sync rule: it has to be promoted first");
    const bool alien = !node.alien_rule(view->standby_names).empty();
    if (alien || !node.run().closed_all_along || view->standby_names != closed_rule)
        co_return co_await change_rule(node, step, view->standby_names, alien, progress);
    // Nothing can have been acknowledged since the server started, so there is no old release to wait for; but what was
    // acknowledged before it stopped may be on members of an older rule only.
    const auto names = standby_names(step.rule.rule, step.layout);
    auto open = co_await put_rule(node, step.layout, names);
    if (!open) co_return open.error();
    node.run().closed_all_along = false;
    if (step.rule.rule.asynchronous()) co_return Result<>{};
    if (auto done = co_await make_them_answer(**open); !done) co_return done;
    co_return co_await wait_for_flush(node, **open, step.rule.rule, step.layout, view->flushed);
}

Async<Result<>> open_to_clients(Node& node, const OpenToClients& step, const Progress& progress) {
    if (auto done = node.need_running(); !done) co_return done;
    auto connection = co_await node.connect();
    if (!connection) co_return connection.error();
    const auto view = co_await look(**connection, query_limit);
    if (!view) co_return view.error();
    if (!step.rule.rule.asynchronous()) {
        progress("waiting for standbys to have what clients will see");
        auto done = co_await wait_for_flush(node, **connection, step.rule.rule, step.layout, view->flushed);
        if (!done) co_return done;
    }
    if (auto done = co_await node.set_access(step.layout, true); !done) co_return done;
    const auto bad =
        co_await (*connection)
            ->query("SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL LIMIT 1", query_limit);
    if (!bad) co_return bad.error();
    if (bad->size() == 0) co_return Result<>{};
    if (auto done = co_await node.set_access(step.layout, false); !done) co_return done;
    co_return error("PostgreSQL does not take the client lines of \"hba\": " + bad->text(0, "error") + " (line " +
                    bad->text(0, "line_number") + " of pg_hba.conf): correct them in the keeper's configuration");
}

}  // namespace pgaf::keeper
