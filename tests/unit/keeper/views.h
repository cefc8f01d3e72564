// What a keeper's loop knows, made up: a primary, a standby, and what the monitor has told of their cluster.
#pragma once

#include <map>
#include <string>

#include "keeper/http/routes.h"

namespace pgaf::keeper::test {

/// node1; a standby streams from node2 and is 8192 bytes behind.
LoopView node(Role role, bool in_recovery);

/// Three members, node2 the primary, one promotion; `in_rule`: commits wait for node1.
ClusterView cluster(bool in_rule);
/// The monitor has told this.
LoopView told(LoopView view, const ClusterView& cluster);

http::Response ask(const LoopView& view, const std::string& path, std::map<std::string, std::string> query = {},
                   const Tags& tags = {});
unsigned code(const LoopView& view, const std::string& path, std::map<std::string, std::string> query = {},
              const Tags& tags = {});

}  // namespace pgaf::keeper::test
