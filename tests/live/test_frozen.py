#!/usr/bin/python3
"""Machines that stand still and go on again, keepers that are killed or silent, and false alarms."""

import signal
import time

from harness import LiveCase, main, processes


class Frozen(LiveCase):
    def others(self, node):
        return [each for each in self.cluster.nodes if each is not node]

    def test_primary_frozen_and_thawed_later(self):
        old = self.cluster.primary()
        with self.under_load():
            old.freeze()
            try:
                self.wait_primary(self.others(old))
                time.sleep(3)
            finally:
                old.thaw()
        self.assertIsNot(self.cluster.primary(), old)

    def test_primary_thawed_in_the_moment_of_the_takeover(self):
        old = self.cluster.primary()
        with self.under_load() as load:
            old.freeze()
            try:
                # The load's next acknowledged write is the new primary's first.
                load.wait_acknowledged(20)
            finally:
                old.thaw()
        self.assertIsNot(self.cluster.primary(), old)

    def test_primary_thawed_before_it_is_missed(self):
        primary, epoch = self.cluster.primary(), self.epoch()
        with self.under_load():
            primary.freeze()
            time.sleep(0.8)
            primary.thaw()
            time.sleep(3)
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), epoch)

    def test_standby_frozen_and_thawed(self):
        primary, standby = self.cluster.primary(), self.cluster.standbys()[0]
        epoch = self.epoch()
        with self.under_load() as load:
            standby.freeze()
            try:
                self.cluster.wait_for(lambda: not self.status(standby)["healthy"], 20, "the loss to be noticed")
                load.wait_acknowledged(10)
            finally:
                standby.thaw()
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), epoch)

    def test_keeper_killed_and_started_again(self):
        primary, epoch = self.cluster.primary(), self.epoch()
        postmaster = primary.postmaster
        with self.under_load():
            primary.keeper.kill()
            time.sleep(4)
            self.assertEqual(self.epoch(), epoch, "a keeper that is gone while PostgreSQL serves is no failover")
            primary.keeper.start()
        self.assertEqual(primary.postmaster, postmaster)
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), epoch)

    def test_keeper_restarted(self):
        for node in (self.cluster.primary(), self.cluster.standbys()[0]):
            epoch, postmaster = self.epoch(), node.postmaster
            with self.under_load():
                self.assertTrue(node.keeper.stop(20), "the keeper ends on SIGTERM")
                node.keeper.start()
            self.assertEqual(node.postmaster, postmaster)
            self.assertEqual(self.epoch(), epoch)

    def test_keeper_frozen_while_the_standbys_stream(self):
        """A primary that its standbys still see stays primary."""
        primary, epoch = self.cluster.primary(), self.epoch()
        postmaster = primary.postmaster
        with self.under_load() as load:
            primary.keeper.signal(signal.SIGSTOP)
            try:
                time.sleep(6)
                load.wait_acknowledged(5)
                self.assertEqual(self.epoch(), epoch)
            finally:
                primary.keeper.signal(signal.SIGCONT)
        self.assertEqual(primary.postmaster, postmaster)
        self.assertEqual(self.epoch(), epoch)

    def test_false_alarm_lets_the_old_primary_go_on(self):
        """An election begins, no fence can be complete, and the old primary turns out to live: it goes on (R4)."""
        primary, epoch = self.cluster.primary(), self.epoch()
        postmaster = primary.postmaster
        receivers = [pid for node in self.others(primary) for pid in node.server_process("walreceiver")]
        self.assertEqual(len(receivers), 2)
        before = self.last_event()
        with self.under_load():
            frozen = primary.server_process("walsender") + [postmaster]
            for pid in receivers + frozen:
                processes.send(pid, signal.SIGSTOP)
            primary.keeper.signal(signal.SIGSTOP)
            try:
                self.cluster.wait_for(lambda: self.epoch() == epoch + 1, 20, "the alarm")
            finally:
                primary.keeper.signal(signal.SIGCONT)
                for pid in frozen:
                    processes.send(pid, signal.SIGCONT)
            try:
                self.cluster.wait_for(lambda: "false_alarm" in self.kinds_since(before), 20, "the all-clear")
            finally:
                for pid in receivers:
                    processes.send(pid, signal.SIGCONT)
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(primary.postmaster, postmaster, "it went on without a restart")
        self.assertEqual(self.epoch(), epoch + 1)

    def test_launcher_told_to_end_hands_over_first(self):
        old = self.cluster.primary()
        with self.under_load():
            self.assertTrue(old.launcher.stop(40), "the launcher ends within its limit")
            self.assertIsNone(old.postmaster)
            self.wait_primary(self.others(old))
            old.keeper.stop(20)
            old.start()
        self.assertLess(self.report["outage"]["ms"], 5000, "handed over, not missed")
        self.assertIn("switchover_finished", [event["kind"] for event in self.events()])

    def test_launcher_told_to_end_with_nobody_to_hand_over_to(self):
        """It ends within its limit all the same; the cluster is whole again when the nodes are back."""
        primary = self.cluster.primary()
        with self.under_load(90):
            self.cluster.kill(self.others(primary))
            self.assertTrue(primary.launcher.stop(40), "the launcher ends within its limit")
            self.assertIsNone(primary.postmaster)
            primary.keeper.stop(20)
            for node in self.cluster.nodes:
                node.start()

    def test_launcher_killed(self):
        """PostgreSQL does not outlive its launcher; a new launcher finds its folder free."""
        old = self.cluster.primary()
        with self.under_load():
            old.launcher.kill()
            old.launcher.start()


if __name__ == "__main__":
    main()
