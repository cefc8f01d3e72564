#!/usr/bin/python3
"""sql/: applied once and the same everywhere, least privilege, audit lines, no password in any log, queries that run."""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import subprocess
import unittest
import urllib.parse

from harness import ROOT, main, processes
from sql_server import SUPERUSER_PASSWORD, Server, clean_environment

SQL = ROOT / "sql"
QUERIES = sorted((SQL / "queries").glob("*.sql"))
DIGEST = SQL / "queries" / "sample_digest.sql"
PASSWORDS = {"clinic_app": "app % secret 'one'", "clinic_report": "report secret two", "clinic_monitoring": "monitoring-3"}
# What sample_digest.sql says of 200 patients, on every machine. It changes when the sample data is changed on purpose.
EXPECTED = """\
appointments|800|32884dd80fa49f208f8b1c14b64cc34a
encounters|379|df9a158c35d5f887e8d8ad488a7bf658
medications|179|40c0ec3de10745ba581cecfac41fbafa
observations|1497|540ec655edc0788683a292d9d00b0a84
patients|200|e20a368de8a1eb826be9039b38291919
providers|5|7efa80c1889d32d2ec53ad74c5b9521c"""

# Statements of each role that have to work, and that have to be refused with these words.
GOOD = {
    "clinic_app": [
        "INSERT INTO patients (record_number, family_name, given_name, birth_date, sex, postal_code)"
        " VALUES ('P90000001', 'New', 'Nora', '1990-01-01', 'female', '12345')",
        "UPDATE patients SET phone = '+99912345678' WHERE record_number = 'P90000001'",
        "INSERT INTO appointments (patient_id, provider_id, starts_at, ends_at)"
        " VALUES (1, 1, '2030-01-01 10:00Z', '2030-01-01 10:30Z')",
        "DELETE FROM appointments WHERE starts_at = '2030-01-01 10:00Z'",
        "SELECT count(*) FROM open_appointments",
    ],
    "clinic_report": ["SELECT count(*) FROM observations", "SELECT count(*) FROM open_appointments"],
    "clinic_monitoring": ["SELECT count(*) FROM pg_stat_activity WHERE query IS NOT NULL", "SELECT count(*) FROM pg_stat_statements",
                          "SELECT count(*) FROM pg_ls_waldir()"],
}
BAD = {
    "clinic_app": [
        ("DELETE FROM patients", "permission denied for table patients"),
        ("DELETE FROM medications", "permission denied for table medications"),
        ("UPDATE observations SET value = 1", "permission denied for table observations"),
        ("TRUNCATE appointments", "permission denied for table appointments"),
        ("DROP TABLE appointments", "must be owner of table appointments"),
        ("CREATE TABLE clinic.mine (x int)", "permission denied for schema clinic"),
        ("CREATE TABLE public.mine (x int)", "permission denied for schema public"),
        ("CREATE TEMPORARY TABLE mine (x int)", "permission denied to create temporary tables"),
        ("SELECT * FROM pgaf_sql.applied", "permission denied for schema pgaf_sql"),
        ("SET ROLE clinic_owner", 'permission denied to set role "clinic_owner"'),
        ("SET pgaudit.log = 'none'", 'permission denied to set parameter "pgaudit.log"'),
        ("CREATE ROLE mine", "permission denied to create role"),
        ("SELECT rolpassword FROM pg_authid", "permission denied for table pg_authid"),
        ("COPY patients TO PROGRAM 'cat'", "pg_execute_server_program"),
        ("SELECT clinic.touch()", "permission denied for function touch"),
    ],
    "clinic_report": [
        ("SET default_transaction_read_only = off; UPDATE patients SET phone = NULL", "permission denied for table patients"),
        ("SET default_transaction_read_only = off; INSERT INTO providers DEFAULT VALUES", "permission denied for table providers"),
        ("UPDATE patients SET phone = NULL", "read-only transaction"),
        ("SET ROLE clinic_write", 'permission denied to set role "clinic_write"'),
        ("SET pgaudit.role = ''", 'permission denied to set parameter "pgaudit.role"'),
    ],
    "clinic_monitoring": [
        ("SELECT count(*) FROM clinic.patients", "permission denied for schema clinic"),
        ("SELECT pg_reload_conf()", "permission denied for function pg_reload_conf"),
        ("SET default_transaction_read_only = off; CREATE TABLE public.mine (x int)", "permission denied for schema public"),
    ],
}


class Sql(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.end)
        secret = cls.server.folder / "report-password"
        secret.write_text(PASSWORDS["clinic_report"] + "\n", encoding="utf-8")
        # The superuser's password in the URI this time, and not where psql would find it.
        uri = cls.server.uri().replace("postgres@", f"postgres:{urllib.parse.quote(SUPERUSER_PASSWORD)}@")
        cls.first = cls.server.apply(
            "--patients", 200, "--require-audit", uri=uri, password="", PGAF_SQL_APP_PASSWORD=PASSWORDS["clinic_app"],
            PGAF_SQL_REPORT_PASSWORD_FILE=str(secret), PGAF_SQL_MONITORING_PASSWORD=PASSWORDS["clinic_monitoring"])
        cls.digest_at_first = cls.server.file(DIGEST)

    @classmethod
    def end(cls):
        cls.server.stop("immediate")
        shutil.rmtree(cls.server.folder, ignore_errors=True)

    def succeed(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def as_role(self, role, statements):
        return self.server.psql(statements, user=role, password=PASSWORDS[role])

    # ---- applying it ----------------------------------------------------------------------------------------------

    def test_applied_and_the_same_everywhere(self):
        self.succeed(self.first)
        self.assertEqual(self.first.stderr, "")
        self.assertIn("900_sample applied", self.first.stdout)
        self.assertEqual(self.digest_at_first, EXPECTED)

    def test_again_changes_nothing(self):
        next_transaction = "SELECT pg_snapshot_xmax(pg_current_snapshot())"
        before = self.server.ask(next_transaction)
        done = self.succeed(self.server.apply("--patients", 200))
        self.assertEqual(self.server.ask(next_transaction), before, "a second run must not write anything")
        self.assertEqual(done.stderr, "")
        self.assertNotIn("applied", done.stdout)
        other = self.succeed(self.server.apply("--patients", 300))
        self.assertIn("loaded with patients=200 and stays so", other.stderr)

    def test_two_at_once(self):
        """One of them finds it done. What either of them shows in the list of processes is no secret."""
        runs = [self.server.begin_apply("--database", "twice", "--patients", 200,
                                        uri=self.server.uri() + "?connect_timeout=9") for _ in range(2)]
        shown = set()
        while any(run.poll() is None for run in runs):
            for pid in processes.descendants(os.getpid()):
                try:
                    shown.add(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
                except OSError:
                    pass
        outputs = [run.communicate() for run in runs]
        self.assertEqual([run.returncode for run in runs], [0, 0], outputs)
        for version in ("010_roles", "020_schema", "900_sample"):
            said = "".join(out for out, _ in outputs)
            self.assertEqual((said.count(f"{version} applied"), said.count(f"{version} is there already")), (1, 1), said)
        self.assertEqual(self.server.file(DIGEST, database="twice"), EXPECTED)
        self.assertTrue(any("psql" in words for words in shown))
        self.assertFalse([words for words in shown if "secret" in words])

    def test_a_password_in_the_connection_string_is_no_argument_of_psql(self):
        encoded = urllib.parse.quote(SUPERUSER_PASSWORD, safe="")
        quoted = SUPERUSER_PASSWORD.replace("'", "\\'")
        for uri in (self.server.uri().replace("@", f":{encoded}@"), f"{self.server.uri()}?password={encoded}",
                    f"{self.server.uri()}?connect_timeout=9&password={encoded}&sslmode=prefer",
                    f"password = '{quoted}' host=127.0.0.1 port={self.server.port} user=postgres"):
            run = self.server.begin_apply("--patients", 200, uri=uri, password="")
            shown = set()
            while run.poll() is None:
                for pid in processes.descendants(run.pid):
                    with contextlib.suppress(OSError):
                        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                        if "/sql/apply" not in words:  # whose own words are its caller's business
                            shown.add(words)
            out, err = run.communicate()
            self.assertEqual(run.returncode, 0, out + err)
            self.assertTrue(any("psql" in words for words in shown))
            self.assertFalse([words for words in shown if "secret" in words], uri)

    def test_server_lost_in_the_middle(self):
        """As in a failover: what was begun is gone, and is begun again."""
        run = self.server.begin_apply("--database", "middle", "--patients", 4000)
        processes.wait_until(lambda: self.server.ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'middle' AND query ~ 'INSERT INTO (appointments|observations)'",
            database="postgres") != "0", 30, lambda: "sample data to be loaded", 0.01)
        self.server.stop("immediate")
        self.server.start()
        out, err = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 0, out + err)
        self.assertIn("900_sample: the connection was lost; beginning it again", err)
        self.assertEqual(self.server.ask("SELECT count(*) FROM clinic.patients", database="middle"), "4000")
        self.assertEqual(self.server.ask("SELECT min(encounter_id) > 0, max(patient_id) FROM clinic.encounters",
                                         database="middle"), "t|4000")

    def test_changed_file_is_refused(self):
        copy = self.server.folder / "sql"
        shutil.copytree(SQL, copy)
        with open(copy / "migrations" / "030_privileges.sql", "a", encoding="utf-8") as file:
            file.write("GRANT ALL ON clinic.patients TO PUBLIC;\n")
        done = self.server.apply(program=copy / "apply")
        self.assertEqual(done.returncode, 1)
        self.assertIn("030_privileges was applied with other contents", done.stderr)
        # A new one that fails is not kept in part.
        shutil.copy(SQL / "migrations" / "030_privileges.sql", copy / "migrations")
        (copy / "migrations" / "950_more.sql").write_text("CREATE TABLE clinic.half (x int);\nSELECT 1 / 0;\n", encoding="utf-8")
        done = self.server.apply(program=copy / "apply")
        self.assertEqual(done.returncode, 1)
        self.assertIn("division by zero", done.stderr)
        self.assertEqual(self.server.ask("SELECT to_regclass('clinic.half') IS NULL"), "t")

    def test_sample_only_into_an_empty_clinic(self):
        self.succeed(self.server.apply("--database", "filled", "--no-sample"))
        self.assertEqual(self.server.ask("SELECT count(*) FROM clinic.patients", database="filled"), "0")
        self.server.ask("INSERT INTO clinic.providers (licence, family_name, given_name, specialty)"
                        " VALUES ('L0000001', 'A', 'B', 'general')", database="filled")
        done = self.server.apply("--database", "filled")
        self.assertEqual(done.returncode, 1)
        self.assertIn("sample data goes into an empty one", done.stderr)

    def test_what_can_not_be_done_is_said(self):
        closed = f"postgresql://postgres@127.0.0.1:{self.server.port + 1 if self.server.port < 65000 else 1}/postgres"
        for code, words, done in (
            (2, "--patients must be between", self.server.apply("--patients", "many")),
            (2, "unknown argument --all", self.server.apply("--all")),
            (2, "must be one of the application's own", self.server.apply("--database", "postgres")),
            (3, "no primary that takes writes within 1 s", self.server.apply("--timeout", 1, uri=closed)),
            (3, "password authentication failed", self.server.apply(password="wrong")),
            (1, "is no superuser", self.server.apply(uri=self.server.uri("clinic_app", "clinic"), password=PASSWORDS["clinic_app"])),
        ):
            self.assertEqual(done.returncode, code, done)
            self.assertIn(words, done.stderr)
        usage = subprocess.run([SQL / "apply", "--help"], capture_output=True, text=True, env=clean_environment())
        self.assertEqual((usage.returncode, usage.stderr), (0, ""))
        self.assertIn("--patients N", usage.stdout)

    def test_without_the_libraries_first(self):
        """Audit is left out and said, and comes with the next run after the server has the library."""
        self.server.stop()
        self.server.start(preload="")
        try:
            refused = self.server.apply("--database", "unaudited", "--require-audit", "--patients", 10)
            warned = self.server.apply("--database", "unaudited", "--patients", 10)
        finally:
            self.server.stop()
            self.server.start()
        self.assertEqual(refused.returncode, 1)
        self.assertIn("pgaudit is not in shared_preload_libraries", refused.stderr)
        self.assertIn("040_audit left out", self.succeed(warned).stderr)
        self.assertIn("900_sample applied", warned.stdout)
        done = self.succeed(self.server.apply("--database", "unaudited", "--require-audit", "--patients", 10))
        self.assertIn("040_audit applied", done.stdout)
        self.assertNotIn("900_sample applied", done.stdout)

    # ---- who may do what ------------------------------------------------------------------------------------------

    def test_roles_can_what_they_should(self):
        for role, statements in GOOD.items():
            done = self.as_role(role, "BEGIN; SET LOCAL TimeZone = 'UTC';" + ";".join(statements) + "; ROLLBACK")
            self.assertEqual(done.returncode, 0, f"{role}: {done.stderr}")

    def test_roles_can_not_what_they_should_not(self):
        tried = [(role, statement, words) for role, list_of_role in BAD.items() for statement, words in list_of_role]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda each: self.as_role(each[0], each[1]), tried))
        for (role, statement, words), done in zip(tried, answers):
            self.assertNotEqual(done.returncode, 0, f"{role} was let do: {statement}")
            self.assertIn(words, done.stderr, f"{role}: {statement}")

    def test_new_tables_have_the_same_privileges(self):
        """What the owner creates later on: default privileges."""
        self.server.ask("SET ROLE clinic_owner; CREATE TABLE clinic.later (x int); CREATE FUNCTION clinic.f() RETURNS int"
                        " LANGUAGE sql AS 'SELECT 1'")
        try:
            self.assertEqual(self.as_role("clinic_app", "INSERT INTO clinic.later VALUES (1)").returncode, 0)
            self.assertEqual(self.as_role("clinic_report", "SELECT * FROM clinic.later").stdout, "1\n")
            self.assertIn("permission denied", self.as_role("clinic_app", "DELETE FROM clinic.later").stderr)
            self.assertIn("permission denied", self.as_role("clinic_report", "SELECT clinic.f()").stderr)
        finally:
            self.server.ask("DROP TABLE clinic.later; DROP FUNCTION clinic.f()")

    def test_nothing_for_others(self):
        self.server.ask("CREATE ROLE stranger LOGIN PASSWORD 'a stranger'", database="postgres")
        done = self.server.psql("SELECT 1", user="stranger", password="a stranger")
        self.assertIn('permission denied for database "clinic"', done.stderr)
        self.assertEqual(self.server.ask(
            "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'clinic%' AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication"
            " OR rolbypassrls)"), "0")

    def test_tables_refuse_what_makes_no_sense(self):
        for statement, words in (
            ("INSERT INTO appointments (patient_id, provider_id, starts_at, ends_at) SELECT 1, provider_id, starts_at, ends_at"
             " FROM appointments WHERE status = 'done' LIMIT 1", "appointments_provider_free"),
            ("INSERT INTO observations (encounter_id, patient_id, code, value, unit, observed_at) SELECT encounter_id, patient_id % 200 + 1,"
             " 'pulse', 60, 'bpm', now() FROM encounters LIMIT 1", "foreign key"),
            ("UPDATE patients SET birth_date = '1800-01-01' WHERE patient_id = 1", "patients_birth_date_check"),
            ("INSERT INTO encounters (patient_id, provider_id, kind, started_at) VALUES (1, 1, 'party', now())", "kind_check"),
        ):
            done = self.as_role("clinic_app", statement)
            self.assertIn(words, done.stderr, statement)

    # ---- passwords and audit --------------------------------------------------------------------------------------

    def test_passwords_are_nowhere(self):
        log = self.server.logged()
        self.assertIn("statement: BEGIN", log, "the server is to log all that it can")
        self.assertNotIn("SCRAM-SHA-256$", log)
        for secret in (*PASSWORDS.values(), SUPERUSER_PASSWORD):
            self.assertNotIn(secret, log)
        self.assertEqual(self.server.ask("SELECT count(*) FROM pg_stat_statements WHERE query ~* 'clinic_[a-z]+ password' OR query ~ 'SCRAM'"), "0")
        self.assertEqual(self.server.ask("SELECT count(*) FROM pg_authid WHERE rolname LIKE 'clinic%' AND rolpassword ~ '^SCRAM-'"), "3")
        self.assertIn("password authentication failed", self.server.psql("SELECT 1", user="clinic_app", password="wrong").stderr)

    def test_passwords_are_changed_on_demand(self):
        old = PASSWORDS["clinic_report"]
        self.succeed(self.server.apply("--no-sample", PGAF_SQL_REPORT_PASSWORD="another secret"))
        self.assertEqual(self.as_role("clinic_report", "SELECT 1").stdout, "1\n")
        self.succeed(self.server.apply("--no-sample", "--set-passwords", PGAF_SQL_REPORT_PASSWORD="another secret"))
        self.assertIn("authentication failed", self.as_role("clinic_report", "SELECT 1").stderr)
        self.succeed(self.server.apply("--no-sample", "--set-passwords", PGAF_SQL_REPORT_PASSWORD=old))
        self.assertEqual(self.as_role("clinic_report", "SELECT 1").stdout, "1\n")
        self.assertNotIn("another secret", self.server.logged())

    def audited(self, role, statements, database="clinic"):
        """The lines of the audit log that these statements of a role have left."""
        before = len(self.server.logged())
        done = self.as_role(role, statements) if role in PASSWORDS else self.server.psql(statements)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [line.partition("AUDIT: ")[2] for line in self.server.logged()[before:].splitlines()
                if line.startswith(f"{role}@{database} LOG:  AUDIT: ")]

    def test_audit(self):
        lines = self.audited("clinic_app", "UPDATE medications SET dose = dose WHERE medication_id = -1")
        self.assertEqual([line for line in lines if "WRITE,UPDATE" in line and "medications" in line], lines)
        self.assertEqual(len(lines), 1)
        for role in ("clinic_report", "clinic_app", "postgres"):
            lines = self.audited(role, "SELECT count(*) FROM clinic.patients")
            self.assertEqual(len(lines), 1, lines)
            self.assertIn("READ,SELECT,TABLE,clinic.patients", lines[0])
            self.assertEqual(self.audited(role, "SELECT count(*) FROM clinic.providers"), [])
        # Through a view as well.
        self.assertTrue(self.audited("clinic_report", "SELECT count(*) FROM clinic.open_appointments"))
        # Whoever it is who changes roles or structures; without the password.
        lines = self.audited("postgres", "CREATE ROLE audited PASSWORD 'never shown'; CREATE TABLE public.audited (x int);"
                                         " DROP TABLE public.audited; DROP ROLE audited")
        self.assertTrue(any("ROLE,CREATE ROLE" in line for line in lines), lines)
        self.assertTrue(any("DDL,CREATE TABLE" in line for line in lines), lines)
        self.assertFalse([line for line in lines if "never shown" in line])

    # ---- queries --------------------------------------------------------------------------------------------------

    def test_queries_run(self):
        self.assertGreater(len(QUERIES), 10)
        for query in QUERIES:
            text = query.read_text(encoding="utf-8")
            self.assertTrue(text.startswith("-- "), f"{query.name} does not say what it answers")
            with self.subTest(query.name):
                self.server.ask(text)
                if "clinic." not in text and "pgaudit" not in text:
                    done = self.as_role("clinic_monitoring", text)
                    self.assertEqual(done.returncode, 0, f"{query.name} as clinic_monitoring: {done.stderr}")

    def test_digest_sees_a_change(self):
        change = "UPDATE clinic.observations SET value = value + 0.01 WHERE observation_id = (SELECT max(observation_id) FROM clinic.observations);"
        changed = self.server.ask("BEGIN;" + change + DIGEST.read_text(encoding="utf-8") + "ROLLBACK;")
        before = self.server.file(DIGEST)
        differ = [line for line in changed.splitlines() if line not in before.splitlines()]
        self.assertEqual([line.split("|")[0] for line in differ], ["observations"])

    def test_locks_and_long_transactions_are_found(self):
        """Not only that they run: a session that blocks another is named, one that is open too long is shown."""
        words = ["psql", "-wXAtq", "-d", self.server.uri(database="clinic")]
        environment = clean_environment(PGPASSWORD=SUPERUSER_PASSWORD)
        holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        waiter = None
        try:
            holder.stdin.write("BEGIN; LOCK TABLE clinic.medications; SELECT pg_backend_pid();\n")
            holder.stdin.flush()
            pid = holder.stdout.readline().strip()
            waiter = subprocess.Popen(words + ["-c", "SELECT count(*) FROM clinic.medications"], stdout=subprocess.PIPE,
                                      text=True, env=environment)
            row = processes.wait_until(lambda: self.server.file(SQL / "queries" / "locks.sql"), 10, lambda: "a wait to be shown", 0.05)
            self.assertEqual(row.split("|")[4], pid)
            processes.wait_until(lambda: pid in self.server.file(SQL / "queries" / "long_transactions.sql").split("|"), 15,
                                 lambda: "the long transaction to be shown", 0.2)
        finally:
            holder.communicate("ROLLBACK;\n", timeout=20)
            if waiter:
                waiter.communicate(timeout=20)


if __name__ == "__main__":
    main()
