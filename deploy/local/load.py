"""The write load (pgaf-load) against a local cluster, and its checker."""

import contextlib
import json
import os
import pathlib
import subprocess

from . import processes
from .cluster import LOAD_USER
from .errors import LocalError


class Load:
    """Rows go on into one log for all runs, so each check holds the servers to everything that was ever acknowledged."""

    def __init__(self, cluster, log, writers=4, rate=50):
        self.cluster, self.log, self.writers, self.rate = cluster, pathlib.Path(log), writers, rate
        self._process = None
        self._offset = 0
        self._has_user = False

    def _make_user(self):
        """No superuser: sessions that pile up must not take the connections that are reserved for the keeper."""
        if self._has_user:
            return
        primary = self.cluster.wait_for(self._primary, 40, "a primary for the load")
        primary.sql(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{LOAD_USER}') THEN "
            f"CREATE ROLE {LOAD_USER} LOGIN PASSWORD '{self.cluster.password('load')}'; "
            f"GRANT CREATE ON SCHEMA public TO {LOAD_USER}; END IF; END $$"
        )
        self._has_user = True

    def _primary(self):
        with contextlib.suppress(LocalError):
            return self.cluster.primary()
        return None

    def uri(self, nodes=None):
        return self.cluster.uri(nodes, password=False, user=LOAD_USER)

    def _program(self, *words):
        return [*self.cluster.place.enter("clients"), str(self.cluster.programs / "pgaf-load"), *map(str, words)]

    def _environment(self):
        return {**os.environ, "PGPASSFILE": str(self.cluster.passfile)}

    def start(self):
        """Returns when the first rows are acknowledged."""
        self._make_user()
        self._offset = self.log.stat().st_size if self.log.exists() else 0
        self._process = subprocess.Popen(
            self._program("write", "--uri", self.uri(), "--log", self.log,
                          "--writers", self.writers, "--rate", self.rate),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self._environment(),
        )
        self.wait_acknowledged(40)

    def running(self):
        return self._process is not None and self._process.poll() is None

    def _acknowledged_since_last_look(self):
        """Reads on in the log; true when a row was acknowledged in what is new."""
        if not self.log.exists():
            return False
        with open(self.log, "rb") as file:
            file.seek(self._offset)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.startswith(b"A ") or b"\nA " in whole

    def wait_acknowledged(self, limit):
        """Waits until a row is acknowledged from now on."""
        self._acknowledged_since_last_look()

        def look():
            if self._process.poll() is not None:
                raise LocalError(f"the write load ended: {self._process.stderr.read().strip()}")
            return self._acknowledged_since_last_look()

        processes.wait_until(look, limit, "a write to be acknowledged", pause=0.02)

    def stop(self):
        """Ends the load; its summary."""
        self._process.terminate()
        out, err = self._process.communicate(timeout=30)
        code, self._process = self._process.returncode, None
        if code != 0:
            raise LocalError(f"the write load failed: {err.strip()}")
        return json.loads(out)

    def abandon(self):
        """Ends it whatever its state, when something else has failed already."""
        if self.running():
            self._process.kill()
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def check(self, nodes=None, since=None, until=None, limit=30):
        """Holds these nodes (all that run, when none are named) to the log. Returns the checker's report; `ok` says it."""
        words = ["check", "--log", self.log, "--limit", limit]
        nodes = self.cluster.nodes if nodes is None else nodes
        if nodes:
            words += ["--uri", self.uri(nodes)]
        if since is not None:
            words += ["--since-ns", int(since * 1e9)]
        if until is not None:
            words += ["--until-ns", int(until * 1e9)]
        done = subprocess.run(self._program(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=self._environment(), timeout=limit + 120)
        if not done.stdout.strip():
            raise LocalError(f"the checker could not find out: {done.stderr.strip()}")
        return json.loads(done.stdout)
