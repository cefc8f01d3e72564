#!/usr/bin/python3
"""R12: a failover that might lose what was acknowledged is refused, with the names of those who are waited for; an operator's
--allow-data-loss goes on without them, and what they have more is kept aside when they are back."""

import pathlib

from harness import LiveCase, main

# Written, acknowledged by the one standby that is then lost with the primary, and found in what is kept aside.
MARK = "acknowledged-and-then-given-up"


class DataLoss(LiveCase):
    def lose(self):
        """The primary and the only standby that has the last acknowledged commit; the third node is left."""
        old = self.cluster.primary()
        witness, left = self.cluster.standbys()
        old.sql("CREATE TABLE IF NOT EXISTS given_up (t text)")
        self.wait_replayed(left, old.sql("SELECT pg_current_wal_flush_lsn()"))
        self.stop_receiver(left)
        old.sql(f"INSERT INTO given_up VALUES ('{MARK}')")
        self.cluster.kill([old, witness])
        self.end_receiver(left)
        return old, witness, left

    def assert_refused(self, done, code, *words):
        self.assertEqual(done.returncode, code, done)
        for word in words:
            self.assertIn(word, done.stderr)
        # What happens meanwhile is told as it happens: why it waits, if that was not said before.
        for line in done.stdout.splitlines():
            self.assertIn("nobody can take over", line)

    def assert_kept(self, said, node, new):
        """What the event says of a node that was rebuilt, and that the commit that was given up lies where it says."""
        self.assertEqual(len(said), 1, said)
        self.assertRegex(said[0], rf"^{node.name} was rewound against {new.name}: its WAL ends at .*; WAL 0/[0-9A-F]+ to "
                                  r"0/[0-9A-F]+ is kept in /")
        kept = list(pathlib.Path(said[0].split(" is kept in ")[1]).glob("0*"))
        self.assertTrue(any(MARK.encode() in path.read_bytes() for path in kept), f"{said[0]}: {kept}")

    def test_refused_then_allowed(self):
        with self.under_load():
            pass
        epoch, seen = self.epoch(), self.last_event()
        old, witness, left = self.lose()
        self.wait_waiting_for(witness)
        waiting = self.state()["waiting"]
        for word in (f"{old.name} is out of reach", witness.name, f"{old.name}, the last primary", "--allow-data-loss"):
            self.assertIn(word, waiting)

        ctl = self.cluster.ctl
        self.assert_refused(ctl.run("perform", "failover"), 1,
                            "no node can be promoted without risk to acknowledged commits: needs ", witness.name,
                            f"{old.name}, the last primary", "--allow-data-loss goes on without them")
        # The flag alone is not the operator's word.
        self.assert_refused(ctl.run("perform", "failover", "--allow-data-loss"), 5,
                            "A failover that may lose acknowledged commits.", "--yes")
        self.assertEqual(self.epoch(), epoch)
        self.assertFalse(self.state()["has_writable_primary"])
        self.assertEqual(left.sql("SELECT pg_is_in_recovery(), count(*) FROM given_up"), "t|0", "the standby that is left")
        self.assertNotIn("failover_started", self.kinds_since(seen))

        said = ctl.do("perform", "failover", "--allow-data-loss", "--yes", timeout=90)
        self.assertIn(f"{left.name} is primary", said)
        self.assertEqual(self.epoch(), epoch + 1)
        started = [event for event in self.events("failover_started") if int(event["seq"]) > seen]
        self.assertEqual(len(started), 1, started)
        self.assertIn("DATA LOSS ALLOWED: commits that only nodes out of reach have may be lost", started[0]["message"])
        self.assertIn(f"needs {witness.name}", started[0]["evidence"])
        chosen = [event for event in self.events("node_chosen") if int(event["seq"]) > seen]
        self.assertEqual([event["node"] for event in chosen], [left.name])
        # From where on commits may be lost, and whose.
        self.assertRegex(chosen[0]["evidence"], r"DATA LOSS ALLOWED by the operator; end of WAL timeline \d+, 0/[0-9A-F]+, ")
        # Its word was about what is lost, not about what comes: a commit still needs two disks, and the state says so.
        self.cluster.wait_for(lambda: "writes wait for 1 standby" in self.state().get("waiting", ""), 20,
                              "the cluster to say what writes wait for")

        witness.start()
        self.assert_kept(self.wait_rebuilt(seen, witness), witness, left)
        self.wait_primary([left])
        with self.under_load(120):
            old.start()
            self.assert_kept(self.wait_rebuilt(seen, old), old, left)
        self.assertIs(self.cluster.primary(), left)
        self.assertEqual(self.epoch(), epoch + 1)
        for node in self.cluster.nodes:
            self.assertEqual(node.sql("SELECT count(*) FROM given_up"), "0", f"{node.name} is on the new line")

    def wait_rebuilt(self, seen, node):
        return self.cluster.wait_for(lambda: self.rebuilt_since(seen, node), 90, f"{node.name} to be rebuilt")


if __name__ == "__main__":
    main()
