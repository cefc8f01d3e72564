-- Three statements that leave a line in the audit log where pgaudit is loaded (and change nothing). Then, on the node where
-- this ran: grep AUDIT: in PostgreSQL's log. The fields after the statement's numbers: class, command, kind, what, statement.
BEGIN READ ONLY;
-- AUDIT: OBJECT,...,READ,SELECT,TABLE,clinic.patients: whoever reads patients.
SELECT count(*) AS patients FROM clinic.patients;
-- The same through a view: open_appointments reads patients.
SELECT count(*) AS open_appointments FROM clinic.open_appointments;
-- Logged as what was asked for, not as what was found.
SELECT count(*) AS named_so FROM clinic.patients WHERE family_name = 'Ismont';
ROLLBACK;
