#!/usr/bin/python3
"""The keeper, or the launcher, is lost in the middle of what it does: a start, a promotion, for good. And what keepers
tell over HTTP while all goes well."""

import json
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

from harness import LiveCase, main, processes


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


class Told(LiveCase):
    """Over HTTP, of the node, of its cluster, and of its PostgreSQL."""

    def ask(self, node, path, method="GET"):
        """Code and body."""
        request = urllib.request.Request(f"http://{node.address}:{node.http_port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def code(self, node, path):
        return self.ask(node, path, "OPTIONS")[0]

    def members(self, node):
        return {member["name"]: member for member in json.loads(self.ask(node, "/cluster")[1])["members"]}

    def wait_told(self, primary):
        """Until every keeper has been told of this primary and of standbys that commits wait for."""
        def told(node):
            members = self.members(node)
            roles = {name: member["role"] for name, member in members.items()}
            return (roles.get(primary.name) == "leader" and list(roles.values()).count("sync_standby") == 2
                    and all(member["state"] == "streaming" for member in members.values() if member["role"] != "leader"))

        self.cluster.wait_for(lambda: all(told(node) for node in self.cluster.nodes), 20,
                              f"all keepers to tell of {primary.name}")

    def check_paths(self, primary):
        for node in self.cluster.nodes:
            leads = node is primary
            for path, yes in (("/primary", leads), ("/leader", leads), ("/replica", not leads), ("/read-only", True),
                              ("/sync", not leads), ("/quorum", not leads), ("/async", False), ("/read-only-sync", True),
                              ("/health", True), ("/readiness", True), ("/replica?lag=10MB", not leads),
                              ("/replica?tag_zone=a", False)):
                self.assertEqual(self.code(node, path), 200 if yes else 503, f"{node.name} {path}")
            self.assertEqual(self.ask(node, "/primary", "HEAD"), (200 if leads else 503, ""))

    def test_1_paths_and_the_cluster_before_and_after_a_switchover(self):
        old = self.cluster.primary()
        self.wait_told(old)
        self.check_paths(old)
        self.assertEqual(json.loads(self.ask(old, "/config")[1])["pgaf"]["failover-limit"], 1000)
        self.assertEqual(json.loads(self.ask(old, "/history")[1]), [])
        with self.under_load():
            new = self.cluster.standbys()[0]
            self.cluster.ctl.do("perform", "switchover", "--to", new.name)
            self.wait_told(new)
        self.check_paths(new)
        for node in self.cluster.nodes:
            (timeline, lsn, reason, when, name), = json.loads(self.ask(node, "/history")[1])
            self.assertEqual((timeline, name), (1, new.name))
            self.assertGreater(lsn, 0)
            self.assertTrue(reason)
            self.assertRegex(when, r"^20\d\d-\d\d-\d\dT")

    def test_3_sighup_reads_the_configuration_anew(self):
        node = self.cluster.standbys()[0]
        said = node.keeper.log_file.stat().st_size
        config = node.config.read_text(encoding="utf-8")
        for text, event in (('log_level = "nonsense"\n' + config, b"reload_failed"), (config, b"reloaded")):
            self.cluster.account.write(node.config, text)
            processes.send(node.keeper.pid, signal.SIGHUP)
            self.cluster.wait_for(lambda event=event: b"event=" + event in node.keeper.log_file.read_bytes()[said:], 10,
                                  f"{node.name} to log {event.decode()}")
        self.assertEqual(self.code(node, "/replica"), 200)
        secret, passfile = self.cluster.secrets / "replication", node.state / "pgpass"
        old = secret.read_text(encoding="utf-8")
        for password in ("renewed", old.strip()):
            self.cluster.account.write(secret, password + "\n")
            processes.send(node.keeper.pid, signal.SIGHUP)
            self.cluster.wait_for(lambda password=password: passfile.read_text(encoding="utf-8").endswith(f":{password}\n"),
                                  10, "PostgreSQL's password file to have the new password")
        self.cluster.account.write(node.config, config + '[tags]\nnoloadbalance = true\n')
        processes.send(node.keeper.pid, signal.SIGHUP)
        self.cluster.wait_for(lambda: self.code(node, "/replica") == 503, 10, f"{node.name} to take its new tag")
        self.assertEqual(self.code(node, "/health"), 200)
        self.cluster.account.write(node.config, config)
        processes.send(node.keeper.pid, signal.SIGHUP)
        self.cluster.wait_for(lambda: self.code(node, "/replica") == 200, 10, f"{node.name} to drop its tag")

    def test_2_metrics(self):
        primary, standby = self.cluster.primary(), self.cluster.standbys()[0]

        def figure(node, name, labels=""):
            found = re.search(rf'^{name}{{cluster="{self.cluster.name}",node="{node.name}"{labels}}} (\S+)$',
                              self.ask(node, "/metrics")[1], re.M)
            return found and float(found[1])

        size = ',database="postgres"'
        for node in (primary, standby):
            self.cluster.wait_for(lambda node=node: figure(node, "pgaf_postgres_database_size_bytes", size), 20,
                                  f"PostgreSQL's figures on {node.name}")
        self.assertGreater(figure(primary, "pgaf_postgres_wal_bytes_total"), 1000)
        self.assertGreater(figure(primary, "pgaf_postgres_transactions_total", ',database="postgres",result="commit"'), 0)
        self.assertEqual(figure(primary, "pgaf_postgres_slot_active", f',slot="pgaf_{standby.name}"'), 1)
        self.assertLess(figure(primary, "pgaf_postgres_stats_age_seconds"), 20)
        lease = figure(primary, "pgaf_keeper_lease_seconds")
        self.assertTrue(0 < figure(primary, "pgaf_keeper_lease_remaining_seconds") <= lease)
        self.assertIsNone(figure(standby, "pgaf_keeper_lease_remaining_seconds"))
        self.assertGreater(figure(standby, "pgaf_keeper_data_disk_free_bytes"), 0)
        self.assertGreater(figure(standby, "pgaf_heartbeat_latency_seconds_count"), 3)
        self.assertEqual(figure(standby, "pgaf_keeper_problem"), 0)
        times = []
        for _ in range(30):
            began = time.perf_counter()
            self.ask(primary, "/metrics")
            times.append(time.perf_counter() - began)
        print(f"  a scrape over HTTP took {min(times) * 1000:.1f} ms at best, {sorted(times)[15] * 1000:.1f} ms half of the "
              "time", flush=True)
        self.assertTrue(shutil.which("promtool"), "there is no promtool: deploy/install-deps")
        check = subprocess.run(["promtool", "check", "metrics"], input=self.ask(primary, "/metrics")[1], text=True,
                               capture_output=True, check=False)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)


if __name__ == "__main__":
    main()
