#!/usr/bin/python3
"""The monitor comes and goes, and whole clusters stop and start in any order."""

import signal
import time

from harness import LiveCase, main


class MonitorGone(LiveCase):
    def setUp(self):
        super().setUp()
        self.primary, self.before = self.cluster.primary(), self.epoch()

    def assert_nothing_moved(self, postmasters):
        self.assertIs(self.cluster.primary(), self.primary)
        self.assertEqual(self.epoch(), self.before)
        self.assertEqual([node.postmaster for node in self.cluster.nodes], postmasters)

    def postmasters(self):
        return [node.postmaster for node in self.cluster.nodes]

    def test_monitor_restarted(self):
        postmasters = self.postmasters()
        with self.under_load():
            self.cluster.monitor.stop()
            self.cluster.monitor.start()
        self.assert_nothing_moved(postmasters)

    def test_monitor_killed_and_away_for_a_while(self):
        """The database serves on (I8)."""
        postmasters = self.postmasters()
        with self.under_load() as load:
            self.cluster.monitor.kill()
            for _ in range(4):
                time.sleep(2)
                load.wait_acknowledged(2)
            self.cluster.monitor.start()
        self.assert_nothing_moved(postmasters)
        self.assertLess(self.report["outage"]["ms"], 2000, "nobody noticed")

    def test_monitor_frozen_and_thawed(self):
        """What it did not hear while it stood still is not the nodes' silence."""
        postmasters = self.postmasters()
        with self.under_load() as load:
            self.cluster.monitor.process.signal(signal.SIGSTOP)
            try:
                time.sleep(6)
                load.wait_acknowledged(5)
            finally:
                self.cluster.monitor.process.signal(signal.SIGCONT)
            self.cluster.wait_for(self.state, 20, "the monitor to answer")
        self.assert_nothing_moved(postmasters)

    def test_postmaster_killed_while_the_monitor_is_away(self):
        """Nobody can fail over: the server starts again in place, in the same epoch (R9)."""
        with self.under_load() as load:
            self.cluster.monitor.kill()
            time.sleep(1)
            self.primary.kill_postmaster()
            load.wait_acknowledged(30)
            self.cluster.monitor.start()
        self.assertIs(self.cluster.primary(), self.primary)
        self.assertEqual(self.epoch(), self.before)

    def test_primary_lost_while_the_monitor_is_away(self):
        """Nothing can be decided until the monitor is back; then it is."""
        with self.under_load(90):
            self.cluster.monitor.kill()
            self.primary.kill()
            time.sleep(2)
            self.cluster.monitor.start()
            self.wait_primary([node for node in self.cluster.nodes if node is not self.primary], 60)
            self.primary.start()

    def test_standby_restarted_while_the_monitor_is_away(self):
        standby = self.cluster.standbys()[0]
        with self.under_load(90) as load:
            self.cluster.monitor.kill()
            standby.kill()
            standby.start()
            time.sleep(2)
            load.wait_acknowledged(10)
            self.cluster.monitor.start()
        self.assertIs(self.cluster.primary(), self.primary)


class WholeCluster(LiveCase):
    """Everything is killed under load at once, and started again in some order."""

    def kill_all_and(self, start):
        with self.under_load(120):
            self.cluster.kill()
            time.sleep(0.5)
            start()

    def test_monitor_first(self):
        def start():
            self.cluster.monitor.start()
            time.sleep(1)
            for node in self.cluster.nodes:
                node.start()

        self.kill_all_and(start)

    def test_nodes_first(self):
        def start():
            for node in self.cluster.nodes:
                node.start()
            time.sleep(4)
            self.cluster.monitor.start()

        self.kill_all_and(start)

    def test_primary_last(self):
        primary = self.cluster.primary()

        def start():
            self.cluster.monitor.start()
            for node in self.cluster.nodes:
                if node is not primary:
                    node.start()
            time.sleep(3)
            primary.start()

        self.kill_all_and(start)

    def test_primary_never(self):
        """The others wait for it a while, then go on without it; when it comes it is a standby."""
        primary = self.cluster.primary()
        others = [node for node in self.cluster.nodes if node is not primary]

        def start():
            self.cluster.monitor.start()
            for node in others:
                node.start()
            self.wait_primary(others, 60)
            primary.start()

        self.kill_all_and(start)
        self.assertIsNot(self.cluster.primary(), primary)

    def test_stopped_orderly(self):
        primary = self.cluster.primary()
        with self.under_load(120):
            self.cluster.stop()
            self.cluster.start()
        self.assertIs(self.cluster.primary(), primary, "an orderly stop of everything moves nothing")


if __name__ == "__main__":
    main()
