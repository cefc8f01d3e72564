-- Rows of each table of the clinic. The same on all nodes, once standbys have replayed what the primary has.
SELECT 'providers' AS table_name, count(*) AS rows FROM clinic.providers
UNION ALL SELECT 'patients', count(*) FROM clinic.patients
UNION ALL SELECT 'appointments', count(*) FROM clinic.appointments
UNION ALL SELECT 'encounters', count(*) FROM clinic.encounters
UNION ALL SELECT 'observations', count(*) FROM clinic.observations
UNION ALL SELECT 'medications', count(*) FROM clinic.medications
 ORDER BY table_name;
