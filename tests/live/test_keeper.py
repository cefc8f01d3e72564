#!/usr/bin/python3
"""The keeper, or the launcher, is lost in the middle of what it does: a start, a promotion, for good."""

import time

from harness import LiveCase, main


class InTheMiddle(LiveCase):
    def wait_step(self, nodes, step, lengths, limit=20):
        """The first of these nodes whose keeper has begun that step since its log had that length."""
        until = time.monotonic() + limit
        while time.monotonic() < until:
            for node in nodes:
                said = node.keeper.log_file.read_bytes()[lengths[node.name]:]
                if f"event=step_begun cluster={self.cluster.name} node={node.name} step={step} ".encode() in said:
                    return node
            time.sleep(0.002)
        self.fail(f"no keeper has begun {step}")

    def log_lengths(self):
        return {node.name: node.keeper.log_file.stat().st_size for node in self.cluster.nodes}

    def test_keeper_killed_while_it_starts_a_standby(self):
        primary, standby = self.cluster.primary(), self.cluster.standbys()[0]
        epoch, before, lengths = self.epoch(), standby.postmaster, self.log_lengths()
        with self.under_load():
            standby.kill_postmaster()
            self.wait_step([standby], "StartStandby", lengths)
            standby.keeper.kill()
            standby.keeper.start()
            self.cluster.wait_for(lambda: standby.postmaster not in (None, before), 20, "the standby to be up again")
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), epoch)

    def test_keeper_killed_inside_of_a_promotion(self):
        """The next keeper finds a server that is promoted, or that has the rule of a primary and is none yet: that one it
        stops, and whoever has all the WAL takes over, the old primary too."""
        old, epoch, lengths = self.cluster.primary(), self.epoch(), self.log_lengths()
        others = [node for node in self.cluster.nodes if node is not old]
        with self.under_load():
            old.kill_postmaster()
            chosen = self.wait_step(others, "Promote", lengths)
            chosen.keeper.kill()
            chosen.keeper.start()
            self.cluster.wait_for(lambda: self.epoch() > epoch, 20, "another epoch")
            new = self.wait_primary(self.cluster.nodes)
        self.assertTrue(new is not old or self.epoch() > epoch + 1, "the old primary goes on only after another election")

    def test_launcher_lost_and_not_started_again(self):
        """It takes PostgreSQL along, which the keeper can neither start nor see: the cluster goes on without that node."""
        old = self.cluster.primary()
        with self.under_load() as load:
            old.launcher.kill()
            new = self.wait_primary([node for node in self.cluster.nodes if node is not old])
            load.wait_acknowledged(20)
            self.assertIsNone(old.postmaster)
            status = self.cluster.wait_for(
                lambda: next((s for s in [self.status(old)] if "pgaf-launcher" in str(s)), None), 20,
                "the state to say what to do")
            self.assertFalse(status["healthy"], status)
            old.launcher.start()
        self.assertIs(self.cluster.primary(), new)


if __name__ == "__main__":
    main()
