// WAL that the history does not contain, kept aside before it is replaced (R12): in the state folder, bounded in size,
// with a note that says what it is. Blocks while it copies: to be called on the file thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/result.h"

namespace pgaf::keeper {

struct KeepWal {
    std::string wal_dir;
    /// Where all that was ever kept lies; each time makes a folder in it.
    std::string kept_dir;
    /// Whose WAL it is; part of the folder's name.
    IncarnationId incarnation;
    /// 0: of every timeline.
    Timeline timeline;
    /// From this place's segment on, up to that one's; `until` 0: to the last segment.
    Lsn from;
    Lsn until;
    std::string why;
    std::uint64_t limit_bytes = 0;
    /// Move instead of copy: the folder shall not have it any more (R6). The segment that `from` lies in stays, with
    /// nothing but zeros from there on: the last checkpoint may lie in it, without which nothing starts.
    bool move = false;
};

/// For people: "WAL 0/3000000 to 0/3FFFFFF is kept in <folder>"; empty when there was none.
[[nodiscard]] Result<std::string> keep_wal(const KeepWal& what);
/// History files of these timelines, left by promotions that came to nothing, are moved into `kept_dir` (R5). For
/// people: where they are; empty when there was none.
[[nodiscard]] Result<std::string> keep_histories(const std::string& wal_dir, const std::string& kept_dir,
                                                 const IncarnationId& incarnation,
                                                 const std::vector<Timeline>& timelines);
/// Whether WAL of this incarnation has been kept already.
[[nodiscard]] bool has_kept_wal(const std::string& kept_dir, const IncarnationId& incarnation);

}  // namespace pgaf::keeper
