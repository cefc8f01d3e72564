#!/usr/bin/python3
"""HAProxy in front of a cluster, with the configuration that we ship: clients that know only its two ports go through a
switchover and a failover, lose nothing, and are never left on a server that is not what they asked for."""

import contextlib
import subprocess
import time
import urllib.request

from harness import ROOT, LiveCase, free_ports, main
from proxy import CONFIGURATION, Haproxy, Observer, ProxiedLoad, Standing

# From a change of role to where HAProxy has ended the sessions of before: three looks and one more, and a busy machine.
CUT_LIMIT = 5


class BehindHaproxy(LiveCase):
    parameters = {"shared_preload_libraries": "pg_stat_statements,pgaudit"}

    @classmethod
    def make_cluster(cls):
        super().make_cluster()
        cls.load = ProxiedLoad(cls.cluster, cls.folder / "load.log", free_ports(3))
        cls.load._make_user()
        cls.proxy = Haproxy(cls.cluster, cls.folder, cls.load.port)
        cls.addClassCleanup(cls.proxy.stop)
        cls.proxy.wait_ready()

    @contextlib.contextmanager
    def observed(self):
        """The block under the write load, with somebody who looks at both ports, and with sessions that stay open."""
        proxy = self.proxy
        proxy.wait_ready()
        old = self.cluster.primary()
        writer = Standing(proxy, proxy.read_write)
        readers = [Standing(proxy, proxy.read_only) for _ in range(2)]
        try:
            self.assertEqual(writer.server, old.port)
            self.assertEqual({reader.server for reader in readers}, {node.port for node in self.cluster.standbys()},
                             "readers are spread over the standbys")
            with self.under_load(), Observer(proxy, proxy.read_write) as by_rw, Observer(proxy, proxy.read_only) as by_ro:
                yield old
                new = self.wait_primary([node for node in self.cluster.nodes if node is not old])
                changed = time.monotonic()
                self.look_at_sessions(new, writer, readers)
                self.wait_settled(by_rw, by_ro, new)
        finally:
            for session in (writer, *readers):
                session.end()
        self.look_at_answers(old, new, changed, by_rw, by_ro)

    def look_at_sessions(self, new, writer, readers):
        """A session on the read-write port is no longer there; one on the read-only port that found itself on the new
        primary is ended, the other one is left alone."""
        self.assertIsNone(writer.in_recovery(), "a session on the read-write port outlived its primary")
        for reader in readers:
            if reader.server == new.port:
                self.cluster.wait_for(lambda r=reader: r.in_recovery() is None, CUT_LIMIT,
                                      "the session of a reader on the new primary to be ended")
            else:
                self.assertTrue(reader.in_recovery(), "a reader of another standby was cut")

    def wait_settled(self, by_rw, by_ro, new):
        """Both ports have been asked, and have answered, since HAProxy had the time to see the change."""
        since = time.monotonic()

        def look():
            return all(any(asked > since and in_recovery == wanted for asked, in_recovery, _ in observer.answers)
                       for observer, wanted in ((by_rw, False), (by_ro, True)))

        self.cluster.wait_for(look, 20, f"both ports to answer again with {new.name} as the primary")

    def look_at_answers(self, old, new, changed, by_rw, by_ro):
        # No answer at all of a server that is neither a standby nor the primary that is: closed, fenced, or of before.
        wrong = [answer for answer in by_ro.answers if not answer[1] and answer[2] != new.port]
        self.assertEqual(wrong, [], "the read-only port led to a server that was no standby")
        late = [asked - changed for asked, in_recovery, _ in by_ro.answers if not in_recovery and asked > changed + CUT_LIMIT]
        self.assertEqual(late, [], "the read-only port goes on to lead to the primary")
        late = [asked - changed for asked, in_recovery, _ in by_rw.answers if in_recovery and asked > changed + CUT_LIMIT]
        self.assertEqual(late, [], "the read-write port goes on to lead to a standby")
        # A client that is let in by the read-write port and finds a standby can't write there: the server refuses it.
        self.assertEqual({port for _, in_recovery, port in by_rw.answers if not in_recovery} - {old.port, new.port}, set())
        found = [asked for asked, in_recovery, port in by_rw.answers if port == new.port and not in_recovery]
        print(f"  answers by read-write {len(by_rw.answers)} (by a standby {sum(a[1] for a in by_rw.answers)}), refused "
              f"{len(by_rw.errors)}; by read-only {len(by_ro.answers)} (by the new primary "
              f"{sum(not a[1] for a in by_ro.answers)}), refused {len(by_ro.errors)}; the new primary found "
              f"{(min(found) - self.began) if found else -1:.1f} s after the beginning", flush=True)

    # ---- scenarios ------------------------------------------------------------------------------------------------

    def test_1_where_the_ports_lead(self):
        proxy = self.proxy
        done = subprocess.run(["haproxy", "-c", "-f", CONFIGURATION], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        primary = self.cluster.primary()
        self.assertEqual(proxy.ask(proxy.read_write)[0], f"f|{primary.port}")
        servers = {proxy.ask(proxy.read_only)[0] for _ in range(8)}
        self.assertEqual(servers, {f"t|{node.port}" for node in self.cluster.standbys()})
        refused = proxy.ask(proxy.read_only, "CREATE TABLE not_here (x int)")
        self.assertIn("read-only transaction", refused[1])
        self.assertEqual(proxy.fit("read_write"), {primary.name})
        self.assertEqual(proxy.fit("read_only"), {node.name for node in self.cluster.standbys()})

    def test_2_sample_application_by_the_port(self):
        """sql/apply through HAProxy alone; then every node has the same data, and reads of patients are in its log."""
        proxy, uri = self.proxy, f"postgresql://postgres@127.0.0.1:{self.proxy.read_write}/postgres"
        done = subprocess.run([ROOT / "sql" / "apply", "--uri", uri, "--patients", "200", "--require-audit"],
                              capture_output=True, text=True, env=proxy.client_environment(), timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        digest = (ROOT / "sql" / "queries" / "sample_digest.sql").read_text(encoding="utf-8")
        place = self.cluster.primary().sql("SELECT pg_current_wal_flush_lsn()")
        for node in self.cluster.standbys():
            self.wait_replayed(node, place)
        said = set()
        for node in self.cluster.nodes:
            answer = subprocess.run(["psql", "-wXAtq", "-d", f"postgresql://postgres@{node.address}:{node.port}/clinic"],
                                    input=digest, capture_output=True, text=True, env=proxy.client_environment(), timeout=30)
            said.add(answer.stdout)
            log = (node.folder / "log" / "postgres.log").read_text(encoding="utf-8", errors="replace")
            self.assertRegex(log, "AUDIT: OBJECT,.*READ,SELECT,TABLE,clinic.patients", node.name)
        self.assertEqual(len(said), 1, said)
        self.assertIn("patients|200|", said.pop())

    def test_3_switchover(self):
        with self.observed():
            self.cluster.ctl.do("perform", "switchover")

    def test_4_keeper_restarted_cuts_nobody(self):
        """When it is back within half a second, which is what HAProxy has patience for at least."""
        primary = self.cluster.primary()
        for _ in range(3):
            self.proxy.wait_ready()
            session = Standing(self.proxy, self.proxy.read_write)
            try:
                with self.under_load():
                    away = self.restart_keeper(primary)
                    self.cluster.wait_for(lambda: self.proxy.ask(self.proxy.read_write)[0] == f"f|{primary.port}", 20,
                                          "the port to lead to the primary")
                    kept = session.in_recovery() is False
            finally:
                session.end()
            print(f"  the keeper was away for {away:.2f} s", flush=True)
            if away < 0.5:
                self.assertTrue(kept, f"the keeper was away for {away:.2f} s, and a session was ended for it")
                return
        self.skipTest(f"this machine is so busy that a keeper takes {away:.1f} s to start")

    def restart_keeper(self, node):
        """Seconds in which it could not say that its node is the primary."""
        began = time.monotonic()
        node.keeper.stop(20)
        node.keeper.start()

        def look():
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://{node.address}:{node.http_port}/primary", timeout=2):
                    return True
            return False

        self.cluster.wait_for(look, 20, f"the keeper of {node.name} to answer again")
        return time.monotonic() - began

    def test_5_node_of_the_primary_killed(self):
        with self.observed() as old:
            old.kill()
            self.wait_primary([node for node in self.cluster.nodes if node is not old])
            old.start()

    def test_6_sample_application_through_a_failover(self):
        """sql/apply is at work when its primary dies: it begins the file again on the next one, and nothing is there twice."""
        proxy, old = self.proxy, self.cluster.primary()
        proxy.wait_ready()
        uri = f"postgresql://postgres@127.0.0.1:{proxy.read_write}/postgres"
        run = subprocess.Popen(
            [ROOT / "sql" / "apply", "--uri", uri, "--patients", "3000", "--database", "middle"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=proxy.client_environment())
        self.cluster.wait_for(lambda: old.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'middle' AND query ~ 'INSERT INTO (appointments|observations)'")
            != "0", 60, "sample data to be loaded")
        old.kill()
        out, err = run.communicate(timeout=90)
        self.assertEqual(run.returncode, 0, out + err)
        self.assertIn("900_sample: the connection was lost; beginning it again on the new primary", err)
        answer = subprocess.run([*proxy.psql(proxy.read_write, "postgres"), "-c", "\\c middle", "-c",
                                 "SELECT count(*), max(patient_id) FROM clinic.patients"], capture_output=True, text=True,
                                env=proxy.client_environment(), timeout=30)
        self.assertEqual(answer.stdout.strip(), "3000|3000", answer.stderr)
        old.start()
        self.cluster.wait_healthy()


if __name__ == "__main__":
    main()
