"""A plain PostgreSQL server of a test's own, without pgaf, and sql/apply run against it."""

import os
import pathlib
import subprocess

from harness import ROOT, free_ports, scratch_folder
from local.account import Account

SUPERUSER_PASSWORD = "super 'secret' % 1"
PRELOAD = "pg_stat_statements,pgaudit"
LIMIT = 60


def programs():
    """The newest server that Debian has put here."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[4]))
    return found[-1].parent


def clean_environment(**more):
    """Without what this machine's user has set for psql or for sql/apply."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "PGAF_SQL_"))}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


class Server:
    def __init__(self):
        self.folder = scratch_folder()
        self.account = Account()
        self.place = self.account.make_folder(self.folder / "server")
        self.data, self.log = self.place / "data", self.place / "log"
        self.port = free_ports(1)
        password = self.place / "password"
        self.account.write(password, SUPERUSER_PASSWORD + "\n")
        self._run("initdb", "-D", self.data, "-U", "postgres", "--pwfile", password, "-A", "scram-sha-256", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            # All that a server can be made to tell of statements: a password must not be found in it.
            file.write(f"port = {self.port}\nunix_socket_directories = ''\nfsync = off\nautovacuum = off\n"
                       "log_statement = all\nlog_min_duration_statement = 0\nlog_parameter_max_length_on_error = -1\n"
                       "log_min_messages = debug1\nlog_line_prefix = '%u@%d '\ndynamic_shared_memory_type = mmap\n")
        self.start()

    def _run(self, program, *words):
        subprocess.run([programs() / program, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, cwd="/", check=True, timeout=LIMIT, **self.account.popen_options())

    def start(self, preload=PRELOAD):
        # pg_ctl's child keeps its outputs, so none of them may be a pipe that somebody waits for.
        subprocess.run([programs() / "pg_ctl", "-w", "-D", self.data, "-l", self.log, "-o",
                        f"-c shared_preload_libraries={preload}", "start"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", check=True, timeout=LIMIT,
                       **self.account.popen_options())

    def stop(self, mode="fast"):
        self._run("pg_ctl", "-w", "-D", self.data, "-m", mode, "stop")

    def uri(self, user="postgres", database="postgres"):
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def logged(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    def psql(self, statements, user="postgres", database="clinic", password=SUPERUSER_PASSWORD):
        """What psql has to say: the finished process, whatever its exit code."""
        return subprocess.run(
            ["psql", "-wXAtq", "-v", "ON_ERROR_STOP=1", "-d", self.uri(user, database)], input=statements,
            capture_output=True, text=True, timeout=LIMIT, env=clean_environment(PGPASSWORD=password))

    def ask(self, statements, **options):
        done = self.psql(statements, **options)
        if done.returncode != 0:
            raise AssertionError(f"{statements}: {done.stderr}")
        return done.stdout.strip()

    def file(self, path, **options):
        return self.ask(path.read_text(encoding="utf-8"), **options)

    def apply(self, *words, program=ROOT / "sql" / "apply", uri=None, password=SUPERUSER_PASSWORD, **environment):
        """sql/apply, run to its end."""
        process = self.begin_apply(*words, program=program, uri=uri, password=password, **environment)
        out, err = process.communicate(timeout=LIMIT)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def begin_apply(self, *words, program=ROOT / "sql" / "apply", uri=None, password=SUPERUSER_PASSWORD, **environment):
        """sql/apply, still at work."""
        return subprocess.Popen(
            [program, "--uri", uri or self.uri(), *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=clean_environment(PGPASSWORD=password, **environment))
