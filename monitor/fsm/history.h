// The cluster's timelines: who is on the history, and how far (protocol: "history", R5).
#pragma once

#include <optional>

#include "common/model/report.h"
#include "monitor/fsm/record.h"

namespace pgaf::fsm {

/// The entry of a timeline; null when the record has never assigned it.
[[nodiscard]] const HistoryEntry* find_timeline(const ClusterRecord& record, Timeline timeline);

/// The epoch that a timeline was assigned in; 0 for a timeline that is not the cluster's.
[[nodiscard]] Epoch epoch_of(const ClusterRecord& record, Timeline timeline);

/// The node's end of complete records: `complete`, or what it has replayed, or `end`, whichever it knows best.
[[nodiscard]] WalPosition complete_end(const Report& report);
/// The node's flushed end.
[[nodiscard]] WalPosition flushed_end(const Report& report);

/// Every timeline and fork that the node has is the record's, and its WAL does not go past the point where the
/// history left its timeline. A fork that nobody has reported yet is matched by any at or after its floor (R5).
[[nodiscard]] bool on_history(const ClusterRecord& record, const Report& report);

/// How far the node's WAL is the history's: its end while it is on the history, else the point where it left it. Empty
/// when the report does not tell.
[[nodiscard]] WalPosition last_on_history(const ClusterRecord& record, const Report& report);

/// The place of a timeline in the history, from 1; 0 when it has none there.
[[nodiscard]] std::size_t place_of(const ClusterRecord& record, Timeline timeline);

/// Orders positions of the history: by the place of the timeline first, then by LSN. Positions of different timelines
/// are thereby never compared by LSN (R5).
[[nodiscard]] bool before(const ClusterRecord& record, const WalPosition& a, const WalPosition& b);

/// The report is on the history and contains `point`.
[[nodiscard]] bool contains(const ClusterRecord& record, const Report& report, const WalPosition& point);

/// Takes over what a report teaches: forks not known yet, the highest timeline id.
void learn_from(ClusterRecord& record, const Report& report);

}  // namespace pgaf::fsm
