// A coordinator over a store in memory, with a clock that the test turns, and nodes that obey.
#pragma once

#include <catch2/catch.hpp>

#include "monitor/service/coordinator.h"
#include "monitor/store/memory_store.h"
#include "tests/unit/monitor/fake_nodes.h"
#include "tests/unit/store/support.h"

namespace pgaf::monitor::test {

using pgaf::test::must;

struct CountingMeter : Meter {
    int heartbeats = 0;
    int commits = 0;
    std::vector<fsm::Takeover> takeovers;
    void heartbeat(const ClusterName&, const NodeName&) override { ++heartbeats; }
    void commit(double) override { ++commits; }
    void takeover(const ClusterName&, const fsm::Takeover& t) override { takeovers.push_back(t); }
};

/// Collects what is sent, and checks at that moment that the store has it already (R1).
struct FakeLink : KeeperLink {
    explicit FakeLink(Store& its_store) : store(its_store) {}
    void send(const Goal& goal) override {
        goals.push_back(goal);
        for (const auto& record : must(store.load())) {
            const auto node = record.nodes.find(goal.node);
            if (node != record.nodes.end() && node->second.goal == goal) ++durable;
        }
    }
    void send(const fsm::ProbeRequest& probe) override { probes.push_back(probe); }
    void turn_away(const std::string& message) override { away = message; }

    Store& store;
    std::vector<Goal> goals;
    std::vector<fsm::ProbeRequest> probes;
    std::string away;
    std::size_t durable = 0;
};

struct Bench {
    explicit Bench(CoordinatorOptions options = {}) : options_(options) { start(); }

    void start() {
        coordinator = std::make_unique<Coordinator>(
            Coordinator::World{store, meter, [this] { return now; }, [this](Millis at) { wake = at; },
                               [this](const std::string& why) { fatal.push_back(why); }},
            options_, MonitorId{"000000000000000" + std::to_string(++monitors)});
        must(coordinator->start());
    }
    FakeLink& connect(const Hello& hello) {
        auto& link = links[hello.node];
        link = std::make_unique<FakeLink>(store);
        sessions[hello.node] = must(coordinator->open(hello, *link));
        return *link;
    }
    FakeLink& add(const std::string& name) { return connect(nodes.add("default", name)); }
    void report(const std::string& name) {
        must(coordinator->report(sessions.at(NodeName{name}), nodes.report(NodeName{name})));
    }

    /// Nodes obey and report, time goes on, until nothing is said any more.
    void settle() {
        for (int round = 0; round < 60; ++round) {
            now.v += 20;
            coordinator->tick();
            for (auto& [name, link] : links) {
                const auto goals = std::exchange(link->goals, {});
                for (const Goal& goal : goals) nodes.obey(goal);
                told += goals.size();
                durable += std::exchange(link->durable, 0);
                if (link->away.empty()) must(coordinator->report(sessions.at(name), nodes.report(name)));
            }
        }
    }
    [[nodiscard]] fsm::Summary summary() const {
        return coordinator->summary(*coordinator->find(ClusterName{"default"}));
    }

    MemoryStore store;
    CountingMeter meter;
    Millis now{1'000'000};
    Millis wake;
    int monitors = 0;
    std::vector<std::string> fatal;
    pgaf::test::FakeNodes nodes;
    std::map<NodeName, std::unique_ptr<FakeLink>> links;
    std::map<NodeName, SessionId> sessions;
    std::size_t told = 0;
    std::size_t durable = 0;
    std::unique_ptr<Coordinator> coordinator;

  private:
    CoordinatorOptions options_;
};

inline fsm::Command command(const std::string& kind, const std::string& node = {}) {
    fsm::Command c;
    c.kind = kind;
    c.node.v = node;
    return c;
}

}  // namespace pgaf::monitor::test
