// R3 and R9 on the model: keeper/postgres/sync_rule.
#include <algorithm>

#include "common/mutation.h"
#include "tests/sim/checkpointer.h"
#include "tests/sim/checks.h"
#include "tests/sim/replication.h"
#include "tests/sim/server.h"
#include "tests/sim/steps.h"

namespace pgaf::sim {
namespace {

constexpr Micros proof_limit = 10 * sec;
constexpr Micros reload_limit = 3 * sec;
constexpr Micros sessions_limit = 8 * sec;
constexpr const char* not_running = "PostgreSQL does not run";

enum ApplyPhase : int {
    look,          // what is in force now
    closing,       // the closed rule is put in force
    sees_waiting,  // a commit of the keeper's own is seen waiting
    padding,       // the stricter rule is put in force
    proving,  // no walsender releases under an older rule; the padded one is in force, or with k > 1 the closed one
    opening,  // the rule itself is put in force
    flushing  // k of S have everything
};

/// Whoever waits for a standby is told nothing, and what it has committed is there for all to see from now on.
void end_sessions(World& w, NodeIx node) {
    Server& s = w.edit_server(node);
    if (!s.waiting.empty()) s.unseen = std::max(s.unseen, s.waiting.back().lsn);
    w.count.unknown += s.waiting.size();
    s.waiting.clear();
    // A client that was just authenticating slips in, and is ended a look later.
    s.has_sessions = s.has_sessions && w.chance(0.05);
}

Next wait_in_force(const Phase& p) {
    return p.longer_than(reload_limit) ? failed("after a reload the rule is not in force") : again(2 * ms, 50 * ms);
}

Next put_final(const Phase& p, const SyncRule& rule) {
    p.run().target = p.server().flushed;
    p.put(names_of(rule, false), {});
    return p.enter(opening, 2 * ms, 6 * ms);
}

/// Walsenders count each other's standbys, whatever each has loaded: with k > 1 the padded rule would let neither the
/// old rule nor the new one be satisfied (keeper/postgres/sync_rule.cc).
bool through_closed(const SyncRule& rule) {
    return rule.k >= 2 && !broken(Mutation::r3_mixed);
}

Names between(const SyncRule& rule) {
    return through_closed(rule) ? closed_names() : names_of(rule, true);
}

Next begin_change(const Phase& p, const keeper::ApplyRule& step) {
    if (!p.server().takes_connections()) return failed("PostgreSQL gives no answer");
    if (p.server().in_recovery()) return failed("a standby applies no sync rule: it has to be promoted first");
    const Names before = p.server().loaded.names;
    RunMemory& memory = p.memory();
    const bool shortcut = memory.closed_all_along && before.kind == Names::Kind::closed;
    memory.closed_all_along = false;
    p.run().before = before;
    if (shortcut || step.rule.rule.asynchronous() || broken(Mutation::r3)) return put_final(p, step.rule.rule);
    if (before.kind == Names::Kind::none || before.kind == Names::Kind::closed) {
        p.put(closed_names(), {});
        return p.enter(closing, 2 * ms, 6 * ms);
    }
    p.put(between(step.rule.rule), {});
    return p.enter(padding, 2 * ms, 6 * ms);
}

/// Whether that walsender might still release a commit under an older rule (keeper/postgres/sync_rule: Proof::doubt).
bool in_doubt(const Phase& p, const Walsender& sender, const SyncRule& rule) {
    // One that has flushed nothing yet shows 0, whatever it has loaded.
    const int shown = sender.flushed > 0 ? sender.priority() : 0;
    const StepRun& r = p.run();
    const bool old = std::find(r.old_links.begin(), r.old_links.end(), sender.link) != r.old_links.end();
    const bool member = rule.contains(id_of(sender.name));
    if (member && through_closed(rule)) return shown != 0 || (sender.flushed == 0 && old);
    if (member) return shown < 2;
    return shown != 0 || (r.before.lists(sender.name) && old);
}

Next prove(const Phase& p, const SyncRule& rule) {
    StepRun& r = p.run();
    if (r.first_look) {
        for (const Walsender& sender : p.server().senders) r.old_links.push_back(sender.link);
        r.first_look = false;
    }
    bool doubt = false;
    const std::vector<Walsender> senders = p.server().senders;
    for (const Walsender& sender : senders) {
        if (!in_doubt(p, sender, rule)) continue;
        doubt = true;
        if (!rule.contains(id_of(sender.name)) && !sender.frozen) end_sender(p.w, p.node, sender.link);
    }
    if (!doubt) return put_final(p, rule);
    return p.longer_than(proof_limit) ? failed("the sync rule is configured, but not proved to be in force (R3)")
                                      : again(2 * ms, 50 * ms);
}

}  // namespace

Next advance(const Phase& p, const keeper::ApplyRule& step) {
    if (!p.running()) return failed(not_running);
    if (p.run().phase != look && !p.server().takes_connections()) return failed("PostgreSQL gives no answer");
    const SyncRule& rule = step.rule.rule;
    switch (p.run().phase) {
        case look:
            return begin_change(p, step);
        case closing:
            if (!p.in_force()) return wait_in_force(p);
            return p.enter(sees_waiting, 2 * ms, 10 * ms);
        case sees_waiting:
            if (!p.server().sync_defined)
                return p.longer_than(proof_limit) ? failed("commits still do not wait for standbys")
                                                  : again(2 * ms, 100 * ms);
            p.put(between(rule), {});
            return p.enter(padding, 2 * ms, 6 * ms);
        case padding:
            if (!p.in_force()) return wait_in_force(p);
            return p.enter(proving, 2 * ms, 10 * ms);
        case proving:
            return prove(p, rule);
        case opening:
            if (!p.in_force()) return wait_in_force(p);
            if (rule.asynchronous() || broken(Mutation::r3)) return done();
            if (broken(Mutation::r9_open) && !p.machine().disk.conf.open_to_clients) return done();
            write_message(p.w, p.node);
            return p.enter(flushing, 0, 2 * ms);
        default:
            if (p.flushed_by_rule(rule, p.run().target)) return done();
            return p.longer_than(proof_limit) ? failed("waiting until k of the sync rule's standbys have flushed")
                                              : again(2 * ms, 50 * ms);
    }
}

Next advance(const Phase& p, const keeper::OpenToClients& step) {
    if (!p.running()) return failed(not_running);
    if (!p.server().takes_connections()) return failed("PostgreSQL gives no answer");
    const SyncRule& rule = step.rule.rule;
    if (p.run().phase == 0) {
        p.run().target = p.server().flushed;
        return p.enter(1, ms, 2 * ms);
    }
    if (!rule.asynchronous() && !broken(Mutation::r9_open) && !p.flushed_by_rule(rule, p.run().target))
        return p.longer_than(proof_limit) ? failed("waiting until k of the sync rule's standbys have flushed")
                                          : again(2 * ms, 50 * ms);
    p.give_access(step.layout);
    p.disk().conf.open_to_clients = true;
    reload_server(p.w, p.node);
    return done();
}

Next advance(const Phase& p, const keeper::CloseToClients& step) {
    if (!p.running()) return failed(not_running);
    if (!p.server().takes_connections()) return failed("PostgreSQL gives no answer");
    if (p.run().phase == 0) {
        p.give_access(step.layout);
        p.disk().conf.open_to_clients = false;
        reload_server(p.w, p.node);
        check_left_alone(p.w, p.node, "is closed to clients");
        return p.enter(1, 2 * ms, 6 * ms);
    }
    const Server& s = p.server();
    // A backend that is flushing its commit ends after that.
    const std::uint64_t last = s.waiting.empty() ? 0 : s.waiting.back().lsn;
    if (s.loaded.open_to_clients && p.longer_than(reload_limit))
        return failed("the postmaster does not read its configuration anew");
    if (s.loaded.open_to_clients || last > s.flushed)
        return p.longer_than(sessions_limit) ? failed("the clients' sessions do not end") : again(2 * ms, 50 * ms);
    end_sessions(p.w, p.node);
    return done();
}

Next advance(const Phase& p, const keeper::Checkpoint&) {
    if (!p.running() || !p.server().takes_connections()) return failed(not_running);
    if (p.machine().writes == Writes::hang || p.server().checkpointer_stopped) return again(20 * ms, 200 * ms);
    if (p.machine().writes == Writes::fail) return failed("the checkpoint could not be written");
    if (p.run().phase == 0) return p.enter(1, 5 * ms, (p.machine().slow_disk ? 3000 : 300) * ms);
    make_checkpoint(p.w, p.node);
    return done();
}

Next advance(const Phase&, const keeper::ResumeReplay&) {
    return done();  // Nobody pauses replay in this model.
}

Next advance(const Phase& p, const keeper::UpdatePeers& step) {
    if (!p.running()) return failed(not_running);
    p.give_access(step.layout);
    reload_server(p.w, p.node);
    if (!p.server().takes_connections()) return failed("PostgreSQL gives no answer");
    p.align_slots(step.layout);
    return done();
}

}  // namespace pgaf::sim
