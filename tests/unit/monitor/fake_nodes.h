// Nodes that do at once what their goals say, without any PostgreSQL: enough to bring a cluster up, switch it over and
// break it. No network in here.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "common/model/goal.h"
#include "common/model/report.h"

namespace pgaf::test {

class FakeNodes {
  public:
    /// A node with an empty data folder.
    Hello add(const std::string& cluster, const std::string& name);
    /// The report that the node would send now.
    Report report(const NodeName& name);
    void obey(const Goal& goal);
    /// PostgreSQL on this node is gone, its keeper is not.
    void kill_postgres(const NodeName& name);
    /// The keeper of this node starts again.
    Hello new_boot(const NodeName& name);
    [[nodiscard]] const Report& last(const NodeName& name) const { return nodes_.at(name).report; }

  private:
    struct Node {
        Hello hello;
        Report report;
    };
    void be_primary(Node& node, const Goal& goal);
    void be_standby(Node& node, const Goal& goal);
    void stream(Node& node);
    void go_down(Node& node);

    std::map<NodeName, Node> nodes_;
    std::uint64_t ids_ = 0x1000000000000000ULL;
    std::string new_id();
};

}  // namespace pgaf::test
