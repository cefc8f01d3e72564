-- What is audited of whom: settings of roles and databases, and the tables whose every read or write is logged because the
-- role in pgaudit.role may do it. No rows: nothing is audited.
SELECT 'setting' AS kind, coalesce(r.rolname, 'everybody') AS of_whom, coalesce(d.datname, 'every database') AS in_database, setting AS what
  FROM pg_db_role_setting AS s
  LEFT JOIN pg_roles AS r ON r.oid = s.setrole
  LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
 CROSS JOIN LATERAL unnest(s.setconfig) AS setting
 WHERE setting LIKE 'pgaudit.%'
UNION ALL
SELECT 'table', 'everybody', current_database(), lower(a.privilege_type) || ' of ' || c.oid::regclass
  FROM pg_class AS c
 CROSS JOIN LATERAL aclexplode(c.relacl) AS a
  JOIN pg_roles AS r ON r.oid = a.grantee
 WHERE r.rolname = nullif(current_setting('pgaudit.role', true), '')
 ORDER BY kind, of_whom, what;
