-- Who may do what. Nothing for PUBLIC; groups get privileges, the roles that log in are members of them.

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO clinic_write, clinic_read, clinic_monitoring;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON SCHEMA clinic FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA clinic FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA clinic FROM PUBLIC;

GRANT USAGE ON SCHEMA clinic TO clinic_write, clinic_read;
GRANT SELECT ON ALL TABLES IN SCHEMA clinic TO clinic_read, clinic_write;
-- What is on record of a patient is corrected, not deleted; only an appointment may go away again.
GRANT INSERT, UPDATE ON clinic.patients, clinic.appointments, clinic.encounters, clinic.medications TO clinic_write;
GRANT INSERT ON clinic.observations TO clinic_write;
GRANT DELETE ON clinic.appointments TO clinic_write;

-- The same for what the owner creates later on.
ALTER DEFAULT PRIVILEGES FOR ROLE clinic_owner REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE clinic_owner REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE clinic_owner IN SCHEMA clinic GRANT SELECT ON TABLES TO clinic_read, clinic_write;
ALTER DEFAULT PRIVILEGES FOR ROLE clinic_owner IN SCHEMA clinic GRANT INSERT, UPDATE ON TABLES TO clinic_write;
