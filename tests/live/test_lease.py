#!/usr/bin/python3
"""R8: a primary that hears neither the monitor nor its standbys, and one whose keeper is dead or frozen. R7: clusters
that fail over when the old primary's lease has run out."""

import contextlib
import signal
import time
import urllib.error
import urllib.request

from harness import LiveCase, Load, LocalError, main

LEASE = 4.0
KEEPER_TIMEOUT = 7.0


def answers(node, path):
    """The code that the keeper's health endpoint answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.http_port}{path}", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def lets_clients_in(node):
    try:
        return node.sql("SELECT 1") == "1"
    except LocalError:
        return False


class LeaseCase(LiveCase):
    settings = {"failover_limit": 1000, "lease_ms": int(LEASE * 1000), "keeper_timeout_ms": int(KEEPER_TIMEOUT * 1000)}

    @contextlib.contextmanager
    def cut_off(self):
        """The monitor is gone and the standbys stand still: the primary hears nobody any more."""
        primary, standbys = self.cluster.primary(), self.cluster.standbys()
        self.cluster.monitor.kill()
        for node in standbys:
            node.freeze()
        try:
            yield primary, standbys
        finally:
            for node in standbys:
                node.thaw()
            self.cluster.monitor.start()

    def wait_for(self, condition, limit, what):
        """Without the cluster's state, which nobody tells while the monitor is gone."""
        until = time.monotonic() + limit
        while not condition():
            if time.monotonic() > until:
                self.fail(f"waited {limit} s for {what}")
            time.sleep(0.05)


class Synchronous(LeaseCase):
    def test_monitor_gone_for_longer_than_the_lease(self):
        """I8: alone it stops nothing and closes nothing."""
        primary, epoch, seq = self.cluster.primary(), self.epoch(), self.last_event()
        postmaster = primary.postmaster
        with self.under_load() as load:
            self.cluster.monitor.kill()
            until = time.monotonic() + 3 * LEASE
            while time.monotonic() < until:
                load.wait_acknowledged(2)
            self.assertEqual(answers(primary, "/primary"), 200)
            self.cluster.monitor.start()
        self.assertLess(self.report["outage"]["ms"], 1000)
        self.assertEqual(primary.postmaster, postmaster)
        self.assertEqual(self.epoch(), epoch)
        self.assertNotIn("self_fenced", self.kinds_since(seq))

    def test_cut_off_from_everybody(self):
        """It closes to clients within the lease, stays up, and opens by itself when a standby answers."""
        epoch, postmaster = self.epoch(), self.cluster.primary().postmaster
        with self.cut_off() as (primary, standbys):
            began = time.monotonic()
            self.assertTrue(lets_clients_in(primary))
            self.wait_for(lambda: not lets_clients_in(primary), LEASE + 4, "the server to be closed to clients")
            closed = time.monotonic() - began
            self.assertGreater(closed, LEASE / 2)
            self.assertEqual(answers(primary, "/primary"), 503)
            self.assertEqual(answers(primary, "/health"), 200)
            time.sleep(1)
            self.assertFalse(lets_clients_in(primary))
            standbys[0].thaw()
            self.wait_for(lambda: lets_clients_in(primary), 20, "the server to open again")
            self.wait_for(lambda: answers(primary, "/primary") == 200, 5, "/primary to say so")
        with self.under_load():
            pass
        self.assertEqual(primary.postmaster, postmaster)
        self.assertEqual(self.epoch(), epoch)
        self.assertIn("closed to clients", self.events("self_fenced")[-1]["message"])
        print(f"    closed {closed:.1f} s after monitor and standbys were gone (lease {LEASE:.0f} s)", flush=True)

    def test_sessions_end_with_the_lease(self):
        """A session that was there before reads nothing stale: it is ended."""
        with self.cut_off() as (primary, _):
            with self.assertRaisesRegex(LocalError, "terminating connection due to administrator command"):
                primary.sql("SELECT pg_sleep(60)", timeout=50)
        self.cluster.wait_healthy(60)

    def test_keeper_frozen_for_longer_than_it_may_be(self):
        """The launcher stops PostgreSQL, and a standby takes over."""
        old, seq = self.cluster.primary(), self.last_event()
        with self.under_load():
            old.keeper.signal(signal.SIGSTOP)
            began = time.monotonic()
            try:
                self.wait_primary([node for node in self.cluster.nodes if node is not old], 40)
            finally:
                taken = time.monotonic() - began
                old.keeper.signal(signal.SIGCONT)
        self.assertGreater(taken, KEEPER_TIMEOUT - 1.5)
        self.assertIn("event=deadline_expired", old.launcher.log_file.read_text(encoding="utf-8"))
        self.assertTrue(any("launcher" in event["message"] for event in self.events("self_fenced")
                            if int(event["seq"]) > seq), self.events("self_fenced"))

    def test_keeper_restarted_in_time(self):
        """It renews what the launcher holds: nothing happens to PostgreSQL."""
        primary, epoch = self.cluster.primary(), self.epoch()
        postmaster = primary.postmaster
        with self.under_load():
            for _ in range(2):
                primary.keeper.kill()
                time.sleep(KEEPER_TIMEOUT * 0.6)
                primary.keeper.start()
                time.sleep(1.5)
            time.sleep(KEEPER_TIMEOUT)
        self.assertEqual(primary.postmaster, postmaster)
        self.assertEqual(self.epoch(), epoch)


class Asynchronous(LeaseCase):
    """R7: commits wait for nobody; a failover waits for the old primary's lease."""

    size = 3
    settings = {**LeaseCase.settings, "asynchronous": True}
    # What the monitor waits for after the last fence: 5 % for the clocks' rates, 1 s for the stop.
    wait = LEASE * 1.05 + 1.0

    def test_node_lost(self):
        old, seq = self.cluster.primary(), self.last_event()
        load = Load(self.cluster, self.folder / "lost.log")
        load.start()
        try:
            began = time.monotonic()
            old.kill()
            new = self.wait_primary([node for node in self.cluster.nodes if node is not old], 60)
            taken = time.monotonic() - began
            load.wait_acknowledged(20)
            load.stop()
        finally:
            load.abandon()
        self.assertGreater(taken, self.wait)
        said = [event for event in self.events("loss_possible") if int(event["seq"]) > seq]
        self.assertEqual(len(said), 1, said)
        self.assertRegex(said[0]["message"], r"bytes\) may be lost|has all of node\d's WAL that is known of")
        old.start()
        self.cluster.wait_healthy(90)
        report = load.check(since=began)
        self.assertEqual(report["violations"], 0, report)
        # Every row is a small record of WAL: the limit is far beyond what a heartbeat can hold.
        self.assertLess(report["lost"], 200, report)
        self.assertIs(self.cluster.primary(), new)
        print(f"    taken over after {taken:.1f} s, {report['lost']} rows lost of {report['acknowledged']}: "
              f"{said[0]['message']}", flush=True)

    def test_postmaster_killed(self):
        """The old primary is at hand: nothing is lost, and nobody waits for a lease."""
        primary = self.cluster.primary()
        before = self.last_event()
        with self.under_load():
            primary.kill_postmaster()
        since = [event for event in self.events() if int(event["seq"]) > before]
        self.assertIn("failover_started", [event["kind"] for event in since])
        self.assertFalse([event for event in since if "lease" in event["message"] + event["evidence"]], since)

    def test_monitor_gone_for_longer_than_the_lease(self):
        """I8: every standby answers, so the primary goes on."""
        primary, postmaster = self.cluster.primary(), self.cluster.primary().postmaster
        with self.under_load() as load:
            self.cluster.monitor.kill()
            until = time.monotonic() + 3 * LEASE
            while time.monotonic() < until:
                load.wait_acknowledged(2)
            self.cluster.monitor.start()
        self.assertEqual(primary.postmaster, postmaster)

    def test_cut_off_from_everybody(self):
        """It stops within the lease, and starts by the monitor's word alone."""
        with self.cut_off() as (primary, standbys):
            began = time.monotonic()
            self.wait_for(lambda: primary.postmaster is None, LEASE + 3, "the server to be stopped")
            stopped = time.monotonic() - began
            for node in standbys:
                node.thaw()
            time.sleep(LEASE + 1)
            self.assertIsNone(primary.postmaster)
        self.cluster.wait_healthy(90)
        self.assertTrue(any("stopped" in event["message"] for event in self.events("self_fenced")))
        with self.under_load():
            pass
        print(f"    stopped {stopped:.1f} s after monitor and standbys were gone (lease {LEASE:.0f} s)", flush=True)

    def test_keeper_frozen(self):
        """The launcher stops PostgreSQL at the end of the lease, not after keeper_timeout; no two acknowledge at once."""
        old = self.cluster.primary()
        load = Load(self.cluster, self.folder / "frozen.log")
        load.start()
        try:
            began = time.monotonic()
            old.keeper.signal(signal.SIGSTOP)
            try:
                self.wait_for(lambda: old.postmaster is None, LEASE + 2, "the launcher to stop the server")
                stopped = time.monotonic() - began
                self.wait_primary([node for node in self.cluster.nodes if node is not old], 60)
                load.wait_acknowledged(30)
            finally:
                old.keeper.signal(signal.SIGCONT)
            self.cluster.wait_healthy(90)
            load.stop()
        finally:
            load.abandon()
        report = load.check(since=began)
        self.assertEqual(report["violations"], 0, report)
        self.assertLess(report["lost"], 200, report)
        self.assertLess(stopped, LEASE + 1)


if __name__ == "__main__":
    main()
