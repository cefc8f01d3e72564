// One look at a running server: a single query, and its answer as a plain value. Knows nothing of goals or of files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.h"
#include "common/lsn.h"
#include "common/result.h"
#include "keeper/postgres/connection.h"

namespace pgaf::keeper {

struct ReceiverRow {
    int pid = 0;
    std::string status;
    Timeline timeline;
    Lsn flushed;
    std::string host;
    std::uint16_t port = 0;
    Millis last_message_age;
};

struct WalsenderRow {
    int pid = 0;
    std::string user;
    std::string application;
    std::string state;
    Lsn flushed;
    Lsn replayed;
    Millis replay_lag;
    int sync_priority = 0;
    /// Of the physical slot that it has taken; empty when none.
    std::string slot;
};

struct SlotRow {
    std::string name;
    bool active = false;
    /// WAL that it should have kept is gone.
    bool lost = false;
    Lsn restart;
};

struct ServerView {
    bool in_recovery = false;
    SystemId system_id;
    /// Flush position and timeline; of a primary only.
    Lsn flushed;
    Timeline timeline;
    /// pg_last_wal_receive_lsn(); 0 when there was no receiver in this run.
    Lsn received;
    Lsn replayed;
    bool replay_paused = false;
    std::uint64_t segment_bytes = 0;
    Timeline checkpoint_timeline;
    Lsn redo;
    std::string standby_names;
    std::string conninfo;
    std::optional<ReceiverRow> receiver;
    std::vector<WalsenderRow> walsenders;
    /// Physical ones with a reserved position.
    std::vector<SlotRow> slots;
};

boost::asio::awaitable<Result<ServerView>> look(Connection& connection, Millis limit);

/// The parts of a member's application_name (R14); nothing when it is none of this cluster's. PostgreSQL compares the
/// names without case, so this does too.
struct MemberName {
    NodeName node;
    IncarnationId incarnation;
};
[[nodiscard]] std::optional<MemberName> parse_member_name(const std::string& application, const ClusterName& cluster);

/// A walsender that counts as a member by its name and is not that node's by slot and user (R14).
[[nodiscard]] bool is_impostor(const WalsenderRow& walsender, const ClusterName& cluster);

}  // namespace pgaf::keeper
