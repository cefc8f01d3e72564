-- The twenty statements that took most time in all, where pg_stat_statements is loaded; else nothing.
SELECT to_regclass('public.pg_stat_statements') IS NOT NULL AS has_statements \gset
\if :has_statements
SELECT r.rolname, d.datname, s.calls, round(s.total_exec_time) AS total_ms, round(s.mean_exec_time::numeric, 2) AS mean_ms, s.rows,
       round(100.0 * s.shared_blks_hit / nullif(s.shared_blks_hit + s.shared_blks_read, 0), 1) AS hit_percent,
       left(regexp_replace(s.query, '\s+', ' ', 'g'), 100) AS query
  FROM public.pg_stat_statements AS s
  LEFT JOIN pg_roles AS r ON r.oid = s.userid
  LEFT JOIN pg_database AS d ON d.oid = s.dbid
 ORDER BY s.total_exec_time DESC
 LIMIT 20;
\else
\echo pg_stat_statements is not loaded or not created in this database
\endif
