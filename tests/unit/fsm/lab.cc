// The monitor's side: steps of the heart, sessions, probes, time.
#include "tests/unit/fsm/lab.h"

#include <algorithm>

namespace pgaf::lab {
namespace {

constexpr int settle_rounds_at_most = 300;

}  // namespace

Lab::Lab(fsm::Settings settings) : settings_(settings) {
    stored = new_record();
}

ClusterRecord Lab::new_record() const {
    ClusterRecord record;
    record.name = ClusterName{"test"};
    record.settings = settings_;
    return record;
}

void Lab::replace_store(const ClusterRecord& record, Term term, const std::string& doubt) {
    stop_monitor();
    stored = record;
    stored.doubt = doubt;
    term_ = term.v;
    watch.epoch = record.epoch;
    start_monitor();
}

void Lab::start_monitor() {
    if (heart) stop_monitor();
    ++term_;
    heart.emplace(stored, Term{term_}, MonitorId{"m" + std::to_string(++monitors_)}, now);
    wake_ = now;
}

void Lab::stop_monitor() {
    heart.reset();
    probes_.clear();
    wake_.reset();
    for (auto& [name, n] : nodes) {
        n.session = false;
        n.inbox.clear();
        n.outbox.clear();
    }
}

void Lab::step(const fsm::Input& input) {
    if (!heart) return;
    if (on_input) on_input(input, now);
    const fsm::Output out = heart->step(input, now);
    const bool changed = heart->record() != stored;
    if (changed && !out.persist) violation("R1: the record changed and is not to be stored");
    if (out.persist) stored = heart->record();
    term_ = std::max(term_, stored.term.v);
    watch_output(out);
    if (on_output) on_output(out);
    route(out);
}

void Lab::route(const fsm::Output& out) {
    for (const Goal& goal : out.goals) {
        const auto found = nodes.find(goal.node);
        if (found != nodes.end() && found->second.session) found->second.inbox.push_back(goal);
    }
    for (const fsm::ProbeRequest& probe : out.probes) {
        const Node& by = nodes.at(probe.by);
        const Node& target = nodes.at(probe.target);
        const bool seen = reach(by, target);
        const PortState port = !seen ? PortState::silent : target.running ? PortState::answers : PortState::refused;
        probes_.push_back({probe, seen ? now : now + probe.limit, port});
    }
    for (const fsm::TurnAway& away : out.turned_away) {
        const auto found = nodes.find(away.node);
        if (found == nodes.end() || found->second.boot != away.boot) continue;
        found->second.session = false;
        found->second.turned_away = away.message;
    }
    replies_.insert(replies_.end(), out.replies.begin(), out.replies.end());
    wake_ = out.wake_at;
}

std::vector<fsm::Reply> Lab::command(fsm::Command c) {
    replies_.clear();
    if (c.allow_data_loss && !c.dry_run) watch.loss_allowed = true;
    step(c);
    return replies_;
}

Hello Lab::hello_of(const Node& n) const {
    Hello hello;
    hello.cluster = stored.name;
    hello.node = n.name;
    hello.incarnation = n.state.incarnation;
    hello.boot = n.boot;
    hello.host = "h" + n.name.v;
    hello.port = n.port;
    hello.candidate_priority = n.priority;
    hello.replication_quorum = n.quorum;
    hello.system_id = n.folder.system;
    hello.keeper_version = "test";
    return hello;
}

void Lab::connect(Node& n) {
    if (!n.keeper || n.session || n.held || !n.turned_away.empty() || !reaches_monitor(n)) return;
    n.session = true;
    n.told = false;
    n.given = {};
    n.inbox.clear();
    n.outbox.clear();
    step(fsm::SessionOpened{hello_of(n)});
    if (n.session) report(n);
}

bool Lab::is_dropped(const Node& n) const {
    const std::vector<IncarnationId>& dropped = stored.dropped;
    return std::find(dropped.begin(), dropped.end(), n.state.incarnation) != dropped.end();
}

void Lab::close_session(Node& n) {
    const bool was = n.session;
    n.session = false;
    n.inbox.clear();
    n.outbox.clear();
    if (was && reaches_monitor(n)) step(fsm::SessionClosed{n.name, n.boot});
}

void Lab::deliver(Node& n) {
    while (n.session && reaches_monitor(n) && !n.outbox.empty()) {
        const Report r = n.outbox.front();
        n.outbox.pop_front();
        step(fsm::ReportReceived{r});
        if (heart && heart->record().doubt.empty()) {
            n.answered = now;
            if (n.session) n.heard = heart->record().mark;
        }
        if (slow_reports) return;
    }
}

void Lab::answer_probes() {
    for (std::size_t i = 0; i < probes_.size();) {
        if (probes_[i].due > now) {
            ++i;
            continue;
        }
        const PendingProbe probe = probes_[i];
        probes_.erase(probes_.begin() + static_cast<std::ptrdiff_t>(i));
        Node& by = nodes.at(probe.request.by);
        if (!by.session || !by.keeper || !reaches_monitor(by)) continue;
        pump();
        ProbeResult result{probe.request.probe, probe.request.target, probe.port, {}};
        if (by.link) result.receiver = {true, by.link->upstream, now - by.link->contact};
        step(fsm::ProbeAnswered{by.name, result});
        i = 0;
    }
}

void Lab::settle() {
    for (int round = 0; round < settle_rounds_at_most; ++round) {
        bool changed = false;
        pump();
        for (auto& [name, n] : nodes) {
            connect(n);
            changed |= obey(n);
            if (!slow_reports) deliver(n);
        }
        answer_probes();
        if (!changed) return;
    }
    violation("I6: the nodes and the heart never come to rest");
}

Millis Lab::next_event(Millis end) const {
    Millis next = end;
    if (heart && wake_) next = std::min(next, std::max(*wake_, Millis{now.v + 1}));
    for (const auto& [name, n] : nodes)
        if (n.keeper) next = std::min(next, std::max(n.next_heartbeat, Millis{now.v + 1}));
    for (const PendingProbe& probe : probes_) next = std::min(next, std::max(probe.due, Millis{now.v + 1}));
    return next;
}

void Lab::pass(Millis duration, bool obey) {
    const Millis end{now.v + duration.v};
    if (obey) settle();
    while (now < end) {
        now = next_event(end);
        pump();
        for (auto& [name, n] : nodes) {
            if (!n.keeper || n.next_heartbeat > now) {
                connect(n);
                continue;
            }
            n.next_heartbeat = now + Millis{settings_.heartbeat_ms};
            n.turned_away.clear();  // it tries again
            connect(n);
            if (n.session && reaches_monitor(n)) report(n);
        }
        answer_probes();
        if (heart && wake_ && *wake_ <= now) step(fsm::Tick{});
        if (obey) settle();
    }
}

}  // namespace pgaf::lab
