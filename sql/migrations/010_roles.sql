-- Roles, least privilege: two groups that privileges are given to, three roles that log in, one that owns and one that
-- marks what is audited. Roles belong to the whole cluster: those that another database has brought are taken as they are.
-- No passwords here: sql/apply sets them, and no role that has none can log in by password.

SELECT format('CREATE ROLE %I %s', name, attributes)
  FROM (VALUES ('clinic_owner', 'NOLOGIN'),
               ('clinic_write', 'NOLOGIN'),
               ('clinic_read', 'NOLOGIN'),
               ('clinic_auditor', 'NOLOGIN'),
               ('clinic_app', 'LOGIN CONNECTION LIMIT 60 IN ROLE clinic_write'),
               ('clinic_report', 'LOGIN CONNECTION LIMIT 20 IN ROLE clinic_read'),
               ('clinic_monitoring', 'LOGIN CONNECTION LIMIT 5 IN ROLE pg_monitor')) AS wanted (name, attributes)
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

COMMENT ON ROLE clinic_owner IS 'Owns everything of the clinic; nobody logs in as it.';
COMMENT ON ROLE clinic_write IS 'May read and write what the application needs.';
COMMENT ON ROLE clinic_read IS 'May read the clinic''s tables.';
COMMENT ON ROLE clinic_auditor IS 'What this role may do is what pgaudit logs of everybody; nobody logs in as it.';
COMMENT ON ROLE clinic_app IS 'The application.';
COMMENT ON ROLE clinic_report IS 'Reports, read-only.';
COMMENT ON ROLE clinic_monitoring IS 'Exporters of metrics: statistics, no data.';

-- A session that forgot its transaction holds up vacuum, and the standbys' replay where they are read.
ALTER ROLE clinic_app SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE clinic_app SET statement_timeout = '30s';
ALTER ROLE clinic_app SET lock_timeout = '10s';
ALTER ROLE clinic_app SET search_path = clinic;
-- Commits of the application are within pgaf's promise, whatever the server's default is.
ALTER ROLE clinic_app SET synchronous_commit = 'on';
ALTER ROLE clinic_report SET default_transaction_read_only = on;
ALTER ROLE clinic_report SET idle_in_transaction_session_timeout = '5min';
ALTER ROLE clinic_report SET statement_timeout = '5min';
ALTER ROLE clinic_report SET search_path = clinic;
ALTER ROLE clinic_monitoring SET default_transaction_read_only = on;
ALTER ROLE clinic_monitoring SET statement_timeout = '10s';
