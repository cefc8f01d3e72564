-- Of 100 blocks that were asked for, how many were in shared_buffers; and what else a database has been through since its
-- statistics were reset. Below 95 for a database that is read a lot: shared_buffers is small for it.
SELECT datname, blks_hit + blks_read AS blocks_asked_for,
       round(100.0 * blks_hit / nullif(blks_hit + blks_read, 0), 1) AS hit_percent,
       xact_commit, xact_rollback, deadlocks, conflicts, temp_files, pg_size_pretty(temp_bytes) AS temp_bytes, stats_reset
  FROM pg_stat_database
 WHERE datname IS NOT NULL AND datname NOT LIKE 'template%'
 ORDER BY blocks_asked_for DESC, datname;
