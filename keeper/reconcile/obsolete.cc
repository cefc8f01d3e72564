// Which step under way a changed goal, or a changed server, makes pointless. Cancelling must never cost more than
// letting it end: a rewind that is broken off costs a clone.
#include "keeper/reconcile/reconcile.h"
#include "keeper/reconcile/table.h"

namespace pgaf::keeper {
namespace {

struct Now {
    const Promise& promise;
    const Run& run;
    const Facts& facts;
    Role role;

    [[nodiscard]] const Goal& goal() const { return *promise.goal; }
    [[nodiscard]] bool rests() const {
        return role == Role::stop || role == Role::maintenance || role == Role::dropped;
    }
    [[nodiscard]] bool server_gone() const {
        return facts.status == PgStatus::stopped || facts.status == PgStatus::absent;
    }
    /// Something else on a primary is more urgent than a step that may wait for standbys.
    [[nodiscard]] bool overtaken_by(const char* a, const char* b = nullptr) const {
        if (facts.status != PgStatus::running) return false;
        const Decision d = reconcile(promise, run, facts);
        return d.step && (step_name(*d.step) == a || (b != nullptr && step_name(*d.step) == b));
    }
};

constexpr const char* gone = "PostgreSQL has exited";
constexpr const char* changed = "the goal has changed";
constexpr const char* none = "";

std::string check(const Initialise&, const Now&) {
    return none;
}
std::string check(const Adopt&, const Now&) {
    return none;
}
std::string check(const DropTornTail&, const Now&) {
    return none;
}

std::string check(const StartPrimary&, const Now& now) {
    // A fence leaves a primary alone (R4).
    return now.rests() || now.role == Role::standby || now.role == Role::fast_forward ? changed : none;
}
std::string check(const StartStandby& s, const Now& now) {
    if (now.rests() || now.role == Role::fence) return changed;
    const bool follows = now.role == Role::standby || now.role == Role::fast_forward;
    return follows && now.goal().upstream != s.upstream ? changed : none;
}
std::string check(const Follow& s, const Now& now) {
    if (now.server_gone()) return gone;
    const bool follows = now.role == Role::standby || now.role == Role::fast_forward;
    return follows && now.goal().upstream == s.upstream ? none : changed;
}
std::string check(const ResumeReplay& s, const Now& now) {
    if (now.server_gone()) return gone;
    return now.role == Role::standby && now.goal().upstream == s.upstream ? none : changed;
}
std::string check(const Fence&, const Now& now) {
    if (now.server_gone()) return gone;
    const bool fences = now.role == Role::fence || now.role == Role::fast_forward || now.role == Role::primary;
    return fences ? none : changed;
}
std::string check(const Promote& s, const Now& now) {
    if (now.server_gone()) return gone;
    return now.role == Role::primary && now.goal().timeline == s.timeline ? none : changed;
}
std::string check(const ApplyRule& s, const Now& now) {
    if (now.server_gone()) return gone;
    // Under a fence a change of rule goes on: it is promised, so it stays in the record (R3, R4).
    if (now.role == Role::fence) return none;
    if (now.role != Role::primary || now.goal().rule.id != s.rule.id) return changed;
    return now.overtaken_by("UpdatePeers", "Checkpoint") ? "something more urgent goes first" : none;
}
std::string check(const OpenToClients& s, const Now& now) {
    if (now.server_gone()) return gone;
    if (now.role != Role::primary || now.goal().rule.id != s.rule.id) return changed;
    return now.overtaken_by("UpdatePeers", "Checkpoint") ? "something more urgent goes first" : none;
}
std::string check(const CloseToClients&, const Now& now) {
    if (now.server_gone()) return gone;
    // Where nothing gets through to the server, or to its disk, it would wait while clients read what is stale (I7).
    const Decision d = reconcile(now.promise, now.run, now.facts);
    if (d.step && cannot_wait(*d.step, now.promise, now.run)) return "it can't be closed, and is stopped instead";
    // Half closed it would look open to nobody and closed to nobody: it is quick, and undone when it is wanted no more.
    return now.role == Role::primary || now.role == Role::fence ? none : changed;
}
std::string check(const Checkpoint& s, const Now& now) {
    if (now.server_gone()) return gone;
    if (now.role == Role::fence) return none;
    if (now.role != Role::primary || now.goal().checkpoint_request != s.request) return changed;
    return now.overtaken_by("ApplyRule") ? "something more urgent goes first" : none;
}
std::string check(const Stop& s, const Now& now) {
    // What goes down goes down; only a stop that has to be quicker cuts in, or one that a stuck server would obey.
    const bool quicker = (now.role == Role::stop && now.goal().stop_mode == StopMode::immediate) ||
                         (now.rests() && now.facts.status == PgStatus::stuck);
    return quicker && s.mode != StopMode::immediate && !now.server_gone() ? "it has to be quicker" : none;
}
/// Rewind and Clone: a fence does not break them off, since a folder in the making receives and acknowledges nothing.
std::string check_rebuild(const NodeName& upstream, const Now& now) {
    if (now.role == Role::maintenance || now.role == Role::dropped || now.role == Role::primary) return changed;
    return now.role == Role::standby && now.goal().upstream != upstream ? changed : none;
}
std::string check(const Rewind& s, const Now& now) {
    return check_rebuild(s.upstream, now);
}
std::string check(const Clone& s, const Now& now) {
    return check_rebuild(s.upstream, now);
}

std::string check(const UpdatePeers&, const Now& now) {
    if (now.server_gone()) return gone;
    return now.role == Role::primary || now.role == Role::standby ? none : changed;
}

/// What may take long on a primary gives way to its lease's end (R8).
bool gives_way_to_lease(const Step& step) {
    return std::holds_alternative<ApplyRule>(step) || std::holds_alternative<OpenToClients>(step) ||
           std::holds_alternative<Checkpoint>(step) || std::holds_alternative<UpdatePeers>(step);
}

bool lease_is_over(const Step& step, const Promise& promise, const Run& run, const Facts& facts) {
    if (!gives_way_to_lease(step) || !lease_over(promise, run)) return false;
    if (std::holds_alternative<OpenToClients>(step)) return true;
    return reconcile(promise, run, facts).rule.starts_with("lease-over");
}

}  // namespace

std::string obsolete(const Step& under_way, const Promise& promise, const Run& run, const Facts& facts) {
    // Without a goal (another incarnation) nothing that was begun for the old one is wanted.
    if (!promise.goal) return changed;
    if (lease_is_over(under_way, promise, run, facts)) return "the lease has run out";
    const Now now{promise, run, facts, promise.goal->role};
    return std::visit([&](const auto& step) { return check(step, now); }, under_way);
}

}  // namespace pgaf::keeper
