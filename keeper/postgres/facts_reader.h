// Where Facts come from: launcher, data folder, and one query over a connection that is kept open.
#pragma once

#include <chrono>
#include <optional>

#include "keeper/postgres/control_file.h"
#include "keeper/postgres/node.h"
#include "keeper/postgres/server_view.h"
#include "keeper/postgres/upstream_check.h"
#include "keeper/reconcile/facts.h"

namespace pgaf::keeper {

using StoppedWal = boost::system::result<WalEnd, ScanError>;

class FactsReader {
  public:
    explicit FactsReader(Node& node) : node_(node), connection_(node.strand), upstream_(node) {}

    /// `mark`: a WAL message is written on a primary (R8).
    Async<Facts> observe(bool mark);
    /// Beside the looks, on the node's file thread.
    [[nodiscard]] bool reading_wal() const { return upstream_.reading(); }
    /// For a look: where the WAL of a stopped server ends.
    [[nodiscard]] bool reads_stopped() const { return reads_stopped_; }

  private:
    using Clock = std::chrono::steady_clock;

    /// The folders whose disks are to take writes: those of a server, not of one that is being made.
    [[nodiscard]] std::vector<std::string> probed_folders(bool rebuilding) const;
    void add_starting(Facts& facts);
    Async<void> add_stopped(Facts& facts);
    /// Where the WAL of a stopped server ends.
    Async<StoppedWal> stopped_end(const ControlFile& control);
    Async<void> add_running(Facts& facts, bool mark);
    Async<void> write_mark(Facts& facts);
    Async<std::optional<ServerView>> ask(Facts& facts);
    [[nodiscard]] Millis stuck_limit() const;
    void judge_silence(Facts& facts);
    void warn_of_version(std::uint32_t version);
    void add_standby(Facts& facts, const ServerView& view);
    void add_replication(Facts& facts, const ServerView& view);
    void add_forks(Facts& facts);
    Async<void> end_impostors(Facts& facts, const ServerView& view);
    Async<void> advance_slots(Facts& facts, const ServerView& view);

    Node& node_;
    Connection connection_;
    UpstreamCheck upstream_;
    /// When this postmaster last answered anything; reset with each new one.
    pid_t answered_by_ = 0;
    pid_t warned_of_ = 0;
    Clock::time_point answered_{};
    Clock::time_point slots_advanced_{};
    /// A look has shown this server alive, and none has shown it gone yet.
    bool exit_untold_ = false;
    bool reads_stopped_ = false;

    /// The end of WAL of a stopped server, as of this state of pg_control and of pg_wal.
    struct StoppedEnd {
        timespec control_changed{};
        timespec wal_changed{};
        WalEnd end;
    };
    std::optional<StoppedEnd> stopped_;
};

/// 150020 for "15.20", 180000 for "18beta1".
[[nodiscard]] std::uint32_t version_number(const std::string& text);
/// What is known to be wrong with this minor version, with the remedy; empty: nothing.
[[nodiscard]] std::string version_warning(std::uint32_t version);

}  // namespace pgaf::keeper
