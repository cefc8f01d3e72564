-- Replication slots, and the WAL that each one keeps on this server's disk. pgaf makes one for each other node (they are
-- not active on standbys, and that is right). One that keeps ever more belongs to a node that is gone.
SELECT slot_name, slot_type, active, wal_status, restart_lsn,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                       restart_lsn) AS kept_bytes
  FROM pg_replication_slots
 ORDER BY kept_bytes DESC NULLS LAST, slot_name;
