"""The loads from the clients' namespace, and the checkers that hold the servers to what they were told.

The set: rows that are inserted once. The values: registers that are only ever set to larger numbers, and accounts whose
sum stays the same. Half of the sessions find the primary through the multi-host URI, half through the keepers' HTTP ports.
"""

import json
import subprocess

import paths  # noqa: F401
from local import Load, LocalError, processes

# An answer that was given in time may be under way for long: the network is slow, a machine was frozen. Requests that
# were sent after a newer primary had acknowledged count in any case.
LATE_MS = 60_000


class Workload(Load):
    """The set, from which the outages are measured, and the values beside it."""

    def __init__(self, world):
        super().__init__(world.cluster, world.folder / "load.log", writers=4, rate=25)
        self.world = world
        self.value_log = world.folder / "values.log"
        self._values = None

    def _http(self):
        return ",".join(f"{node.address}:{node.http_port}" for node in self.cluster.nodes)

    def _program(self, *words):
        if words[0] in ("write", "values"):
            words += ("--http", self._http())
        if words[0] == "check":
            words += ("--late-ms", LATE_MS)
        return super()._program(*words)

    def start(self):
        """Returns when both loads have been acknowledged something."""
        super().start()
        size = self.value_log.stat().st_size if self.value_log.exists() else 0
        with open(self.world.folder / "values.err", "ab") as errors:
            self._values = subprocess.Popen(
                self._program("values", "--uri", self.uri(), "--log", self.value_log, "--rate", 10),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=self._environment())

        def look():
            if self._values.poll() is not None:
                raise LocalError(f"the load of values ended: {self.world.folder / 'values.err'}")
            return self.value_log.exists() and self.value_log.stat().st_size > size + 100

        processes.wait_until(look, 60, "a register to be set")

    def stop(self):
        self._values.terminate()
        code = self._values.wait(60)
        if code != 0:
            raise LocalError(f"the load of values ended with {code}: {self.world.folder / 'values.err'}")
        return super().stop()

    def abandon(self):
        if self._values is not None and self._values.poll() is None:
            self._values.kill()
            self._values.wait()
        super().abandon()

    def outages(self, longer=1.0):
        """(seconds, when it began) of each time without an acknowledged row that was longer than so many seconds."""
        found, last = [], None
        with open(self.log, encoding="utf-8", errors="replace") as log:
            for line in log:
                words = line.split(" ", 2)
                if words[0] == "B":
                    last = None
                elif words[0] in ("A", "E") and len(words) > 1:
                    at = int(words[1]) / 1e9
                    if last is not None and at - last > longer:
                        found.append((at - last, last))
                    last = at if words[0] == "A" else last
        return found

    def check(self, nodes=None, since=None, until=None, limit=180, stale_limit_ms=-1, slacks=()):
        """Ends the loads, looks, and begins them again. The set's report, with that of the values in it."""
        self.stop()
        report = self.look(nodes, since, until, limit, stale_limit_ms, slacks=slacks)
        self.start()
        return report

    def look(self, nodes=None, since=None, until=None, limit=180, stale_limit_ms=-1, stale_since=0, slacks=()):
        """As check(), while no load runs. `stale_...`: how old reads from a replaced server may be, that were sent since
        (by time.monotonic()); negative: as old as they like. `slacks`: (from, to, seconds) in which they may be older."""
        report = super().check(nodes, since, until, limit)
        by_hand = [f"--by-hand={node.address}:{node.port},{int(first * 1e9)},{int(last * 1e9)}"
                   for node, first, last in self.world.by_hand]
        allowed = [f"--stale-allow={int(first * 1e9)},{int(last * 1e9)},{int(seconds * 1e3)}" for first, last, seconds in slacks]
        done = subprocess.run(
            self._program("check-values", "--log", self.value_log, "--uri", self.uri(),
                          "--stale-limit-ms", stale_limit_ms, "--stale-since-ns", int(stale_since * 1e9), "--limit", limit,
                          *by_hand, *allowed),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self._environment(), timeout=limit + 120)
        if not done.stdout.strip():
            raise LocalError(f"the checker of values could not find out: {done.stderr.strip()}")
        report["values"] = json.loads(done.stdout)
        report["ok"] = report["ok"] and report["values"]["ok"]
        return report
