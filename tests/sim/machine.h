// A machine of the model: its disk, its launcher, its PostgreSQL. Plain values without behaviour; server.cc,
// replication.cc and steps.cc move them.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "keeper/reconcile/promise.h"
#include "tests/sim/event.h"
#include "tests/sim/names.h"
#include "tests/sim/wal.h"

namespace pgaf::sim {

/// primary_conninfo: whom to stream from, and under which name.
struct Conn {
    NodeIx upstream = nobody;
    Inc name = 0;
    [[nodiscard]] bool empty() const { return upstream == nobody; }
    friend bool operator==(const Conn&, const Conn&) = default;
};
BOOST_DESCRIBE_STRUCT(Conn, (), (upstream, name))

/// pgaf.conf and the HBA file: what a start or a reload takes over.
struct Conf {
    Names names;
    Conn conn;
    bool open_to_clients = false;
    /// Nodes that may replicate from here.
    std::uint32_t access = 0;
    friend bool operator==(const Conf&, const Conf&) = default;
};
BOOST_DESCRIBE_STRUCT(Conf, (), (names, conn, open_to_clients, access))

/// What outlives every process. A machine that is put back to yesterday gets an old one.
struct Disk {
    bool has_data = false;
    /// pgaf.incarnation; 0: none.
    Inc id = 0;
    bool rebuilding = false;
    bool standby_signal = false;
    Conf conf;
    Wal wal;
    /// Timelines with a history file in pg_wal, its own and those that it has heard of, sorted; empty placeholders too.
    std::vector<std::uint32_t> histories;
    /// Those of them that are empty: made to keep PostgreSQL from taking an id.
    std::vector<std::uint32_t> placeholders;
    std::uint32_t checkpoint_timeline = 0;
    std::uint64_t redo = 0;
    /// pg_control says "shut down".
    bool clean = false;
    std::uint32_t slots = 0;
    /// The keeper's state file; unset: there is none.
    std::optional<keeper::Promise> state;
    bool state_damaged = false;
};
BOOST_DESCRIBE_STRUCT(Disk, (),
                      (has_data, id, rebuilding, standby_signal, conf, wal, histories, placeholders,
                       checkpoint_timeline, redo, clean, slots, state, state_damaged))

/// A walsender. What it has loaded, and so what it may release, is its own affair (T).
struct Walsender {
    /// The connection: the receiver at the other end has the same number.
    std::uint32_t link = 0;
    NodeIx peer = nobody;
    Inc name = 0;
    bool has_slot = true;
    /// Somebody's tool that bears a member's name.
    bool impostor = false;
    /// When it connected.
    Micros since = 0;
    bool streaming = false;
    /// The number of the last answer: the connection keeps their order.
    std::uint32_t heard = 0;
    std::uint64_t flushed = 0;
    std::uint64_t replayed = 0;
    Names names;
    bool reload_due = false;
    /// Its process has been stopped: it reads no reply and reloads nothing.
    bool frozen = false;
    [[nodiscard]] int priority() const { return names.priority(name); }
};
BOOST_DESCRIBE_STRUCT(Walsender, (),
                      (link, peer, name, has_slot, impostor, since, streaming, heard, flushed, replayed, names,
                       reload_due, frozen))

/// A piece of WAL on its way: what lies at [from, to) on the path to `branch`.
struct Chunk {
    BranchIx branch = 0;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
};
BOOST_DESCRIBE_STRUCT(Chunk, (), (branch, from, to))

struct Receiver {
    std::uint32_t link = 0;
    NodeIx upstream = nobody;
    Inc name = 0;
    std::uint32_t timeline = 0;
    /// From where on it is to be sent.
    std::uint64_t next = 0;
    std::optional<Chunk> coming;
    /// The other end has gone; what was sent before may still come.
    bool ends = false;
    std::uint32_t answers = 0;
};
BOOST_DESCRIBE_STRUCT(Receiver, (), (link, upstream, name, timeline, next, coming, ends, answers))

/// A commit that waits for standbys.
struct Waiting {
    std::uint64_t lsn = 0;
    std::uint32_t commit = 0;
};
BOOST_DESCRIBE_STRUCT(Waiting, (), (lsn, commit))

/// One life of a postmaster, and of what it leaves behind.
struct Server {
    ///   recovering  replays; takes no connections
    ///   standby     takes connections, replays and streams
    ///   promoting   as a standby, on its way to a primary
    ///   primary
    ///   stopping    a fast stop is under way
    enum class Phase : std::uint8_t { recovering, standby, promoting, primary, stopping };
    std::uint32_t run = 0;
    /// The epoch in which its keeper has asked it to be read-write; 0: it has not.
    std::uint64_t asked_in = 0;
    Phase phase = Phase::recovering;
    /// Gone while its children still live (R13).
    bool postmaster = true;
    /// When the machine went on that had slept past this server's lease; 0: it never did. What its backends do before
    /// the stop nobody can keep them from.
    Micros slept_over = 0;
    /// Every process of it has been stopped (SIGSTOP): no query is answered.
    bool stuck = false;
    Micros stuck_since = 0;
    /// Its postmaster alone has been stopped: sessions go on, and nobody gets a new one.
    bool gives_no_session = false;
    Micros no_session_since = 0;
    /// It was told to stop meanwhile.
    bool stop_due = false;
    Conf loaded;
    bool reload_due = false;

    // ---- the startup process ----
    Conn startup_conn;
    bool startup_reload_due = false;
    /// Replay is paused or in conflict: the startup process looks at nothing else meanwhile.
    bool replay_held = false;
    std::uint64_t replayed = 0;
    /// pg_last_wal_receive_lsn(): 0 before the first receiver of this run.
    std::uint64_t received = 0;
    std::uint32_t received_timeline = 0;
    std::optional<Receiver> receiver;

    // ---- the checkpointer ----
    bool checkpointer_reload_due = false;
    /// It alone has been stopped (SIGSTOP).
    bool checkpointer_stopped = false;
    /// Commits wait only when the checkpointer has said so.
    bool sync_defined = false;

    // ---- as a primary ----
    std::uint64_t flushed = 0;
    std::vector<Waiting> waiting;
    /// What walsenders have released so far; a commit below it does not wait at all.
    std::uint64_t released = 0;
    /// Clients that were let in before stay until they are sent away.
    bool has_sessions = false;
    /// Up to here a client sees what was there when the server opened; 0: seen already.
    std::uint64_t unseen = 0;
    /// In this run of the server: what it brought along is below the floor (R5).
    bool promoted = false;
    bool shutdown_checkpoint = false;
    bool flush_planned = false;
    std::vector<Walsender> senders;
    /// Walsenders go on with what they do, and get round to a reload later.
    bool reloads_late = false;

    [[nodiscard]] bool takes_connections() const {
        return postmaster && !stuck &&
               (phase == Phase::standby || phase == Phase::promoting || phase == Phase::primary);
    }
    /// A connection that does not exist yet.
    [[nodiscard]] bool gives_sessions() const { return takes_connections() && !gives_no_session; }
    [[nodiscard]] bool in_recovery() const { return phase != Phase::primary && !was_primary; }
    /// Stopping, and read-write before.
    bool was_primary = false;
};

struct Launcher {
    bool alive = false;
    /// Its process alone is stopped (SIGSTOP): what it is asked it does when it goes on.
    bool frozen = false;
    std::uint32_t life = 0;
    std::uint64_t exits = 0;
    bool leaving = false;
    /// It ends as soon as PostgreSQL has exited.
    bool ending = false;
    /// The last exit was the postmaster's own, after a backend's crash.
    bool crashed = false;
    /// The last exit was its own doing, whose deadline had passed (R8).
    bool expired = false;
};
BOOST_DESCRIBE_STRUCT(Launcher, (), (alive, frozen, life, exits, leaving, ending, crashed, expired))

/// They end, they hang (a lost path, fsfreeze), or they fail (read-only, full).
BOOST_DEFINE_ENUM_CLASS(Writes, done, hang, fail)

struct Machine {
    bool power = false;
    bool frozen = false;
    Micros frozen_since = 0;
    /// When something of it that had been stopped last went on; when its keeper last stopped, whatever the reason.
    Micros went_on = 0;
    Micros keeper_stopped = 0;
    /// fsync takes long, and the state file can't be written.
    bool slow_disk = false;
    /// Its disk was put back to a snapshot, and it has not been reset since: with no monitor in reach nobody finds out
    /// (R9).
    bool put_back = false;
    /// Putting it back takes a while.
    Micros off_until = 0;
    bool bad_state_disk = false;
    /// What becomes of what is written to the data folder (disk.h), and since when.
    Writes writes = Writes::done;
    Micros writes_since = 0;
    /// The state file lies on that disk, too.
    bool state_beside_data = false;
    /// What waits for the disk; the keeper does when it is in the middle of a write of its own.
    std::vector<Event> in_write;
    bool keeper_in_write = false;
    Disk disk;
    Launcher launcher;
    std::optional<Server> server;
    std::uint32_t server_runs = 0;
    std::uint32_t incarnations = 0;
    std::uint32_t boots = 0;
    /// What happened to its processes while they were stopped: it happens when they go on.
    std::vector<Event> held;
};

}  // namespace pgaf::sim
