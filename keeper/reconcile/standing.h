// Where a node's WAL stands to the cluster's history (R5, R6, "Rejoin"): the record's history decides whether a node
// streams, rewinds or waits, never pg_rewind. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/lsn.h"
#include "common/model/goal.h"
#include "keeper/reconcile/facts.h"

namespace pgaf::keeper {

struct Standing {
    ///   unknown    facts or history do not say yet
    ///   prefix     the history contains all of the node's WAL: it can stream
    ///   torn_tail  the same, but part of a record reaches into a later segment than the fork's (R6)
    ///   diverged   the node has WAL that the history does not contain
    enum class Kind { unknown, prefix, torn_tail, diverged };
    Kind kind = Kind::unknown;
    /// torn_tail, diverged: the node's timeline at the point where the history left it, and that point; 0: not known.
    Timeline timeline;
    Lsn fork;
    /// For people; empty for prefix.
    std::string why;
};

/// Compares a node with the history that its goal carries.
[[nodiscard]] Standing stand(const Facts& facts, const std::vector<HistoryEntry>& history);

}  // namespace pgaf::keeper
