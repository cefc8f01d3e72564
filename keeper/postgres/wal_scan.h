// Finds where the last complete record of a pg_wal folder ends: what a server would recover to. Reads the files itself
// (record headers, prev links, CRCs; the format is the same in PostgreSQL 13 to 18), so that a fence or an exit starts
// no process and follows timeline switches, which pg_waldump does not. A test holds it against pg_waldump.
//
// Blocks while it reads: to be called on a thread of its own.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/result.h"

namespace pgaf::keeper {

struct WalEnd {
    /// The timeline that `complete` lies on.
    Timeline timeline;
    /// Start of the last complete record, and where it ends.
    Lsn last_record;
    Lsn complete;
    /// How far an incomplete record after it reaches, when that is into a later segment: a standby would ask for that
    /// segment (R6). To the page, since a torn page does not say where it was torn; 0: it ends in the same segment.
    Lsn torn;
    std::uint64_t segment_bytes = 0;
    /// Segments that repeat an older timeline's WAL up to the fork that they begin with, and end before what its own
    /// file holds: receiving them was broken off. PostgreSQL would read them instead of the older ones and recover to
    /// less, so they must go before it starts; this end is the one without them.
    std::vector<std::string> unfinished;
};

struct WalScan {
    std::string wal_dir;
    /// A timeline that the folder's WAL is on at `anchor`, for example that of the last checkpoint at its place.
    Timeline timeline;
    Lsn anchor;
    /// A place at or after the anchor up to which all records are known to be complete: where a record begins or ends.
    /// It may lie on a later timeline: a standby that has crossed a fork makes its next restartpoint only later.
    Lsn from;
    /// Empty: not checked.
    SystemId system_id;
};

/// Why there is no end.
struct ScanError : Error {
    ScanError() = default;
    explicit ScanError(Error why, bool is_damaged = false) : Error(std::move(why)), damaged(is_damaged) {}
    /// All files could be read, and what has to be in them is not: trying again won't help. Otherwise the end is only
    /// not known: a disk, a mount or a permission stands in the way.
    bool damaged = false;
    /// There is no segment at all: as likely as not its disk is not mounted, so this is not damage.
    bool empty = false;
};

/// An error says nothing of where the WAL ends: neither exact, nor fenced, nor to be remembered (R4).
[[nodiscard]] boost::system::result<WalEnd, ScanError> find_wal_end(const WalScan& scan);

/// The timeline that the WAL before `at` lies on, told by the files alone; cheap, however much WAL there is.
[[nodiscard]] Result<Timeline> timeline_at(const WalScan& scan, Lsn at);

}  // namespace pgaf::keeper
