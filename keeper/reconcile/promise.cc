#include "keeper/reconcile/promise.h"

#include <algorithm>
#include <utility>

namespace pgaf::keeper {
namespace {

std::string number(std::uint64_t v) {
    return std::to_string(v);
}

std::string why_not_newer(const Stamp& promised, const Stamp& offered) {
    if (offered.epoch != promised.epoch)
        return "epoch " + number(offered.epoch.v) + " is over: epoch " + number(promised.epoch.v) + " is promised";
    if (offered.term != promised.term)
        return "monitor term " + number(offered.term.v) + " is over: term " + number(promised.term.v) + " is promised";
    if (offered.monitor != promised.monitor)
        return "two monitors speak in term " + number(offered.term.v) + ": " + promised.monitor.v + " is promised, " +
               offered.monitor.v + " is not";
    return "version " + number(offered.version.v) + " is late: version " + number(promised.version.v) + " is promised";
}

/// The record was settled from what this node had promised then (R11). What it has promised to another monitor since
/// may be in force, and would not be seen any more under this goal.
bool promised_another_since(const Stamp& promised, const Goal& goal) {
    return !goal.after.version.empty() && promised.monitor != goal.stamp.monitor && promised != goal.after;
}

}  // namespace

Verdict judge(const Promise& promise, const Goal& goal) {
    const auto refuse = [](std::string why) { return Verdict{false, false, std::move(why)}; };
    if (goal.node != promise.node) return refuse("it is for node " + goal.node.v);
    if (goal.incarnation != promise.incarnation)
        return refuse("it is for incarnation " + goal.incarnation.v + ", this is " + promise.incarnation.v);
    if (!promise.system_id.empty() && !goal.system_id.empty() && promise.system_id != goal.system_id)
        return refuse("it is for PostgreSQL system " + goal.system_id.v + ", this node belongs to " +
                      promise.system_id.v +
                      "; if the monitor was set up anew on purpose, remove this node's state folder");
    if (!may_follow(promise.promised, goal.stamp)) return refuse(why_not_newer(promise.promised, goal.stamp));
    if (promised_another_since(promise.promised, goal))
        return refuse("its monitor does not know that version " + number(promise.promised.version.v) + " of epoch " +
                      number(promise.promised.epoch.v) + ", term " + number(promise.promised.term.v) +
                      " is promised to another one; it is told now, and gives a new goal by itself");
    const bool news = !promise.goal || *promise.goal != goal;
    if (news && promise.goal && promise.goal->stamp == goal.stamp)
        return refuse("it says something else under the version that is promised already");
    return {true, news, {}};
}

Promise accept(Promise promise, const Goal& goal) {
    promise.promised = goal.stamp;
    promise.goal = goal;
    promise.before.reset();
    if (promise.system_id.empty()) promise.system_id = goal.system_id;
    if (goal.role == Role::primary) promise.rule_promised = std::max(promise.rule_promised, goal.rule.id);
    return promise;
}

Promise new_incarnation(Promise promise, IncarnationId incarnation) {
    promise.incarnation = std::move(incarnation);
    promise.has_folder = false;
    promise.promised = Stamp{.epoch = promise.promised.epoch, .term = {}, .version = {}, .monitor = {}};
    if (promise.goal) promise.before = std::exchange(promise.goal, std::nullopt);
    promise.rule_promised = {};
    return promise;
}

FolderNews look_at_folder(const Promise& promise, const Facts& facts) {
    using Kind = FolderNews::Kind;
    // What could not be read proves nothing: a folder must not lose its identity to a disk error.
    if (facts.status == PgStatus::unknown || !facts.trouble.empty()) return {};
    const bool data = facts.status != PgStatus::absent && !facts.rebuilding;
    if (!promise.has_folder)
        return {data && facts.folder_incarnation == promise.incarnation ? Kind::made : Kind::same, {}};
    if (facts.rebuilding) return {Kind::replaced, "a clone or rewind of the data folder was begun and not finished"};
    if (!data) return {Kind::replaced, "the data folder was emptied"};
    if (facts.folder_incarnation.empty())
        return {Kind::replaced, "the data folder was replaced: it has no incarnation file"};
    if (facts.folder_incarnation != promise.incarnation)
        return {Kind::replaced, "the data folder was replaced: it is of incarnation " + facts.folder_incarnation.v +
                                    ", the state file speaks of " + promise.incarnation.v};
    return {};
}

Promise after_step(Promise promise, const Step& step) {
    IncarnationId made;
    if (const auto* rewind = std::get_if<Rewind>(&step)) made = rewind->next;
    if (const auto* clone = std::get_if<Clone>(&step)) made = clone->next;
    if (made.empty()) return promise;
    if (made != promise.incarnation) promise = new_incarnation(std::move(promise), made);
    promise.has_folder = true;
    return promise;
}

std::string foreign_folder(const Promise& promise, const Facts& facts) {
    SystemId wanted = promise.system_id;
    if (wanted.empty() && promise.goal) wanted = promise.goal->system_id;
    if (wanted.empty() || facts.system_id.empty() || wanted == facts.system_id) return {};
    return "the data folder is another cluster's: its system identifier is " + facts.system_id.v +
           ", that of cluster " + promise.cluster.v + " is " + wanted.v +
           "; point pgdata to this node's own folder, or move that one away and the node makes a new clone";
}

}  // namespace pgaf::keeper
