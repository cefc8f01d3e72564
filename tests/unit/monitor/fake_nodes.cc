#include "tests/unit/monitor/fake_nodes.h"

#include <cstdio>

namespace pgaf::test {

std::string FakeNodes::new_id() {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(++ids_));
    return text;
}

Hello FakeNodes::add(const std::string& cluster, const std::string& name) {
    Node node;
    Hello& hello = node.hello;
    hello.cluster.v = cluster;
    hello.node.v = name;
    hello.incarnation.v = new_id();
    hello.boot.v = new_id();
    hello.host = "127.0.0.1";
    hello.port = static_cast<std::uint16_t>(6001 + nodes_.size());
    hello.keeper_version = "test";
    Report& report = node.report;
    report.cluster = hello.cluster;
    report.node = hello.node;
    report.incarnation = hello.incarnation;
    report.boot = hello.boot;
    report.status = PgStatus::absent;
    report.pg_version = 150018;
    nodes_[hello.node] = node;
    return hello;
}

Report FakeNodes::report(const NodeName& name) {
    Node& node = nodes_.at(name);
    Report& report = node.report;
    ++report.seq;
    stream(node);
    report.standbys.clear();
    report.slots.clear();
    for (const auto& [other_name, other] : nodes_) {
        if (other_name == name) continue;
        report.slots.push_back(other_name);
        const bool streams = report.status == PgStatus::running && other.report.receiver.streaming &&
                             other.report.receiver.upstream == name;
        if (streams)
            report.standbys.push_back(
                {other.report.incarnation, true, other.report.end, other.report.replayed, Millis{2}});
    }
    return report;
}

void FakeNodes::be_primary(Node& node, const Goal& goal) {
    Report& r = node.report;
    if (r.status == PgStatus::absent) {
        r.system_id.v = "7300000000000000001";
        r.timeline.v = 1;
        r.end.v = 0x3000000;
    } else if (r.in_recovery) {
        r.forks.push_back({r.timeline, r.end});
        r.timeline = goal.timeline;
    }
    r.status = PgStatus::running;
    r.in_recovery = false;
    r.writable = true;
    r.fenced = false;
    r.receiver = {};
    r.end.v += 0x100;
    r.replayed = r.complete = r.end;
    r.rule_applied = r.rule_promised = goal.rule.id;
    r.checkpoint_done = goal.checkpoint_request;
    r.checkpoint_timeline = r.timeline;
}

void FakeNodes::be_standby(Node& node, const Goal& goal) {
    Report& r = node.report;
    const Report& upstream = nodes_.at(goal.upstream).report;
    r.status = PgStatus::running;
    r.in_recovery = true;
    r.writable = false;
    r.fenced = false;
    r.system_id = upstream.system_id;
    r.timeline = upstream.timeline;
    r.forks = upstream.forks;
    r.end = r.replayed = r.complete = upstream.end;
    r.receiver = {true, goal.upstream, Millis{10}};
}

/// A standby has what its upstream has.
void FakeNodes::stream(Node& node) {
    Report& r = node.report;
    if (!r.receiver.streaming) return;
    const Report& upstream = nodes_.at(r.receiver.upstream).report;
    if (upstream.timeline == r.timeline) r.end = r.replayed = r.complete = upstream.end;
}

/// In order: the standbys get the shutdown checkpoint, then their connections end.
void FakeNodes::go_down(Node& node) {
    node.report.end.v += 0x78;
    node.report.complete = node.report.end;
    ++node.report.exits;
    for (auto& [name, other] : nodes_) {
        if (other.report.receiver.upstream != node.hello.node) continue;
        stream(other);
        other.report.receiver = {};
    }
}

void FakeNodes::obey(const Goal& goal) {
    Node& node = nodes_.at(goal.node);
    Report& r = node.report;
    if (goal.incarnation != r.incarnation || !may_follow(r.promised, goal.stamp)) return;
    r.promised = goal.stamp;
    r.goal = goal;  // said in every report, not only when it is asked for (R11)
    switch (goal.role) {
        case Role::primary:
            be_primary(node, goal);
            break;
        case Role::standby:
            be_standby(node, goal);
            break;
        case Role::fence:
            if (r.in_recovery && r.status == PgStatus::running) {
                r.receiver = {};
                r.fenced = true;
            }
            break;
        case Role::stop:
        case Role::maintenance:
        case Role::dropped:
            if (r.status == PgStatus::running) go_down(node);
            if (r.status != PgStatus::absent) r.status = PgStatus::stopped;
            r.writable = false;
            r.receiver = {};
            r.clean_shutdown = true;
            break;
        default:
            break;
    }
}

void FakeNodes::kill_postgres(const NodeName& name) {
    Report& r = nodes_.at(name).report;
    r.status = PgStatus::stopped;
    r.writable = false;
    r.clean_shutdown = false;
    r.receiver = {};
    ++r.exits;
    for (auto& [other_name, other] : nodes_) {
        if (other.report.receiver.upstream == name) other.report.receiver = {};
    }
}

Hello FakeNodes::new_boot(const NodeName& name) {
    Node& node = nodes_.at(name);
    node.hello.boot.v = node.report.boot.v = new_id();
    node.report.seq = 0;
    return node.hello;
}

}  // namespace pgaf::test
