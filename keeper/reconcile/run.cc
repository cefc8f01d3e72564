#include "keeper/reconcile/run.h"

#include <type_traits>

namespace pgaf::keeper {
namespace {

void put_off_peers(Run& run, const UpdatePeers& step) {
    run.layout_tried = step.layout;
    run.peers_put_off = true;
}

}  // namespace

void note_facts(Run& run, const Promise& promise, const Facts& facts) {
    const bool server = facts.status == PgStatus::starting || facts.status == PgStatus::running ||
                        facts.status == PgStatus::stopping || facts.status == PgStatus::stuck;
    if (facts.status == PgStatus::unknown) return;
    if (facts.exits != run.exits && facts.deadline_expired)
        run.self_fenced =
            "PostgreSQL was stopped by its launcher: the keeper was dead or frozen for longer than it may be (R8)";
    if (facts.exits != run.exits || !server) {
        // Another server run: it starts under the closed rule, and nothing proved before holds for it.
        run.exits = facts.exits;
        run.rule_applied = {};
        run.rule_kept = {};
        run.fence_held = false;
        run.lease.armed.reset();
        run.lease.marks.clear();
    }
    note_confirmed(run.lease, facts.standbys);
    if (!facts.following.empty() || facts.receiver.streaming) run.fence_held = false;
    if (facts.receiver.streaming) run.wal_gone.clear();
    if (!facts.wal_gone.empty()) {
        run.wal_gone = facts.wal_gone;
        run.wal_gone_at = facts.following;
    }
    const bool primary = promise.goal && promise.goal->role == Role::primary;
    if (facts.status == PgStatus::running && !facts.in_recovery && primary) {
        run.served = promise.promised.epoch;
        run.served_exits = facts.exits;
    }
}

void note_self_fence(Run& run, std::string_view rule, const std::string& problem) {
    if (rule.starts_with("lease-over")) run.self_fenced = problem;
}

void note_begin(Run& run, const Step& step) {
    if (std::holds_alternative<Follow>(step) || std::holds_alternative<StartStandby>(step)) run.fence_held = false;
    // Once asked to promote, a server may do so after the step was given up: it has to be fenced anew.
    if (std::holds_alternative<Promote>(step)) run.fence_held = false;
    if (std::holds_alternative<StartStandby>(step) || std::holds_alternative<StartPrimary>(step)) run.rule_applied = {};
    // The same rule again: it was found overruled, so its proof is void (R3).
    if (const auto* apply = std::get_if<ApplyRule>(&step); apply && apply->rule.id == run.rule_applied)
        run.rule_applied = {};
}

void note_done(Run& run, const Step& step) {
    run.failed_step.clear();
    run.failure.clear();
    std::visit(
        [&run](const auto& s) {
            using T = std::decay_t<decltype(s)>;
            if constexpr (std::is_same_v<T, StartPrimary> || std::is_same_v<T, UpdatePeers>) run.layout = s.layout;
            if constexpr (std::is_same_v<T, Adopt>) run.follow_due = true;
            if constexpr (std::is_same_v<T, StartStandby>) {
                run.layout = s.layout;
                run.follow_due = false;
            }
            if constexpr (std::is_same_v<T, Follow>) run.follow_due = false;
            if constexpr (std::is_same_v<T, ResumeReplay>)
                run.replay_resumed =
                    "replay was paused by somebody, so no WAL receiver was started: it was resumed to follow " +
                    s.upstream.v;
            if constexpr (std::is_same_v<T, Fence>) run.fence_held = true;
            if constexpr (std::is_same_v<T, Promote> || std::is_same_v<T, ApplyRule>) {
                run.rule_applied = s.rule.id;
                run.rule_kept = s.rule;
            }
            if constexpr (std::is_same_v<T, Checkpoint>) run.checkpoint_done = s.request;
            if constexpr (std::is_same_v<T, UpdatePeers>) put_off_peers(run, s);
            if constexpr (std::is_same_v<T, Rewind> || std::is_same_v<T, Clone>) {
                run.rewind_failed.clear();
                run.wal_gone.clear();
            }
        },
        step);
}

void note_settled(Run& run) {
    if (run.peers_put_off && run.failed_step == step_name(UpdatePeers{})) return;
    run.failed_step.clear();
    run.failure.clear();
}

void note_failed(Run& run, const Step& step, const std::string& why, bool cancelled) {
    if (cancelled) return;
    run.failed_step = step_name(step);
    run.failure = why;
    if (std::holds_alternative<Rewind>(step)) run.rewind_failed = why;
    if (const auto* peers = std::get_if<UpdatePeers>(&step)) put_off_peers(run, *peers);
}

}  // namespace pgaf::keeper
