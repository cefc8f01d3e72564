-- requires preload: pgaudit
-- The audit log: lines that begin with AUDIT: in PostgreSQL's own log, on the node where the statement ran. They hold the
-- text of statements, so they hold what clients write into it: protect the log as you protect the data.

CREATE EXTENSION IF NOT EXISTS pgaudit;

-- What the application changes, and who changes structures or roles, whoever that is.
ALTER ROLE clinic_app IN DATABASE :"database" SET pgaudit.log = 'write, ddl, role';
ALTER ROLE clinic_report IN DATABASE :"database" SET pgaudit.log = 'write, ddl, role';
ALTER DATABASE :"database" SET pgaudit.log = 'ddl, role';
-- Queries of the catalogue, as psql and drivers make them, tell nothing.
ALTER DATABASE :"database" SET pgaudit.log_catalog = off;

-- Reads of patients, by anybody, on the primary and on the standbys: what the auditor may do is logged of all.
GRANT USAGE ON SCHEMA clinic TO clinic_auditor;
GRANT SELECT ON clinic.patients TO clinic_auditor;
ALTER DATABASE :"database" SET pgaudit.role = 'clinic_auditor';
