"""Rows written through the multi-host URI by pgaf-load, which logs what was acknowledged, and its checker."""

import json
import subprocess

from engine import EngineError, wait_until


class Writes:
    def __init__(self, stack):
        self.stack = stack
        self.program = str(stack.programs / "pgaf-load")
        self.log = stack.engine.folder / "load.log"
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            [self.program, "write", "--uri", self.stack.uri(), "--log", str(self.log), "--writers", "4", "--rate", "50"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self.stack.client_environment())
        self.wait_acknowledged()

    def wait_acknowledged(self, limit=60):
        """Until a row is acknowledged from now on."""
        offset = self.log.stat().st_size if self.log.exists() else 0

        def look():
            if self._process.poll() is not None:
                raise EngineError(f"the write load ended: {self._process.stderr.read().strip()}")
            if not self.log.exists():
                return False
            with open(self.log, "rb") as file:
                file.seek(offset)
                return any(line.startswith(b"A ") for line in file.read().split(b"\n")[1:-1])
        wait_until(look, limit, "a write to be acknowledged", pause=0.02)

    def stop(self):
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        _, err = process.communicate(timeout=60)
        if process.returncode != 0:
            raise EngineError(f"the write load failed: {err.strip()}")

    def check(self):
        """Holds all nodes to the log."""
        done = subprocess.run([self.program, "check", "--log", str(self.log), "--limit", "30", "--uri", self.stack.uri()],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.stack.client_environment(),
                              check=False, timeout=180)
        if not done.stdout.strip():
            raise EngineError(f"the checker could not find out: {done.stderr.strip()}")
        return json.loads(done.stdout)
