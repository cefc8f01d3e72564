#!/usr/bin/python3
"""The package that runs local clusters: no signal to a foreign process, nothing made in a wrong place."""

import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import tomllib
import unittest
from types import SimpleNamespace
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "deploy"))

from local import cluster, demo, processes, screen, toml  # noqa: E402
from local.account import Account  # noqa: E402
from local.errors import LocalError  # noqa: E402
from local.processes import Process  # noqa: E402


class Scratch(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pgaf-unit-", dir="/var/tmp"))
        os.chmod(self.folder, 0o755)
        self.account = Account()
        self.account.own(self.folder)
        self.addCleanup(shutil.rmtree, self.folder)

    def process(self, *argv):
        process = Process("sleeper", argv, self.folder / "sleeper.pid", self.folder / "sleeper.log", self.account)
        self.addCleanup(process.kill)
        return process


class Processes(Scratch):
    def test_a_process_is_known_by_its_pid_file_alone(self):
        self.process("/bin/sleep", 60).start()
        again = self.process("/bin/sleep", 60)
        self.assertIsNotNone(again.pid)
        before = again.pid
        again.start()
        self.assertEqual(again.pid, before, "starting it again does nothing")
        self.assertTrue(again.stop(5))
        self.assertIsNone(again.pid)
        self.assertFalse(again.signal(signal.SIGTERM))

    def test_it_runs_as_an_unprivileged_user_in_a_session_of_its_own(self):
        process = self.process("/bin/sleep", 60)
        process.start()
        self.assertEqual(os.getsid(process.pid), process.pid)
        self.assertEqual(os.stat(f"/proc/{process.pid}").st_uid, self.account.uid)
        self.assertNotEqual(self.account.uid, 0)

    def test_a_pid_that_was_given_to_another_process_gets_no_signal(self):
        stranger = subprocess.Popen(["/bin/sleep", "60"])
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        began = processes.start_time(stranger.pid)
        process = self.process("/bin/sleep", 60)
        process.pid_file.write_text(json.dumps({"pid": stranger.pid, "started": began - 1}))
        self.assertIsNone(process.pid)
        process.kill()
        self.assertTrue(process.stop(1))
        self.assertIsNone(stranger.poll(), "it lives on")
        for nonsense in ("", "nonsense", "{}", '{"pid": "x", "started": 1}', "[]"):
            process.pid_file.write_text(nonsense)
            self.assertIsNone(process.pid)

    def test_a_process_that_ends_at_once_says_why(self):
        process = self.process("/bin/sh", "-c", "echo no such luck; exit 3")
        try:
            process.start()
        except LocalError:
            pass
        self.assertTrue(process.wait_gone(5))
        self.assertIn("no such luck", process.last_words())

    def test_stop_kills_what_does_not_end(self):
        process = self.process("/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
        process.start()
        processes.wait_until(lambda: "ready" in process.last_words(), 5, "the shell")
        self.assertFalse(process.stop(0.2))
        self.assertIsNone(process.pid)

    def test_descendants_are_found_parents_first(self):
        process = self.process("/bin/sh", "-c", "sh -c 'sleep 60 & wait' & wait")
        process.start()
        found = processes.wait_until(lambda: len(processes.descendants(process.pid)) == 2
                                     and processes.descendants(process.pid), 5, "the children")
        parent = int(pathlib.Path(f"/proc/{found[1]}/stat").read_text().rpartition(")")[2].split()[1])
        self.assertEqual(parent, found[0])
        for pid in found:
            processes.send(pid, signal.SIGKILL)

    def test_waiting_has_an_end_and_says_for_what(self):
        with self.assertRaisesRegex(LocalError, "waited 0.1 s for: rain"):
            processes.wait_until(lambda: False, 0.1, "rain", pause=0.01)


class Folders(Scratch):
    def test_secrets_are_never_readable_by_others(self):
        secret = self.folder / "secret"
        self.account.write(secret, "word")
        self.assertEqual(stat.S_IMODE(secret.stat().st_mode), 0o600)
        self.assertEqual(secret.stat().st_uid, self.account.uid)
        self.account.write(secret, "other")
        self.assertEqual(secret.read_text(), "other")
        self.assertEqual([each.name for each in self.folder.iterdir()], ["secret"])

    def test_a_folder_with_other_things_in_it_is_refused(self):
        (self.folder / "precious").write_text("x")
        with self.assertRaisesRegex(LocalError, "is not empty"):
            cluster.Cluster(self.folder, 7000)

    def test_a_folder_too_deep_for_sockets_is_refused(self):
        with self.assertRaisesRegex(LocalError, "too long"):
            cluster.Cluster(self.folder / ("x" * 60), 7000)

    def test_a_link_is_refused(self):
        link = self.folder / "link"
        link.symlink_to("/var/tmp")
        with self.assertRaisesRegex(LocalError, "choose another"):
            cluster.Cluster(link, 7000)

    def test_ports_must_leave_room(self):
        for port in (80, 65500, None):
            with self.assertRaisesRegex(LocalError, "first port"):
                cluster.Cluster(self.folder / "c", port)


class Words(unittest.TestCase):
    def test_toml_says_what_was_meant(self):
        table = {"text": 'a "b" \\ c\n', "number": 3, "yes": True, "list": ["x", "y"], "table": {"key.with.dots": "v"}}
        self.assertEqual(tomllib.loads(toml.document(table)), table)

    def test_options_stand_before_or_after_the_command(self):
        self.assertEqual(demo.parse(["--dir", "/a", "--nodes", "5"]).command, "up")
        for words in (["--dir", "/a", "status"], ["status", "--dir", "/a"], ["--dir", "/b", "status", "--dir", "/a"]):
            arguments = demo.parse(words)
            self.assertEqual((arguments.command, arguments.dir), ("status", "/a"))
        self.assertEqual(demo.parse(["start", "node2"]).node, "node2")

    def test_a_hint_is_for_the_demo_that_gives_it(self):
        self.assertEqual(screen.hint(pathlib.Path(demo.default_folder()), "up"), "deploy/demo up")
        self.assertEqual(screen.hint("/var/tmp/x", "start node2"), "deploy/demo start node2 --dir /var/tmp/x")

    def test_the_environment_says_which_demo(self):
        with mock.patch.dict(os.environ, {"PGAF_DEMO_DIR": "/var/tmp/mine", "PGAF_DEMO_PORT": "7000"}):
            self.assertEqual(demo.parse(["status"]).dir, "/var/tmp/mine")
            self.assertEqual(demo.parse(["status", "--dir", "/a"]).dir, "/a")
            self.assertEqual(screen.hint("/var/tmp/mine", "down"), "deploy/demo down", "it is the one that is meant")
            self.assertEqual(screen.default_port(), 7000)
            for wrong in ("x", "80", "70000", "-1"):
                os.environ["PGAF_DEMO_PORT"] = wrong
                with self.assertRaisesRegex(LocalError, "PGAF_DEMO_PORT is"):
                    screen.default_port()

    def test_progress_is_short(self):
        state = {"nodes": [
            {"name": "node1", "state": "primary", "assigned": "primary", "doing": ""},
            {"name": "node2", "state": "init", "assigned": "secondary", "doing": "cloning from node1: 3 of 24 MB", "problem": "x"}]}
        self.assertEqual(screen.progress_line(state), "node1 primary, node2 init -> secondary (cloning from node1)")
        self.assertEqual(screen.progress_line(None), "the monitor does not answer yet")
        self.assertEqual(screen.progress_line({"nodes": []}), "no node has registered yet")

    def test_one_node_can_be_settled_while_the_cluster_is_not_healthy(self):
        state = {"healthy": False, "nodes": [
            {"name": "node1", "state": "secondary", "assigned": "secondary", "healthy": True},
            {"name": "node2", "state": "draining", "assigned": "secondary", "healthy": False}]}
        for name, settled in (("node1", True), ("node2", False), ("node3", False)):
            self.assertEqual(cluster.Cluster.is_settled(state, SimpleNamespace(name=name)), settled)
        self.assertFalse(cluster.Cluster.is_settled(None, SimpleNamespace(name="node1")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
