// How the keeper gets its PostgresControl for a real PostgreSQL behind a real launcher. Knows nothing of goals, of the
// monitor or of configuration sources: the caller fills in plain values.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/ids.h"
#include "common/log.h"
#include "keeper/postgres/postgres_control.h"

namespace pgaf::keeper {

/// What the operator's configuration says of the local PostgreSQL. Folders are absolute.
struct PostgresConfig {
    ClusterName cluster;
    NodeName node;
    std::string data_dir;
    /// Beside the data folder, never in it: half-made data folders are marked here, WAL is kept aside here, and
    /// PostgreSQL reads the password file of its upstream from here. Created (0700) when it is missing.
    std::string state_dir;
    std::string launcher_socket;

    /// Where PostgreSQL listens: its port, and the value of listen_addresses.
    std::uint16_t port = 5432;
    std::string listen = "*";
    /// PostgreSQL's Unix socket; empty: the state folder. At most 107 bytes with the socket's name.
    std::string socket_dir;

    std::string superuser = "postgres";
    /// Given to it when the cluster is made, in a file (one line, mode 0600) or as text; both empty: it has no password
    /// and comes in by the Unix socket alone.
    std::string superuser_password_file;
    std::string superuser_password;
    /// Of pgaf_replicator, the same on all nodes: a file as above or a text, exactly one of them.
    std::string replication_password_file;
    std::string replication_password;

    /// pg_hba.conf lines for clients; left out while the server is closed to them (R8, R9).
    std::vector<std::string> hba;
    /// Where the other nodes' keepers and servers come from, for pg_hba.conf; empty: exactly from their hosts.
    std::vector<std::string> peer_networks;
    /// PostgreSQL settings of the user; those that the cluster owns are refused (owned_settings() in settings.h).
    std::map<std::string, std::string> parameters;

    /// What wal_sender_timeout and wal_receiver_timeout follow.
    Millis node_timeout{2500};
    /// No query answered, or no new session given, for this long although the postmaster lives: PgStatus::stuck. Its
    /// own, longer limit (detection, evidence 4): a slow query is never a reason to fail over.
    Millis stuck_limit{10000};
    /// A write of the disk probe that has not ended after this is one that the disk does not take (detection, evidence
    /// 5). At least 3 s: a look at the probe may count for 2 s, and a disk that is only busy takes a second to sync.
    Millis disk_limit{5000};
    /// A proof (R3) that takes longer is told as an error that names what is missing, and is tried again.
    Millis proof_limit{10000};
    /// Bounds the WAL that is kept aside, over all times it was (R12): the oldest goes first.
    std::uint64_t kept_wal_bytes = std::uint64_t{1} << 30;

    Log log;
};

/// Whether the configuration can work: passwords readable and 0600, socket path short enough, no owned or unsafe
/// setting among the parameters. For --check-config and for the start.
[[nodiscard]] Result<> check_postgres_config(const PostgresConfig& config);

/// `strand` is the keeper's one strand; the control connects to the launcher by itself, and reconnects for ever.
[[nodiscard]] std::unique_ptr<PostgresControl> make_postgres_control(PostgresConfig config,
                                                                     boost::asio::any_io_executor strand);

}  // namespace pgaf::keeper
