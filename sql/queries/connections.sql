-- Connections by user, program, database and state, beside how many there may be.
SELECT usename, application_name, datname, state, count(*) AS connections, max(now() - state_change) AS longest_in_this_state,
       current_setting('max_connections')::int AS max_connections
  FROM pg_stat_activity
 WHERE backend_type = 'client backend'
 GROUP BY usename, application_name, datname, state
 ORDER BY connections DESC, usename, application_name, datname, state;
