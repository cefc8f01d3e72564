// What the keeper has observed of its local PostgreSQL: the input of the reconciler. Plain values.
#pragma once

#include <string>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/model/report.h"

namespace pgaf::keeper {

struct Facts {
    PgStatus status = PgStatus::unknown;
    /// The id file inside the data folder; empty when there is none (emptied, or made by someone else).
    IncarnationId folder_incarnation;
    /// A clone or rewind was begun and not finished: only a new clone helps.
    bool rebuilding = false;
    bool in_recovery = false;
    /// Clients are let in (the HBA file has their lines); meaningful while running.
    bool open_to_clients = false;
    /// Sessions of clients on a primary that is closed to them: they were there before, or slipped in meanwhile.
    std::uint32_t client_sessions = 0;
    std::uint64_t exits = 0;
    /// The last exit was the postmaster's own, after one of its processes had died: where PostgreSQL by itself would
    /// have gone on (restart_after_crash, which is off). Neither killed nor told to end.
    bool crashed = false;
    /// The last exit was the launcher's doing, whose deadline had passed (R8).
    bool deadline_expired = false;
    bool clean_shutdown = false;
    /// It has just exited, and where its WAL ends is not looked for yet: that may take seconds, and an exit is told at
    /// once.
    bool end_pending = false;
    bool leaving = false;
    bool launcher_connected = false;

    SystemId system_id;
    std::uint32_t pg_version = 0;
    Timeline timeline;
    std::vector<TimelineFork> forks;
    /// Timelines above it that the folder has a history file of: PostgreSQL takes the newest for its own way (R5).
    std::vector<Timeline> histories;
    Lsn end;
    Lsn replayed;
    Lsn complete;
    /// `end`, `replayed` and `complete` were read after the receiver had ended for good, or with PostgreSQL stopped.
    bool end_exact = false;
    /// Stopped, and its WAL was read and lacks what a start needs: no waiting helps (a disk or permission that stands
    /// in the way is only trouble).
    bool wal_damaged = false;
    /// wal_segment_size: a torn tail that reaches into a later segment than the fork's must go (R6).
    std::uint64_t wal_segment_bytes = 16777216;

    /// primary_conninfo in force, as the name of the peer that it points at; empty when none.
    NodeName following;
    /// Somebody has paused replay, and there is no WAL receiver: none is started before it is resumed.
    bool replay_paused = false;
    ReceiverView receiver;
    std::vector<WalsenderView> standbys;
    std::vector<std::string> slots;
    Timeline checkpoint_timeline;
    /// Where the WAL message ends that was written with this look (R8); 0: none was.
    Lsn lease_mark;
    /// synchronous_standby_names in force.
    std::string standby_names;
    /// That it is not what the keeper has put there, in words (ALTER SYSTEM, say); empty: it is.
    std::string alien_rule;

    /// That the upstream serves and no longer has the WAL that this standby needs next, in words; empty: nobody says
    /// so.
    std::string wal_gone;
    /// How this incarnation's folder was last rebuilt, why, and where the WAL lies that was kept aside (R12); empty:
    /// never.
    std::string rebuilt;

    /// That the disk takes no writes, and how that shows (detection, evidence 5); empty: it takes them, or nobody has
    /// looked.
    std::string disk;
    /// What could not be found out, and why; empty when all is known.
    std::string trouble;

    friend bool operator==(const Facts&, const Facts&) = default;
};
BOOST_DESCRIBE_STRUCT(Facts, (),
                      (status, folder_incarnation, rebuilding, in_recovery, open_to_clients, client_sessions, exits,
                       crashed, deadline_expired, clean_shutdown, end_pending, leaving, launcher_connected, system_id,
                       pg_version, timeline, forks, histories, end, replayed, complete, end_exact, wal_damaged,
                       wal_segment_bytes, following, replay_paused, receiver, standbys, slots, checkpoint_timeline,
                       lease_mark, standby_names, alien_rule, wal_gone, rebuilt, disk, trouble))

}  // namespace pgaf::keeper
