#!/usr/bin/python3
"""WAL that is torn, damaged or can't be read, on three nodes; and what the event log says of WAL that was kept aside."""

import pathlib
import signal

from harness import LiveCase, main, processes

SEGMENT = 16 << 20


def lsn(text):
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def segments_from(node, number):
    """Segments of this place in the WAL and after it, of whatever timeline."""
    found = []
    for path in (node.data / "pg_wal").iterdir():
        if len(path.name) == 24 and int(path.name[8:16], 16) * 256 + int(path.name[16:], 16) >= number:
            found.append(path)
    return found


class Wal(LiveCase):
    def setUp(self):
        super().setUp()
        with self.under_load():
            pass

    def test_torn_end_that_reaches_into_a_later_segment(self):
        """The survivor gets rid of it, streams on as the same incarnation, and has forgotten nothing (R4, R6)."""
        old = self.cluster.primary()
        chosen, torn = self.cluster.standbys()
        self.cluster.ctl.do("set", "node", "candidate-priority", torn.name, 1)
        seen = self.last_event()
        old.sql("SELECT pg_switch_wal()")
        old.sql("CHECKPOINT")
        # A snapshot of running transactions would be a complete record more.
        for pid in old.server_process("background writer"):
            processes.send(pid, signal.SIGSTOP)
        begin = old.sql("SELECT pg_current_wal_flush_lsn()")
        for standby in (chosen, torn):
            self.wait_replayed(standby, begin)
        torn.sql("CHECKPOINT")
        # What it has replayed its keeper tells, and must not be asked to forget below.
        torn.sql("SELECT pg_wal_replay_pause()")
        self.stop_receiver(chosen)
        old.sql("SELECT pg_logical_emit_message(false, 'test', repeat('x', 40000000))")
        end = old.sql("SELECT pg_switch_wal()")
        self.cluster.wait_for(lambda: torn.sql(f"SELECT pg_last_wal_receive_lsn() >= '{end}'") == "t", 20,
                              "the long record to be received")
        self.cluster.kill([old, torn])
        self.end_receiver(chosen)
        for path in segments_from(torn, lsn(begin) // SEGMENT + 2):
            path.unlink()
        torn.start()
        self.assertIs(self.wait_primary([chosen, torn]), chosen)
        self.cluster.wait_for(lambda: self.status(torn).get("state") == "secondary", 30, "the survivor to stream")
        said = self.rebuilt_since(seen, torn)
        self.assertEqual(len(said), 1, said)
        self.assertRegex(said[0], r"^node\d was freed of a torn end of WAL, .*; WAL 0/[0-9A-F]+ to 0/[0-9A-F]+ is kept in /")
        self.assertTrue(list(pathlib.Path(said[0].split(" is kept in ")[1]).glob("0*")))

        # The old primary has all of the record, which the cluster does not.
        old.start()
        self.cluster.wait_healthy(60)
        said = self.rebuilt_since(seen, old)
        self.assertEqual(len(said), 1, said)
        self.assertRegex(said[0], rf"^{old.name} was rewound against {chosen.name}: its WAL ends at .*; WAL 0/[0-9A-F]+ to "
                                  r"0/[0-9A-F]+ is kept in /")
        self.assertTrue(list(pathlib.Path(said[0].split(" is kept in ")[1]).glob("0*")))
        self.assertNotIn("amnesia", self.kinds_since(seen))
        self.cluster.ctl.do("set", "node", "candidate-priority", torn.name, torn.priority)
        self.check()
        with self.under_load():
            self.cluster.ctl.do("perform", "switchover", "--to", torn.name)

    def test_damaged_wal_of_a_stopped_standby(self):
        """No waiting mends it: it is cloned anew by itself, and the event log says why."""
        standby = self.cluster.standbys()[0]
        seen = self.last_event()
        with self.under_load(90):
            standby.kill()
            for path in segments_from(standby, 0):
                with open(path, "r+b") as file:
                    file.write(b"\xff" * SEGMENT)
            standby.start()
        said = self.rebuilt_since(seen, standby)
        self.assertEqual(len(said), 1, said)
        self.assertRegex(said[0], rf"^{standby.name} was cloned anew from node\d: its WAL is damaged: .*; WAL .* is kept in /")

    def test_end_that_can_not_be_read(self):
        """A row that was acknowledged by the newest segment's owner alone among those in reach is not given up (R4)."""
        primary = self.cluster.primary()
        behind, ahead = self.cluster.standbys()
        primary.sql("CREATE TABLE IF NOT EXISTS acknowledged (i int)")
        primary.sql("SELECT pg_switch_wal()")
        self.wait_replayed(behind, primary.sql("SELECT pg_current_wal_flush_lsn()"))
        self.stop_receiver(behind)
        primary.sql("INSERT INTO acknowledged VALUES (1)")
        newest = primary.data / "pg_wal" / primary.sql("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
        ahead.freeze()
        newest.chmod(0)
        try:
            primary.kill_postmaster()
            self.end_receiver(behind)
            self.cluster.wait_for(lambda: f"{newest.name}: Permission denied" in self.status(primary).get("problem", ""), 20,
                                  "the node to say what it can't read")
            self.assertFalse(self.state()["has_writable_primary"])
        finally:
            newest.chmod(0o600)
            ahead.thaw()
        self.cluster.wait_healthy(60)
        for node in self.cluster.nodes:
            self.assertEqual(node.sql("SELECT i FROM acknowledged"), "1", f"{node.name} has the row")
        primary = self.cluster.primary()
        primary.sql("DROP TABLE acknowledged")
        self.check()


if __name__ == "__main__":
    main()
