-- How far this server is behind: on a standby what it has received and not replayed, and how old the last commit is that
-- it has replayed (grows on an idle cluster, too, where there is no commit); on the primary nothing of that.
SELECT pg_is_in_recovery() AS standby,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_flush_lsn() END AS wal_end,
       pg_last_wal_replay_lsn() AS replayed,
       CASE WHEN pg_is_in_recovery()
            THEN pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) END AS not_replayed_bytes,
       now() - pg_last_xact_replay_timestamp() AS last_commit_age,
       (SELECT status FROM pg_stat_wal_receiver) AS receiver,
       (SELECT sender_host || ':' || sender_port FROM pg_stat_wal_receiver) AS upstream,
       CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END AS replay_paused;
