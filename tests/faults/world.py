"""One run: a cluster in a network of its own with a disk for each node, the loads, what was injected, and the verdict."""

import collections
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import paths  # noqa: F401
from local import Cluster, LocalError, processes
from local.cluster import summary

import disks
import staleness
from network import Network
from workload import Workload

# How long a cluster may take to be healthy again by itself, in seconds. Much more than it takes: the machine is shared.
HEALTHY_LIMIT = 180
# A namespace has all ports to itself.
FIRST_PORT = 6000


class Failed(Exception):
    """The cluster did not do what it promises."""


def new_folder(parent):
    folder = tempfile.mkdtemp(prefix="pgaf-faults-", dir=parent)
    os.chmod(folder, 0o755)
    return pathlib.Path(folder)


class World:
    def __init__(self, seed, size=3, parent="/var/tmp", settings=None):
        self.seed, self.size = seed, size
        self.random = random.Random(seed)
        self.folder = new_folder(parent)
        self.network = Network()
        self.injected = collections.Counter()
        # Of these, how often the fault itself did not take place.
        self.missed = collections.Counter()
        # (name, from, to) of each injection, by time.monotonic().
        self.harms = []
        # (from, to, seconds): reads from a replaced server may be as old as that meanwhile (staleness.py).
        self.slacks = []
        self.notes = []
        # (node, from, to): somebody has promoted it past the cluster, and whoever reads there is told anything.
        self.by_hand = []
        # Whether only one harm is done at a time, to a cluster that was well (see nemesis.py).
        self.alone = False
        self._primary = None
        self.began = time.monotonic()
        self.reports = []
        self._lock = threading.Lock()
        self._history = open(self.folder / "history.log", "w", encoding="utf-8")
        self._cleaner = subprocess.Popen(
            [sys.executable, "-B", str(pathlib.Path(__file__).with_name("cleaner.py")), str(self.folder),
             self.network.identity],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, text=True)
        # A run may fail over as often as it likes: R15's limit has a test of its own.
        self.settings = {"failover_limit": 1000, **(settings or {})}
        self.cluster = self.disks = self.load = None

    # ---- beginning and end ----------------------------------------------------------------------------------------

    def make(self):
        names = [f"node{number + 1}" for number in range(self.size)]
        self.network.make(["monitor", "clients", *names])
        self.cluster = Cluster(self.folder / "c", FIRST_PORT, settings=self.settings, place=self.network)
        self.disks = {name: self._disk(name) for name in names}
        self.cluster.make(self.size)
        self.cluster.start()
        self.cluster.wait_up(240)
        self.load = Workload(self)
        self.load.start()
        self.say("the cluster is up")

    def _disk(self, name):
        """Mounted before the node is made, for its data folder alone: logs and the keeper's state lie elsewhere."""
        account = self.cluster.account
        account.make_folder(self.cluster.folder / name)
        mount_point = account.make_folder(self.cluster.folder / name / "disk")
        disk = disks.Disk(self.folder / f"{name}.disk", mount_point)
        disk.make()
        disk.mount()
        disk.own(account)
        return disk

    def end(self, keep=False):
        """Clears away everything; only the logs may stay."""
        if self.load is not None:
            self.load.abandon()
        for disk in (self.disks or {}).values():
            disks.thaw(disk.mount_point)
        if self.cluster is not None:
            if keep:
                self._keep_words()
            self.cluster.kill()
        for disk in (self.disks or {}).values():
            disk.remove()
        self.network.remove()
        self._history.close()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._cleaner.communicate("keep" if keep else "done")

    def _keep_words(self):
        """What the monitor says, beside the logs."""
        for what in ("state", "events"):
            words = ("show", what, *(("--limit", 5000) if what == "events" else ()), "-o", "json")
            try:
                (self.folder / f"{what}.json").write_text(self.cluster.ctl.run(*words).stdout, encoding="utf-8")
            except (OSError, subprocess.SubprocessError) as wrong:
                self.say(f"{what} can't be asked for: {wrong}")

    # ---- what happens ---------------------------------------------------------------------------------------------

    def say(self, text):
        line = f"{time.monotonic() - self.began:8.2f}  {time.strftime('%H:%M:%S', time.gmtime())}  {text}"
        with self._lock:
            print(line, flush=True)
            print(line, file=self._history, flush=True)

    def node(self, name):
        return self.cluster.node(name)

    def primary(self):
        """The last one known, when other harm keeps the monitor from naming one now."""
        try:
            self._primary = self.cluster.primary()
        except (LocalError, subprocess.TimeoutExpired):
            if self.alone:
                raise
        return self._primary or self.cluster.nodes[0]

    def standbys(self):
        primary = self.primary()
        return [node for node in self.cluster.nodes if node is not primary]

    def trouble(self, text):
        """What does not come while other harm is done may have good reasons."""
        return Failed(text) if self.alone else LocalError(text)

    def took_place(self, name, happened, what):
        """A nemesis says whether its fault was there: without it, that all was well says nothing. In a mix other harm may be in
        its way, so that it is counted, and no more."""
        if happened:
            return
        if self.alone:
            raise Failed(f"{name} has not done its harm: {what}")
        self.missed[name] += 1
        self.say(f"{name}: has not done its harm: {what}")

    def epoch(self):
        return (self.cluster.state() or {}).get("epoch", 0)

    def pause(self, seconds):
        """Harm goes on for a while. No test depends on how long it really is."""
        time.sleep(seconds)

    def wait_acknowledged(self, limit, what):
        """Writes must go on: all that is required is that some are acknowledged from now on."""
        began = time.monotonic()
        try:
            self.load.wait_acknowledged(limit)
        except LocalError as wrong:
            raise self.trouble(f"{what}: no write was acknowledged in {limit:g} s ({wrong}); the cluster: "
                               f"{summary(self.cluster.state())}") from None
        return time.monotonic() - began

    def log_end(self, log=None):
        """Where that log ends now, or the monitor's, for wait_event() and comes()."""
        return (log or self.cluster.monitor.process.log_file).stat().st_size

    def comes(self, pattern, since, limit, log=None):
        """Whether that log (the monitor's) has a line that matches after that place, or gets one; within milliseconds of it."""
        def look():
            with open(log or self.cluster.monitor.process.log_file, "rb") as file:
                file.seek(since)
                return re.search(pattern.encode(), file.read())

        with contextlib.suppress(LocalError):
            return processes.wait_until(look, limit, pattern, 0.003) is not None
        return False

    def event_comes(self, kind, since, limit, node=None):
        return self.comes(rf" event={kind} cluster=\S+ node={node.name if node else ''}", since, limit)

    def wait_event(self, kind, since, limit=60, node=None):
        """Returns within milliseconds of the monitor's logging an event of this kind, after that place of its log."""
        if not self.event_comes(kind, since, limit, node):
            raise self.trouble(f"waited {limit:g} s for: event {kind}; the cluster: {summary(self.cluster.state())}")

    def wait_other_primary(self, old, limit=60):
        def look():
            state = self.cluster.state() or {}
            found = [each["name"] for each in state.get("nodes", []) if each["primary"] and each["name"] != old.name]
            return self.node(found[0]) if found and state.get("has_writable_primary") else None

        try:
            return self.cluster.wait_for(look, limit, f"another primary than {old.name}")
        except LocalError as wrong:
            raise self.trouble(str(wrong)) from None

    def wait_failover(self, epoch, limit=120):
        """A primary of a later epoch: another one, or the old one when it is back in time and has WAL that nobody else
        has (R4, second form)."""
        def look():
            state = self.cluster.state() or {}
            return state.get("epoch", 0) > epoch and state.get("has_writable_primary")

        try:
            self.cluster.wait_for(look, limit, f"a primary of a later epoch than {epoch}")
        except LocalError as wrong:
            raise self.trouble(str(wrong)) from None

    # ---- after the harm -------------------------------------------------------------------------------------------

    def heal(self):
        """Ends all harm that may still be done, whoever has done it."""
        self.network.mend_all()
        for name, disk in self.disks.items():
            if disk.state == "read-only":
                self.node(name).kill()
            disk.mend()
        for node in self.cluster.nodes:
            node.thaw()
        self.cluster.monitor.process.signal(18)  # SIGCONT
        self.cluster.monitor.start()
        for node in self.cluster.nodes:
            node.start()

    def settle(self):
        """Healthy again, and writing, without an operator (I6, I9)."""
        began = time.monotonic()
        try:
            self.cluster.wait_healthy(HEALTHY_LIMIT)
        except LocalError as wrong:
            raise Failed(f"not healthy by itself: {wrong}") from None
        try:
            self.load.wait_acknowledged(60)
        except LocalError as wrong:
            raise Failed(f"healthy, but no write is acknowledged: {wrong}") from None
        return time.monotonic() - began

    def check(self):
        """Stops the loads, holds all servers to their log (I1, I2, I5, I7), and goes on. Raises when anything is wrong."""
        report = self.load.check(stale_limit_ms=staleness.TIGHT * 1000, slacks=self.slacks)
        self.reports.append(report)
        if not report["ok"]:
            raise Failed(f"the checker found: {json.dumps(report, indent=2)}")
        return report

    def check_stale(self, since):
        """No server that was replaced has shown, since then, what was older than its lease allows (R8, I7)."""
        self.load.stop()
        report = self.load.look(stale_limit_ms=staleness.TIGHT * 1000, stale_since=since)["values"]
        self.load.start()
        if not report["ok"]:
            raise Failed(f"the checker of values found: {json.dumps(report['first_violations'], indent=2)}")
        self.say(f"{report['stale_reads']} reads from a replaced server, the oldest {report['oldest_stale_ms'] / 1000:.1f} s")

    def verdict(self):
        report = self.reports[-1] if self.reports else {}
        lines = [f"seed {self.seed}, {time.monotonic() - self.began:.0f} s",
                 "injected: " + (", ".join(f"{name} {count}" for name, count in sorted(self.injected.items())) or "nothing")]
        if self.missed:
            lines.append("of these the fault itself did not take place: "
                         + ", ".join(f"{name} {count}" for name, count in sorted(self.missed.items())))
        values = report.get("values", {})
        if report:
            lines.append(f"rows: {report['acknowledged']} acknowledged, {report['unknown']} unknown, {report['failed']} "
                         f"refused, {report['lost']} lost, {report['violations']} violations")
            lines.append(f"values: {values['acknowledged']} registers set, {values['transfers']} transfers, "
                         f"{values['reads']} reads, {values['unknown']} unknown, {values['failed']} refused, "
                         f"{values['violations']} violations; {values['stale_reads']} reads from a replaced server, the "
                         f"oldest {values['oldest_stale_ms'] / 1000:.1f} s")
        outages = sorted(self.load.outages(), reverse=True) if self.load else []
        lines.append(f"times without an acknowledged row longer than 1 s: {len(outages)}")
        for seconds, began in outages[:5]:
            meanwhile = [name for name, first, last in self.harms if first <= began + seconds and last >= began]
            lines.append(f"  {seconds:.1f} s from {began - self.began:.1f} on, during: {', '.join(meanwhile) or 'nothing'}")
        return "\n".join(lines + self.notes)
