-- Who waits for a lock, since when, and whose sessions are in the way.
SELECT waits.pid, waits.usename, now() - waits.query_start AS waiting, left(waits.query, 60) AS waiting_query,
       blocks.pid AS blocked_by, blocks.usename AS blocked_by_user, blocks.state AS blocked_by_state,
       now() - blocks.xact_start AS blocking_transaction, left(blocks.query, 60) AS blocking_query
  FROM pg_stat_activity AS waits
  CROSS JOIN LATERAL unnest(pg_blocking_pids(waits.pid)) AS blocker (pid)
  LEFT JOIN pg_stat_activity AS blocks ON blocks.pid = blocker.pid
 WHERE waits.wait_event_type = 'Lock'
 ORDER BY waiting DESC, waits.pid;
