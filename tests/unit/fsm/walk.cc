#include "tests/unit/fsm/walk.h"

#include <algorithm>

#include "tests/unit/fsm/print.h"

namespace pgaf::lab {
namespace {

constexpr std::size_t trace_lines = 160;

fsm::Settings settings_of(std::mt19937_64& rng, std::size_t size, bool asynchronous) {
    fsm::Settings s;
    s.failover_limit = 1000;
    switch (rng() % 4) {
        case 0:
            s.number_sync_standbys = 0;
            break;
        case 1:
            s.number_sync_standbys = 1;
            break;
        case 2:
            if (size > 3) s.number_sync_standbys = 2;
            break;
        default:
            break;
    }
    if (size == 1 || asynchronous) s.number_sync_standbys.reset();
    s.asynchronous = asynchronous;
    return s;
}

}  // namespace

Walk::Walk(std::uint64_t seed, std::size_t size, bool asynchronous)
    : rng_(seed), lab_(settings_of(rng_, size, asynchronous)) {
    lab_.say = [this](const std::string& line) { note(line); };
    lab_.on_output = [this, printer = Printer{}](const fsm::Output& out) mutable {
        for (const fsm::LogEntry& entry : out.log)
            if (!entry.rule.empty()) ++rows[entry.rule];
        for (const fsm::LogEntry& entry : out.log)
            leases_ended += entry.kind == "node_chosen" && entry.evidence.find("(R7)") != std::string::npos;
        for (const std::string& line : printer.lines(out, lab_.heart->record())) note("     " + line);
    };
    lab_.slow_starts = chance(70);
    lab_.start_monitor();
    for (std::size_t i = 0; i < size; ++i) {
        const auto priority = static_cast<std::uint32_t>(i > 1 && chance(20) ? 0 : 50 + below(3) * 10);
        // As many as the setting asks for, and the primary, always count.
        const bool quorum = i <= lab_.stored.settings.number_sync_standbys.value_or(1) || i < 2 || !chance(20);
        lab_.add(NodeName{std::string(1, static_cast<char>('a' + i))}, priority, quorum, {});
    }
    if (!run_until_healthy(30'000)) failure_ = "does not form";
}

void Walk::note(const std::string& what) {
    trace_.push_back(std::to_string(lab_.now.v) + " " + what);
    if (trace_.size() > trace_lines) trace_.pop_front();
}

std::string Walk::trace() const {
    std::string text;
    for (const std::string& line : trace_) text += line + "\n";
    for (const auto& [name, n] : lab_.nodes) {
        text += name.v + (n.power ? "" : " off") + (n.frozen ? " frozen" : "") + (n.keeper ? "" : " no keeper") +
                (n.session ? "" : " no session") +
                (n.running ? n.in_recovery ? " standby"
                             : n.writable  ? " read-write"
                                           : " read-write, closed"
                           : " down") +
                " " + n.state.incarnation.v + " " + n.folder.complete().text() + " timeline " +
                std::to_string(n.folder.timeline.v) + (n.link ? " streams from " + n.link->upstream.v : "") + " goal " +
                (n.state.goal ? std::string(word(n.state.goal->role)) : "none") + " " + n.problem + n.turned_away +
                "\n";
    }
    if (lab_.heart) {
        for (const std::string& line : Printer::summary(*lab_.heart, lab_.now)) text += line + "\n";
        for (const std::string& line : Printer::record(*lab_.heart)) text += line + "\n";
    }
    for (const std::string& v : lab_.watch.violations) text += "VIOLATION " + v + "\n";
    return text + failure_;
}

Node& Walk::any_node() {
    auto it = lab_.nodes.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(below(lab_.nodes.size())));
    return it->second;
}

bool Walk::step() {
    if (!failure_.empty()) return false;
    lab_.slow_reports = true;
    const std::uint64_t kind = below(1000);
    if (kind < 870)
        message_event();
    else if (kind < 910)
        fault_event();
    else if (kind < 975)
        repair_event();
    else
        operator_event();
    lab_.pump();
    return lab_.watch.violations.empty();
}

void Walk::message_event() {
    Node& n = any_node();
    switch (below(14)) {
        case 0:
        case 1:
        case 2:
            lab_.connect(n);
            lab_.obey(n);
            break;
        case 3:
            lab_.receive_goals(n);
            break;
        case 4:
        case 5:
            lab_.deliver(n);
            break;
        case 6:
        case 7:
        case 8:
        case 9:
            if (lab_.write(n, 1 + below(200))) note("write on " + n.name.v);
            break;
        case 10:
            lab_.answer_probes();
            break;
        default: {
            lab_.pass(Millis{static_cast<std::int64_t>(below(chance(10) ? 3000 : 200))}, false);
            for (auto& [name, node] : lab_.nodes)
                while (!node.outbox.empty() && lab_.reaches_monitor(node) && node.session && chance(90))
                    lab_.deliver(node);
        }
    }
}

/// A primary dies within a record that standbys have part of, in this segment or over its end.
void Walk::tear(Node& primary) {
    const std::uint64_t size = chance(50) ? 1000 : 2 * segment_bytes;
    std::map<NodeName, std::uint64_t> bytes;
    for (auto& [name, s] : lab_.nodes) bytes[name] = 1 + below(size);
    lab_.tear(primary, bytes);
}

void Walk::wipe_one() {
    if (lost_disks_ > 0 || !lab_.heart) return;
    const fsm::Summary s = summarize(*lab_.heart, lab_.now);
    Node& n = any_node();
    // Without a standby that can take over with everything, a lost primary is a lost cluster.
    const bool primary = s.primary == n.name || n.read_write();
    if (!s.healthy || (primary && !s.failover_ready)) return;
    note("wipe " + n.name.v);
    lab_.kill(n);
    lab_.wipe(n);
    ++lost_disks_;
}

void Walk::fault_of_server(Node& n) {
    if (n.read_write() && chance(70))
        note("tear " + n.name.v), tear(n);
    else if (n.running && chance(20))
        note("stuck " + n.name.v), n.stuck = true;
    else if (chance(20))
        note("broken " + n.name.v), n.broken = true;
    else if (chance(30))
        note("unreadable " + n.name.v), n.unreadable = true;
    else
        wipe_one();
}

void Walk::fault_event() {
    Node& n = any_node();
    Node& other = any_node();
    switch (below(10)) {
        case 0:
            note("exit " + n.name.v);
            lab_.exit_server(n);
            lab_.report(n);
            break;
        case 1:
            note("kill " + n.name.v), lab_.kill(n);
            break;
        case 2:
            note("unplug " + n.name.v), lab_.unplug(n);
            break;
        case 3:
            note("freeze " + n.name.v), n.frozen = true;
            break;
        case 4:
            note("kill keeper " + n.name.v), lab_.kill_keeper(n);
            break;
        case 5:
            note("cut " + n.name.v);
            lab_.cut(n.name.v, chance(50) || n.name == other.name ? "monitor" : other.name.v, true);
            break;
        case 6:
            note("close " + n.name.v), lab_.close_session(n);
            break;
        case 7:
            note("lag " + n.name.v), n.lagging = true;
            break;
        case 8:
            fault_of_server(n);
            break;
        default:
            note("restart monitor");
            lab_.start_monitor();
    }
}

void Walk::repair_event() {
    Node& n = any_node();
    switch (below(5)) {
        case 0:
            if (!n.keeper) note("boot " + n.name.v);
            lab_.boot(n);
            break;
        case 1:
            n.frozen = false;
            break;
        case 2:
            n.lagging = false;
            break;
        case 3:
            for (auto& [name, other] : lab_.nodes) lab_.cut(n.name.v, name.v, false);
            lab_.cut(n.name.v, "monitor", false);
            break;
        default:
            lab_.connect(n);
            break;
    }
}

void Walk::operator_event() {
    static const char* const kinds[] = {
        "switchover",          "failover", "promotion", "enable-maintenance", "disable-maintenance",
        "disable-maintenance", "set-node", "drop-node"};
    if (!lab_.heart) return;
    fsm::Command c;
    c.id = 1;
    c.kind = kinds[below(std::size(kinds))];
    if (chance(70) || c.kind == "promotion") c.node = any_node().name;
    c.allow_failover = chance(70);
    if (c.kind == "drop-node" && (lab_.nodes.size() < 3 || !chance(20))) return;
    c.force = chance(30);
    if (c.kind == "set-node") {
        // b stays a candidate, so that there always is one beside the primary.
        if (c.node == NodeName{"b"} || c.node == NodeName{"a"}) return;
        c.candidate_priority = static_cast<std::uint32_t>(below(3) * 50);
    }
    note("command " + c.kind + " " + c.node.v);
    lab_.command(c);
}

bool Walk::run_until_healthy(std::int64_t limit_ms) {
    lab_.slow_reports = false;
    // What died silently is taken to be well for a while.
    lab_.pass(Millis{3000}, true);
    for (std::int64_t passed = 0; passed < limit_ms; passed += 250) {
        lab_.pass(Millis{250}, true);
        if (!lab_.watch.violations.empty()) return false;
        const fsm::Summary s = summarize(*lab_.heart, lab_.now);
        if (s.healthy && s.phase == fsm::Phase::steady && !lab_.heart->record().operation) return true;
    }
    return false;
}

bool Walk::add_dropped_again() {
    bool any = false;
    for (auto& [name, n] : lab_.nodes) {
        if (!lab_.is_dropped(n)) continue;
        any = true;
        lab_.kill(n);
        lab_.wipe(n);
        lab_.boot(n);
    }
    if (any && !run_until_healthy(60'000)) return false;
    return std::all_of(lab_.nodes.begin(), lab_.nodes.end(), [](const auto& entry) { return entry.second.session; });
}

bool Walk::heal() {
    if (!failure_.empty()) return false;
    note("---- heal");
    for (auto& [name, n] : lab_.nodes) {
        lab_.boot(n);
        n.frozen = n.lagging = n.held = n.stuck = n.broken = n.unreadable = false;
        lab_.cut(name.v, "monitor", false);
        for (auto& [other, o] : lab_.nodes) lab_.cut(name.v, other.v, false);
    }
    for (auto& [name, n] : lab_.heart->record().nodes) {
        if (!n.maintenance && !n.maintenance_wanted) continue;
        fsm::Command c;
        c.kind = "disable-maintenance";
        c.node = name;
        lab_.command(c);
    }
    bool healthy = run_until_healthy(120'000);
    if (!healthy && lab_.watch.violations.empty() && lost_disks_ > 0 &&
        !summarize(*lab_.heart, lab_.now).waiting.empty()) {
        // A disk is gone: waiting may be right, and then the operator's word is the way out (R12).
        ++stuck_with_reason;
        fsm::Command c;
        c.kind = "failover";
        c.allow_data_loss = true;
        note("command failover --allow-data-loss");
        lab_.command(c);
        healthy = run_until_healthy(120'000);
    }
    if (healthy)
        lost_disks_ = 0;
    else
        failure_ = "I6, I9: not healthy 120 s after everything was repaired\n";
    return healthy && add_dropped_again() && lab_.watch.violations.empty();
}

}  // namespace pgaf::lab
