// What the heart puts out, as lines for scripts: short, stable, readable.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/unit/fsm/lab.h"

namespace pgaf::lab {

class Printer {
  public:
    /// The lines of one output. Goals show what is new in them since the node's last one.
    std::vector<std::string> lines(const fsm::Output& out, const ClusterRecord& record);
    /// The first lines of `pgafctl show state`, and the rules in force.
    [[nodiscard]] static std::vector<std::string> summary(const Heart& heart, Millis now);
    [[nodiscard]] static std::vector<std::string> record(const Heart& heart);

  private:
    std::string goal_text(const Goal& goal, const ClusterRecord& record);

    std::map<NodeName, Goal> last_;
    std::map<NodeName, std::string> turned_away_;
    std::set<NodeName> looking_;
};

/// "2: 1 of (b, c)"
[[nodiscard]] std::string rule_text(const NamedRule& rule, const ClusterRecord& record);
/// "1, 2 from 0/1000100, 3"
[[nodiscard]] std::string history_text(const std::vector<HistoryEntry>& history);

}  // namespace pgaf::lab
