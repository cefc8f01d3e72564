#!/usr/bin/python3
"""Three nodes lose processes and whole nodes, one or two at once, under a write load."""

import concurrent.futures
import signal
import threading
import time

from harness import LiveCase, LocalError, main, processes


class Failover(LiveCase):
    def test_postmaster_killed(self):
        old = self.cluster.primary()
        epoch = self.epoch()
        with self.under_load():
            old.kill_postmaster()
            new = self.wait_primary([node for node in self.cluster.nodes if node is not old])
        self.assertIsNot(new, old)
        self.assertEqual(self.epoch(), epoch + 1)
        self.assertEqual(self.status(old)["state"], "secondary", "the old primary is back by itself")

    def test_postmaster_killed_inside_of_a_large_transaction(self):
        """What was never committed is nowhere afterwards, and holds up nobody."""
        old = self.cluster.primary()
        with self.under_load(90):
            with concurrent.futures.ThreadPoolExecutor() as pool:
                session = pool.submit(old.sql, "BEGIN; CREATE TABLE large AS SELECT n, repeat('x', 100) FROM "
                                      "generate_series(1, 500000) AS n; SELECT pg_sleep(60)", 60)
                self.cluster.wait_for(lambda: old.sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                                                      "wait_event = 'PgSleep'") == "1", 40, "the transaction to be large")
                old.kill_postmaster()
                with self.assertRaises(LocalError):
                    session.result()
            self.wait_primary([node for node in self.cluster.nodes if node is not old])
        for node in self.cluster.nodes:
            self.assertEqual(node.sql("SELECT to_regclass('large') IS NULL"), "t", node.name)

    def test_backend_crash_is_no_failover(self):
        primary = self.cluster.primary()
        epoch, postmaster, seen = self.epoch(), primary.postmaster, self.last_event()
        with self.under_load():
            primary.crash_backend()
            self.cluster.wait_for(lambda: primary.postmaster not in (None, postmaster), 20, "PostgreSQL to be up again")
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), epoch)
        # The keeper restarts it at once, with clients kept out (R9); nobody is asked, and nobody takes over.
        self.assertNotIn("primary_restarted", self.kinds_since(seen))

    def test_nobody_sees_after_a_backend_crash_what_no_standby_has(self):
        """A commit that waited is visible after the restart: clients come in when a standby has it, and not before (R9)."""
        primary = self.cluster.primary()
        epoch = self.epoch()
        primary.sql("CREATE TABLE IF NOT EXISTS gate (n int)")
        receivers = [pid for node in self.cluster.standbys() for pid in node.server_process("walreceiver")]
        self.assertEqual(len(receivers), 2)
        came_in = []
        with self.under_load():
            for pid in receivers:
                processes.send(pid, signal.SIGSTOP)
            try:
                writer = threading.Thread(target=self.sql_or_nothing, args=(primary, "INSERT INTO gate VALUES (1)"))
                writer.start()
                self.cluster.wait_for(lambda: primary.sql(
                    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%gate%' "
                    "AND pid <> pg_backend_pid()") == "t", 10, "the commit to wait")
                before = primary.postmaster
                primary.crash_backend()
                self.cluster.wait_for(lambda: primary.postmaster not in (None, before), 20, "PostgreSQL to be up again")
                until = time.monotonic() + 1
                while time.monotonic() < until:
                    came_in += [rows for rows in [self.sql_or_nothing(primary, "SELECT count(*) FROM gate")] if rows]
            finally:
                for pid in receivers:
                    processes.send(pid, signal.SIGCONT)
            self.assertEqual(came_in, [], "somebody has read what only one disk had")
            rows = self.cluster.wait_for(lambda: self.sql_or_nothing(primary, "SELECT count(*) FROM gate"), 20,
                                         "clients to be let in")
            self.assertEqual(rows, "1")
            writer.join()
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), epoch)

    def test_backend_crash_on_a_standby(self):
        primary, standby = self.cluster.primary(), self.cluster.standbys()[0]
        epoch, before = self.epoch(), standby.postmaster
        with self.under_load():
            standby.crash_backend()
            self.cluster.wait_for(lambda: standby.postmaster not in (None, before), 20, "the standby to be up again")
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), epoch)

    @staticmethod
    def sql_or_nothing(node, statements):
        """None when the server does not let one in."""
        try:
            return node.sql(statements)
        except LocalError:
            return None

    def test_checker_notices_a_row_that_is_gone(self):
        """Whoever relies on a checker has to see it fail."""
        with self.under_load():
            pass
        primary = self.cluster.primary()
        row = primary.sql("DELETE FROM pgaf_load_rows WHERE ctid = (SELECT ctid FROM pgaf_load_rows ORDER BY n LIMIT 1) "
                          "RETURNING run || ' ' || writer || ' ' || n").split()
        report = self.load.check()
        self.assertFalse(report["ok"])
        self.assertEqual(report["lost"], len(self.cluster.nodes), "missing on each server")
        primary.sql(f"INSERT INTO pgaf_load_rows VALUES ('{row[0]}', {row[1]}, {row[2]})")
        self.check()

    def test_node_killed(self):
        old = self.cluster.primary()
        with self.under_load():
            old.kill()
            self.wait_primary([node for node in self.cluster.nodes if node is not old])
            old.start()
        self.assertIsNot(self.cluster.primary(), old)

    def test_keeper_launcher_and_postmaster_killed(self):
        old = self.cluster.primary()
        with self.under_load():
            old.kill_managers_and_postmaster()
            self.wait_primary([node for node in self.cluster.nodes if node is not old])
            old.start()
        self.assertIsNot(self.cluster.primary(), old)

    def test_new_primary_killed_right_after_its_promotion(self):
        first = self.cluster.primary()
        with self.under_load() as load:
            first.kill()
            second = self.wait_primary([node for node in self.cluster.nodes if node is not first])
            second.kill()
            # One node of three is left: whether it may go on alone depends on the rule that was in force; with one of
            # the others back it must in any case.
            first.start()
            self.wait_primary([node for node in self.cluster.nodes if node is not second])
            load.wait_acknowledged(30)
            second.start()

    def test_new_primary_loses_its_postmaster_as_soon_as_it_acknowledges(self):
        first = self.cluster.primary()
        with self.under_load() as load:
            first.kill_postmaster()
            load.wait_acknowledged(20)
            for node in self.cluster.nodes:
                if node is not first and self.status(node).get("primary") and node.postmaster:
                    node.kill_postmaster()

    def test_standby_lost_and_back(self):
        primary, standby = self.cluster.primary(), self.cluster.standbys()[0]
        epoch = self.epoch()
        with self.under_load() as load:
            standby.kill()
            self.cluster.wait_for(lambda: not self.status(standby)["healthy"], 20, "the loss to be noticed")
            load.wait_acknowledged(10)
            standby.start()
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), epoch)

    def test_standbys_postmaster_killed(self):
        primary, standby = self.cluster.primary(), self.cluster.standbys()[-1]
        epoch, before = self.epoch(), standby.postmaster
        with self.under_load():
            standby.kill_postmaster()
            self.cluster.wait_for(lambda: standby.postmaster not in (None, before), 20, "the standby to be started again")
        self.assertIs(self.cluster.primary(), primary)
        self.assertEqual(self.epoch(), epoch)

    def test_primary_and_standby_lost_at_once(self):
        primary, standby = self.cluster.primary(), self.cluster.standbys()[0]
        with self.under_load(90):
            self.cluster.kill([primary, standby])
            # What is left can't know what the two had acknowledged to each other: the cluster waits, and says for whom.
            self.wait_waiting_for(primary, standby)
            standby.start()
            self.wait_primary([node for node in self.cluster.nodes if node is not primary])
            primary.start()

    def test_primary_and_standby_lost_at_once_and_the_primary_is_back_first(self):
        primary, standby = self.cluster.primary(), self.cluster.standbys()[0]
        with self.under_load(90) as load:
            self.cluster.kill([primary, standby])
            self.wait_waiting_for(primary, standby)
            primary.start()
            load.wait_acknowledged(30)
            standby.start()

    def test_all_standbys_lost(self):
        primary = self.cluster.primary()
        with self.under_load(90):
            standbys = self.cluster.standbys()
            self.cluster.kill(standbys)
            time.sleep(4)
            for standby in standbys:
                standby.start()
        self.assertIs(self.cluster.primary(), primary)

    def test_old_primary_with_wal_of_its_own_is_rewound(self):
        """WAL that only the old primary has: its walsenders are frozen, so nothing of it can be acknowledged."""
        old = self.cluster.primary()
        with self.under_load():
            for pid in old.server_process("walsender"):
                processes.send(pid, signal.SIGSTOP)
            old.sql("SET synchronous_commit = off; CREATE TABLE only_here AS SELECT generate_series(1, 100000) AS n")
            old.kill()
            new = self.wait_primary([node for node in self.cluster.nodes if node is not old])
            old.start()
        self.assertIs(self.cluster.primary(), new)
        for node in self.cluster.nodes:
            self.assertEqual(node.sql("SELECT to_regclass('only_here') IS NULL"), "t", f"{node.name} has left that line")
        kept = list(old.state.glob("wal-kept/**/*"))
        self.assertTrue(kept, "the WAL that was given up is kept aside (R12)")


if __name__ == "__main__":
    main()
