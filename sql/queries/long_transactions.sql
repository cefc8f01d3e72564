-- Transactions that have been open for longer than five seconds. One that waits with SyncRep has its commit done on this
-- server and waits for standbys; one that is idle in transaction has a client that went away or forgot it.
SELECT pid, datname, usename, application_name, client_addr, state, wait_event_type, wait_event,
       now() - xact_start AS open_for, now() - state_change AS in_this_state, left(query, 80) AS query
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND xact_start < now() - interval '5 seconds'
 ORDER BY xact_start;
