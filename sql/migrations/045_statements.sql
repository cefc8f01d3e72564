-- requires preload: pg_stat_statements
-- Statistics of statements, for queries/top_statements.sql.

CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
GRANT USAGE ON SCHEMA public TO clinic_monitoring;
