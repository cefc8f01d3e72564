#!/usr/bin/python3
"""The monitor's store is lost, or put back to what it was: the cluster goes on as it is (R11). And two monitors on one
store: the one that was overtaken neither writes nor speaks any more (R10)."""

import contextlib
import re
import shutil
import signal
import subprocess
import time
import urllib.request

from harness import LiveCase, free_ports, main


class Store:
    """The files of the monitor's store."""

    def __init__(self, monitor):
        self.path = monitor.folder / "store.db"
        self.beside = monitor.folder / "store.db.life"
        self.lock = monitor.folder / "store.db.lock"
        self.copy = monitor.folder / "backup"

    def parts(self):
        return [self.path, self.path.with_name("store.db-wal"), self.path.with_name("store.db-shm")]

    def lose(self, beside):
        for part in self.parts() + ([self.beside] if beside else []):
            part.unlink(missing_ok=True)

    def back_up(self):
        """Of the store alone, the monitor being stopped: all of it is in one file then."""
        shutil.copy2(self.path, self.copy)

    def put_back(self):
        owner = self.path.stat()
        self.lose(beside=False)
        shutil.copy2(self.copy, self.path)
        shutil.chown(self.path, owner.st_uid, owner.st_gid)


class StoreCase(LiveCase):
    def setUp(self):
        super().setUp()
        self.primary, self.before = self.cluster.primary(), self.state()
        self.store = Store(self.cluster.monitor)

    def postmasters(self):
        return [node.postmaster for node in self.cluster.nodes]

    def assert_nothing_moved(self, postmasters):
        """Same primary, same epoch and timeline, no server has started anew; only the monitor's term is a later one."""
        state = self.state()
        self.assertIs(self.cluster.primary(), self.primary)
        for same in ("epoch", "timeline", "system_id"):
            self.assertEqual(state[same], self.before[same], same)
        self.assertGreater(state["term"], self.before["term"])
        self.assertEqual(self.postmasters(), postmasters)

    def in_doubt(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.cluster.monitor.http_port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        return float(re.search(r"^pgaf_cluster_record_in_doubt\{[^}]*\} (.*)$", text, re.M)[1])

    def wait_rebuilt(self, limit=30):
        self.cluster.wait_for(lambda: self.state().get("has_writable_primary"), limit, "a record that knows its primary")
        self.assertTrue({"record_rebuilt", "record_confirmed"} & {event["kind"] for event in self.events()})


class StoreLost(StoreCase):
    def lose(self, beside):
        postmasters = self.postmasters()
        with self.under_load() as load:
            self.cluster.monitor.stop()
            self.store.lose(beside)
            load.wait_acknowledged(10)
            self.cluster.monitor.start()
            self.wait_rebuilt()
        self.assert_nothing_moved(postmasters)
        self.assertLess(self.report["outage"]["ms"], 2000, "nobody noticed")

    def test_store_lost(self):
        """The file beside it tells that there was one."""
        self.lose(beside=False)

    def test_store_lost_with_the_file_beside_it(self):
        """Only the keepers tell."""
        self.lose(beside=True)

    def test_store_lost_under_a_monitor_that_is_killed(self):
        postmasters = self.postmasters()
        with self.under_load():
            self.cluster.monitor.kill()
            self.store.lose(beside=False)
            self.cluster.monitor.start()
            self.wait_rebuilt()
        self.assert_nothing_moved(postmasters)

    def test_settings_and_priorities_survive(self):
        ctl = self.cluster.ctl
        ctl.do("set", "cluster", "switchover-timeout-ms", "7000")
        ctl.do("set", "node", "candidate-priority", "node3", "7")
        time.sleep(1)
        self.cluster.monitor.stop()
        self.store.lose(beside=True)
        self.cluster.monitor.start()
        self.wait_rebuilt()
        self.cluster.wait_healthy()
        settings = {each["name"]: each["value"] for each in ctl.json("show", "settings")["settings"]}
        self.assertEqual(str(settings["switchover-timeout-ms"]), "7000")
        self.assertEqual(self.status(self.cluster.node("node3"))["candidate_priority"], 7)

    def test_failover_after_the_rebuild(self):
        """The rebuilt record is a record like any other."""
        with self.under_load(90):
            self.cluster.monitor.stop()
            self.store.lose(beside=True)
            self.cluster.monitor.start()
            self.wait_rebuilt()
            self.cluster.wait_healthy()
            self.primary.kill_postmaster()
            self.wait_primary([node for node in self.cluster.nodes if node is not self.primary])

    def test_primary_down_when_the_store_is_lost(self):
        """Its keeper lives and says what it had promised; a standby is elected over the rule that it names."""
        with self.under_load(120):
            self.cluster.monitor.kill()
            self.store.lose(beside=False)
            self.primary.kill_postmaster()
            self.cluster.monitor.start()
            self.wait_rebuilt(60)


class StorePutBack(StoreCase):
    def test_from_before_a_failover(self):
        self.cluster.monitor.stop()
        self.store.back_up()
        self.cluster.monitor.start()
        self.cluster.wait_healthy()
        with self.under_load(90):
            self.primary.kill_postmaster()
            newer = self.wait_primary([node for node in self.cluster.nodes if node is not self.primary])
        self.primary, self.before = newer, self.state()
        postmasters = self.postmasters()
        with self.under_load():
            self.cluster.monitor.stop()
            self.store.put_back()
            self.cluster.monitor.start()
            self.wait_rebuilt()
        self.assert_nothing_moved(postmasters)


class KeeperMissing(StoreCase):
    """A node that is not there is waited for, by its name; an operator's command ends that."""

    def test_one_node_away(self):
        away = self.cluster.standbys()[-1]
        others = [node for node in self.cluster.nodes if node is not away]
        away.kill()
        self.cluster.wait_for(lambda: not self.status(away).get("connected"), 30, f"{away.name} to be missed")
        postmasters = [node.postmaster for node in others]
        self.load.start()
        try:
            self.load.wait_acknowledged(30)
            self.cluster.monitor.stop()
            self.store.lose(beside=True)
            self.cluster.monitor.start()
            self.wait_waiting_for(away)
            self.assertEqual(self.in_doubt(), 1, "what an alert is raised by")
            time.sleep(3)
            self.wait_waiting_for(away)
            self.assertFalse({"record_rebuilt", "failover_started"} & {event["kind"] for event in self.events()})
            self.assertEqual(self.cluster.ctl.run("perform", "switchover").returncode, 1)
            self.assertEqual(self.cluster.ctl.run("perform", "rebuild").returncode, 5, "it wants --yes")
            self.load.wait_acknowledged(10)
            self.cluster.ctl.do("perform", "rebuild", "--yes")
            self.wait_rebuilt()
            self.cluster.wait_for(lambda: self.in_doubt() == 0, 20, "the last promise to end the doubt")
            self.load.wait_acknowledged(10)
            self.load.stop()
        finally:
            self.load.abandon()
        self.assertIs(self.cluster.primary(), self.primary)
        self.assertEqual([node.postmaster for node in others], postmasters)
        # The node comes back, and is a standby again.
        away.start()
        self.cluster.wait_healthy(90)
        self.check()
        self.assertEqual(self.cluster.ctl.run("perform", "rebuild", "--yes").returncode, 1, "nothing to rebuild")


class TwoMonitors(StoreCase):
    def second(self, port):
        """Another monitor process on the same store, elsewhere."""
        monitor = self.cluster.monitor
        config = monitor.folder / "second.toml"
        text = monitor.config.read_text(encoding="utf-8")
        text = text.replace(f":{monitor.port}", f":{port}").replace(f":{monitor.http_port}", f":{port + 1}")
        self.cluster.account.write(config, text)
        return subprocess.Popen([str(self.cluster.programs / "pgaf-monitor"), "run", "--config", str(config)],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                **self.cluster.account.popen_options())

    def test_second_monitor_is_refused(self):
        """The lock decides: as long as the first one lives, frozen or not, nobody takes over by accident."""
        monitor = self.cluster.monitor
        monitor.process.signal(signal.SIGSTOP)
        try:
            second = self.second(free_ports(2))
            said, _ = second.communicate(timeout=20)
        finally:
            monitor.process.signal(signal.SIGCONT)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn("another pgaf-monitor", said)
        self.cluster.wait_healthy()

    def test_frozen_monitor_that_was_overtaken(self):
        """The first one stands still, its lock is removed, a second takes the store: when the first goes on it ends, without
        a decision and without a word to the keepers."""
        monitor = self.cluster.monitor
        first = monitor.pid
        postmasters = self.postmasters()
        term = self.state()["term"]
        monitor.process.signal(signal.SIGSTOP)
        self.store.lock.unlink()
        second = self.second(free_ports(2))
        try:
            time.sleep(2)
            self.assertIsNone(second.poll(), "the second monitor runs")
            monitor.process.signal(signal.SIGCONT)
            self.cluster.wait_for(lambda: monitor.pid is None, 10, f"the overtaken monitor {first} to end")
            words = monitor.process.last_words()
            self.assertIn(f"another monitor has begun term {int(term) + 1}", words)
        finally:
            monitor.process.signal(signal.SIGCONT)
            second.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                second.communicate(timeout=20)
            second.kill()
        monitor.start()
        self.cluster.wait_healthy()
        self.assert_nothing_moved(postmasters)
        self.assertGreaterEqual(int(self.state()["term"]), int(term) + 2)


if __name__ == "__main__":
    main()
