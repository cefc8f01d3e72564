-- The twenty biggest tables of this database, with indexes and all, and when they were last cleaned.
SELECT schemaname || '.' || relname AS table_name, pg_size_pretty(pg_total_relation_size(relid)) AS with_all,
       pg_size_pretty(pg_relation_size(relid)) AS rows_only, pg_size_pretty(pg_indexes_size(relid)) AS indexes,
       n_live_tup AS live_rows, n_dead_tup AS dead_rows, seq_scan, idx_scan,
       greatest(last_vacuum, last_autovacuum) AS vacuumed, greatest(last_analyze, last_autoanalyze) AS analyzed
  FROM pg_stat_user_tables
 ORDER BY pg_total_relation_size(relid) DESC, table_name
 LIMIT 20;
