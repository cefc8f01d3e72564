// R8: how long a primary may go on when it hears neither the monitor nor enough standbys. Pure: times of CLOCK_BOOTTIME
// are handed in, the decision is the rows' (rows_lease.cc).
//
// An answer counts from when that was said which it answers: a report was sent, a WAL message was written. So it shows
// that at that moment no election without this primary was complete, however long the answer took.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/model/goal.h"
#include "common/model/report.h"
#include "common/reflect.h"
#include "keeper/reconcile/step.h"

namespace pgaf::keeper {

struct Facts;
struct Promise;
struct Run;

/// A small WAL message of the keeper's own, and when it was about to be written.
struct LeaseMark {
    Lsn lsn;
    Millis written;
    friend bool operator==(const LeaseMark&, const LeaseMark&) = default;
};
BOOST_DESCRIBE_STRUCT(LeaseMark, (), (lsn, written))

/// What carries a primary's lease, as moments of CLOCK_BOOTTIME.
struct LeaseClock {
    Millis now;
    /// When this run of the keeper began: with no answer in it yet, the lease counts from there.
    Millis began;
    /// When the newest report was sent whose answer carries the lease; unset: none in this run of the keeper.
    std::optional<Millis> answered;
    /// When the newest report was sent that was answered in this session, to a primary or not; unset: none was.
    std::optional<Millis> heard;
    /// Oldest first, bounded.
    std::vector<LeaseMark> marks;
    /// When the newest mark was written that a standby has flushed.
    std::map<IncarnationId, Millis> confirmed;
    /// The launcher's deadline for this run of the server, as it has last taken it; 0: none; unset: not told yet.
    std::optional<Millis> armed;
    friend bool operator==(const LeaseClock&, const LeaseClock&) = default;
};
BOOST_DESCRIBE_STRUCT(LeaseClock, (), (now, began, answered, heard, marks, confirmed, armed))

/// A session begins: what an earlier one has heard may be of another monitor, or of before this one's restart.
void note_session(LeaseClock& lease);
/// A report that was sent at `sent` is answered, by a monitor that has this node for the primary (`carries`) or not.
void note_answer(LeaseClock& lease, Millis sent, bool carries);
/// A goal came; `given`: the newest that came before it in this session. A newer one that makes its node primary was
/// decided after the answers that came before it, and the monitor counts the lease from its decision or later (R7). So
/// the newest of them carries the lease too: else a node that is chosen again would count from its earlier reign.
void note_goal(LeaseClock& lease, const std::optional<Stamp>& given, const Goal& goal);

void note_mark(LeaseClock& lease, Lsn lsn, Millis written);
/// What the primary's walsenders show to be flushed.
void note_confirmed(LeaseClock& lease, const std::vector<WalsenderView>& standbys);

/// A lease limits what this node may do: it was told to be primary, or is fenced as one, and can be replaced.
[[nodiscard]] bool needs_lease(const Promise& promise);
/// The moment at which the lease runs out, by what has been heard so far.
[[nodiscard]] Millis lease_until(const Promise& promise, const Run& run);
/// It has run out. Never for a node that needs none.
[[nodiscard]] bool lease_over(const Promise& promise, const Run& run);
/// A WAL message is wanted, for the standbys to confirm: the monitor does not answer.
[[nodiscard]] bool wants_mark(const Promise& promise, const Run& run, const Facts& facts);
/// The step ends a server whose lease is over: it can't wait until a promise is durable, which a disk that hangs may
/// keep from being so for ever.
[[nodiscard]] bool cannot_wait(const Step& step, const Promise& promise, const Run& run);
/// Who is waited for, for people. The same text as long as goal and rule are the same.
[[nodiscard]] std::string lease_text(const Promise& promise, const Run& run);

/// The moment at which the launcher has to stop the server unless it is told another one; 0: none. Nothing: leave it
/// as it is.
[[nodiscard]] std::optional<Millis> launcher_deadline(const Promise& promise, const Run& run, const Facts& facts);
/// With k = 0 the launcher holds a deadline that is no later than the lease: if the keeper stops now, so does the
/// server.
[[nodiscard]] bool guarded(const Promise& promise, const Run& run);

}  // namespace pgaf::keeper
