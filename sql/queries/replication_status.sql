-- Who replicates from this server, how far each one is, and whether commits wait for it. Run it on the primary; a standby
-- shows the standbys that replicate from it, mostly none. Names of nodes are in application_name: pgaf_CLUSTER_NODE_ID.
SELECT application_name, client_addr, state, sync_state, sent_lsn, flush_lsn, replay_lsn,
       pg_wal_lsn_diff(sent_lsn, replay_lsn) AS not_replayed_bytes, write_lag, flush_lag, replay_lag, reply_time
  FROM pg_stat_replication
 ORDER BY application_name;
