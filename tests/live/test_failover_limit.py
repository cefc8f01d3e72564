#!/usr/bin/python3
"""R15: a query that kills every primary must not kill every node. After a few automatic failovers the operator is asked."""

from harness import LiveCase, main


class FailoverLimit(LiveCase):
    settings = {"failover_limit": 2}

    def others(self, node):
        return [each for each in self.cluster.nodes if each is not node]

    def test_limit(self):
        with self.under_load(90) as load:
            for _ in range(2):
                old = self.cluster.primary()
                old.kill_postmaster()
                self.wait_primary(self.others(old))
                self.cluster.wait_healthy(30)
        self.assertEqual(self.epoch(), 3)
        self.assertFalse(self.state()["failover_ready"])
        # A monitor that starts again knows of them.
        self.cluster.monitor.kill()
        self.cluster.monitor.start()
        self.cluster.wait_healthy(30)
        self.assertFalse(self.state()["failover_ready"])
        self.assertIn("failover-limit", self.state()["why_not_ready"])

        # The third exit of a postmaster: it is started again where it is.
        primary = self.cluster.primary()
        with self.under_load(90):
            before = primary.postmaster
            primary.kill_postmaster()
            self.cluster.wait_for(lambda: primary.postmaster not in (None, before), 20, "a restart in place")
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), 3)

        # A primary that is gone altogether is replaced when the operator says so, and not before.
        with self.under_load(90) as load:
            primary.kill()
            self.cluster.wait_for(lambda: "failover-limit" in self.state().get("waiting", ""), 20, "the cluster to ask")
            self.assertIn("pgafctl perform failover", self.state()["waiting"])
            self.assertEqual(self.epoch(), 3)
            self.assertFalse(self.state()["has_writable_primary"])
            self.cluster.ctl.do("perform", "failover")
            load.wait_acknowledged(20)
            primary.start()
        self.assertIsNot(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), 4)


if __name__ == "__main__":
    main()
