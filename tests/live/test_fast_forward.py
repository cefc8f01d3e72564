#!/usr/bin/python3
"""R5: the candidate with the highest priority lacks acknowledged commits that another fenced survivor has. It fetches them
before it is promoted, unless that is so much that the order of candidates is not worth it."""

from harness import LiveCase, main

ROWS = 200
# More than switchover-max-lag-bytes.
TOO_MUCH = 20_000_000


class FastForward(LiveCase):
    def setUp(self):
        super().setUp()
        self.cluster.wait_healthy(60)
        primary = self.cluster.primary()
        primary.sql("DROP TABLE IF EXISTS acknowledged; CREATE TABLE acknowledged (n int)")

    def choose_roles(self):
        """(primary, who is to be chosen, who has everything)."""
        old = self.cluster.primary()
        source, wanted = self.cluster.standbys()
        for node, priority in ((wanted, 100), (source, 20)):
            self.cluster.ctl.do("set", "node", "candidate-priority", node.name, priority)
        return old, wanted, source

    def fall_behind(self, old, wanted, filler=0):
        """Commits that the primary has acknowledged, with the word of the other standby alone."""
        self.wait_replayed(wanted, old.sql("SELECT pg_current_wal_flush_lsn()"))
        self.stop_receiver(wanted)
        old.sql(f"INSERT INTO acknowledged SELECT generate_series(1, {ROWS})")
        if filler:
            # Flushed with the transaction that it is part of, so acknowledged as well.
            old.sql(f"SELECT pg_logical_emit_message(true, 'test', repeat('x', {filler}))")
        needed = old.sql("SELECT pg_current_wal_flush_lsn()")
        self.assertEqual(wanted.sql(f"SELECT pg_last_wal_receive_lsn() < '{needed}', count(*) FROM acknowledged"), "t|0")

    def lose(self, old, wanted):
        """What the socket of the candidate's receiver holds goes with the old primary."""
        old.kill()
        self.end_receiver(wanted)

    def assert_all_there(self):
        for node in self.cluster.nodes:
            self.assertEqual(node.sql("SELECT count(DISTINCT n) FROM acknowledged"), str(ROWS), node.name)

    def test_candidate_fetches_what_it_lacks(self):
        """Under load: what is acknowledged while it lags is in nobody's hands but the source's, and none of it is lost."""
        old, wanted, source = self.choose_roles()
        epoch, seen = self.epoch(), self.last_event()
        with self.under_load(90) as load:
            self.fall_behind(old, wanted)
            load.wait_acknowledged(20)
            self.lose(old, wanted)
            self.assertIs(self.wait_primary([wanted, source], 60), wanted)
            old.start()
        self.assertEqual(self.epoch(), epoch + 1)
        self.assertIs(self.cluster.primary(), wanted)
        self.assertEqual(self.messages_since(seen, "fast_forward"),
                         [f"{wanted.name} streams what it lacks from {source.name} before it is promoted"])
        order = [kind for kind in self.kinds_since(seen) if kind in ("fast_forward", "node_chosen")]
        self.assertEqual(order, ["fast_forward", "node_chosen"])
        self.assert_all_there()

    def test_too_much_is_missing(self):
        """The one that has everything is taken, and the other one streams from it."""
        old, wanted, source = self.choose_roles()
        epoch, seen = self.epoch(), self.last_event()
        with self.under_load(90):
            self.fall_behind(old, wanted, TOO_MUCH)
            self.lose(old, wanted)
            self.assertIs(self.wait_primary([wanted, source], 60), source)
            old.start()
        self.assertEqual(self.epoch(), epoch + 1)
        self.assertIs(self.cluster.primary(), source)
        self.assertEqual(self.messages_since(seen, "fast_forward"), [])
        self.assert_all_there()


if __name__ == "__main__":
    main()
