"""Asks the monitor by pgafctl, the way an operator does."""

import json
import os
import subprocess

from .errors import LocalError


class Ctl:
    def __init__(self, cluster):
        self.cluster = cluster

    def run(self, *words, timeout=60, cluster=None):
        """Runs one command; returns the finished process."""
        environment = {**os.environ, "PGAF_MONITOR": f"{self.cluster.monitor.address}:{self.cluster.monitor.port}", "NO_COLOR": "1"}
        return subprocess.run(
            [*self.cluster.place.enter("monitor"), str(self.cluster.programs / "pgafctl"), "--cluster", cluster or self.cluster.name, *map(str, words)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env=environment,
        )

    def do(self, *words, timeout=60):
        """Runs a command that has to succeed; returns what it printed."""
        done = self.run(*words, timeout=timeout)
        if done.returncode != 0:
            said = (done.stderr.strip() + "\n" + done.stdout.strip()).strip()
            raise LocalError(f"pgafctl {' '.join(map(str, words))} ended with {done.returncode}: {said}")
        return done.stdout

    def json(self, *words):
        return json.loads(self.do(*words, "-o", "json"))

    def state(self):
        """The cluster's state, or None while the monitor can't be asked or knows no such cluster yet."""
        done = self.run("show", "state", "-o", "json", timeout=20)
        return json.loads(done.stdout) if done.returncode == 0 else None
