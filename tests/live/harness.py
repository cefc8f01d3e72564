"""What every live test needs: a cluster of its own on free ports, a write load around each event, and the checker.

Each scenario ends with the same three questions: is a row lost, did two servers acknowledge at once, is the cluster
healthy again? A scenario that fails leaves its logs behind and says where; the next one gets a new cluster.
"""

import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy"))

from local import Cluster, Load, LocalError, processes  # noqa: E402
from local.cluster import port_is_free, summary  # noqa: E402

import sanitizers  # noqa: E402

__all__ = ["Cluster", "Load", "LocalError", "LiveCase", "ROOT", "free_ports", "main", "processes", "scratch_folder",
           "summary"]


def free_ports(count):
    """The first of so many free ports in a row, below those that the system gives to clients."""
    for _ in range(200):
        first = random.randrange(20000, 32000 - count)
        if all(port_is_free(port) for port in range(first, first + count)):
            return first
    raise LocalError(f"found no {count} free ports in a row on 127.0.0.1")


_guards = {}


def scratch_folder():
    """A new empty folder that user postgres can get into. It goes with this test, even if somebody kills the test."""
    folder = tempfile.mkdtemp(prefix="pgaf-live-", dir="/var/tmp")
    os.chmod(folder, 0o755)
    _guards[folder] = subprocess.Popen(
        [sys.executable, "-B", str(pathlib.Path(__file__).with_name("guard.py")), folder], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, text=True)
    return pathlib.Path(folder)


def keep(folder):
    """The folder is to stay when this test has ended."""
    _guards[str(folder)].communicate("keep")


class LiveCase(unittest.TestCase):
    """One cluster for all scenarios of a class."""

    size = 3
    # A scenario may fail over as often as it likes (R15's limit has a test of its own).
    settings = {"failover_limit": 1000}
    # PostgreSQL's own, beside those of every local cluster.
    parameters = None
    cluster = None
    broken = False

    @classmethod
    def make_cluster(cls):
        cls.folder = scratch_folder()
        cls.cluster = Cluster(cls.folder / "c", free_ports(24), settings=cls.settings, parameters=cls.parameters)
        cls.cluster.make(cls.size)
        cls.cluster.start()
        cls.cluster.wait_up()
        cls.load = Load(cls.cluster, cls.folder / "load.log")
        cls.broken = False

    @classmethod
    def end_cluster(cls, keep_logs=False):
        if cls.cluster is None:
            return
        if keep_logs:
            cls.show_logs()
        cls.cluster.kill()
        for node in cls.cluster.nodes:
            shutil.rmtree(node.data, ignore_errors=True)
        if keep_logs:
            keep(cls.folder)
            print(f"logs are kept in {cls.folder}", flush=True)
        else:
            shutil.rmtree(cls.folder, ignore_errors=True)
        cls.cluster = None

    @classmethod
    def tearDownClass(cls):
        cls.end_cluster(keep_logs=cls.broken)

    def setUp(self):
        cls = type(self)
        if cls.cluster is None or cls.broken:
            cls.end_cluster(keep_logs=cls.broken)
            try:
                cls.make_cluster()
            except BaseException:
                cls.broken = True
                raise
        self.began = time.monotonic()

    def run(self, result=None):
        troubles = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > troubles:
            type(self).broken = True

    # ---- around an event ------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def under_load(self, limit=60):
        """Runs the block under a write load; afterwards the cluster must be healthy, take writes and have lost nothing."""
        try:
            self.load.start()
            yield self.load
            self.cluster.wait_healthy(limit)
            self.load.wait_acknowledged(30)
            self.load.stop()
        finally:
            self.load.abandon()
        self.report = self.check()
        print(f"  {self._testMethodName}: {time.monotonic() - self.began:.1f} s, outage "
              f"{self.report['outage']['ms']:.0f} ms, {self.report['acknowledged']} rows acknowledged in all, "
              f"{self.report['unknown']} unknown, {self.report['lost']} lost", flush=True)

    def check(self, nodes=None):
        report = self.load.check(nodes, since=self.began)
        self.assertEqual(report["lost"], 0, report)
        self.assertEqual(report["violations"], 0, report)
        self.assertEqual(report["primaries"], 1, report)
        self.assertGreater(report["acknowledged"], 0, report)
        return report

    # ---- what is so -----------------------------------------------------------------------------------------------

    def state(self):
        return self.cluster.state() or {}

    def epoch(self):
        return self.state().get("epoch")

    def status(self, node):
        for each in self.state().get("nodes", []):
            if each["name"] == node.name:
                return each
        return {}

    def wait_primary(self, nodes, limit=30):
        """Waits until one of these nodes is the writable primary, and returns it."""
        names = {node.name for node in nodes}

        def look():
            state = self.state()
            if not state.get("has_writable_primary"):
                return None
            found = [each["name"] for each in state["nodes"] if each["primary"] and each["name"] in names]
            return self.cluster.node(found[0]) if found else None

        return self.cluster.wait_for(look, limit, f"one of {', '.join(sorted(names))} to be the primary")

    def wait_waiting_for(self, *nodes, limit=30):
        """Waits until the cluster says that it waits for one of these nodes, by its name (R12)."""
        def look():
            waiting = self.state().get("waiting", "")
            return any(node.name in waiting for node in nodes)

        self.cluster.wait_for(look, limit, f"the cluster to wait for {' or '.join(node.name for node in nodes)}")

    def events(self, kind=None):
        """The oldest first."""
        found = self.cluster.ctl.json("show", "events", "--limit", 2000)["events"]
        return [event for event in sorted(found, key=lambda event: int(event["seq"])) if kind is None or event["kind"] == kind]

    def last_event(self):
        return max((int(event["seq"]) for event in self.events()), default=0)

    def kinds_since(self, seq):
        return [event["kind"] for event in self.events() if int(event["seq"]) > seq]

    def messages_since(self, seq, kind, node=None):
        return [event["message"] for event in self.events(kind)
                if int(event["seq"]) > seq and (not node or event["node"] == node.name)]

    def rebuilt_since(self, seq, node):
        return self.messages_since(seq, "node_rebuilt", node)

    # ---- replication that stands still ----------------------------------------------------------------------------

    @staticmethod
    def stop_receiver(node):
        """Its WAL receiver stands still: it gets and confirms nothing more, while its server and keeper go on."""
        found = node.server_process("walreceiver")
        if not found:
            raise LocalError(f"{node.name} has no WAL receiver")
        for pid in found:
            processes.send(pid, signal.SIGSTOP)

    @staticmethod
    def end_receiver(node):
        """What lies in the socket of a receiver that stood still is not to be written when it goes on."""
        for pid in node.server_process("walreceiver"):
            processes.send(pid, signal.SIGTERM)
            processes.send(pid, signal.SIGCONT)

    def wait_replayed(self, node, place):
        self.cluster.wait_for(lambda: node.sql(f"SELECT pg_last_wal_replay_lsn() >= '{place}'") == "t", 20,
                              f"{node.name} to have replayed {place}")

    @classmethod
    def show_logs(cls):
        """What one needs to find out why a scenario failed."""
        with contextlib.suppress(Exception):
            print(cls.cluster.ctl.run("show", "state").stdout)
            print(cls.cluster.ctl.run("show", "events").stdout)
        logs = [cls.cluster.monitor.process.log_file]
        for node in cls.cluster.nodes:
            logs += sorted((node.folder / "log").glob("*"))
        for log in logs:
            print(f"---- {log}")
            with contextlib.suppress(OSError):
                print("\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]))
        sys.stdout.flush()


def main():
    """Runs the file's scenarios. A sanitizer's report from any process fails the run, also when no scenario noticed it."""
    folder = scratch_folder()
    sanitizers.collect(folder)
    passed = unittest.main(verbosity=2, failfast=False, exit=False).result.wasSuccessful()
    found = sanitizers.reports(folder)
    for name, text in found:
        print(f"---- a sanitizer's {name}\n{text}")
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(f"FAILED: {len(found)} reports of sanitizers, above" if found else not passed)
