#!/usr/bin/python3
"""The README's first command, as a newcomer runs it: up, failover, start, switchover, status, down."""

import json
import os
import shutil
import subprocess
import unittest

from harness import ROOT, free_ports, main, scratch_folder


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = scratch_folder()
        cls.ports = free_ports(12)

    @classmethod
    def tearDownClass(cls):
        cls.demo("down")
        cls.demo("down", folder="other")
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def demo(cls, *words, folder="my démo", timeout=240):
        done = subprocess.run(
            [ROOT / "deploy" / "demo", *words, "--dir", cls.folder / folder], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
        )
        print(done.stdout, flush=True)
        return done

    def succeed(self, *words, **options):
        done = self.demo(*words, **options)
        self.assertEqual(done.returncode, 0)
        return done.stdout

    def status(self):
        return json.loads(self.succeed("status", "-o", "json"))

    def pids(self):
        return {node["name"]: (node["keeper"], node["launcher"], node["postmaster"]) for node in self.status()["nodes"]}

    def test_1_up(self):
        said = self.succeed("up", "--port", str(self.ports), "--nodes", "2")
        self.assertIn("failover: ready", said)
        uri = self.status()["uri"]
        self.assertIn(f"psql '{uri}'", said)
        answer = subprocess.run(["psql", "-XAtc", "SELECT 1 + 1", uri], capture_output=True, text=True, check=True,
                                env={key: value for key, value in os.environ.items() if not key.startswith("PG")})
        self.assertEqual(answer.stdout.strip(), "2")

    def test_2_second_up_is_harmless_and_may_add_nodes(self):
        before = self.pids()
        self.succeed("up")
        self.assertEqual(self.pids(), before)
        self.succeed("up", "--nodes", "3")
        after = self.pids()
        self.assertEqual({name: after[name] for name in before}, before)
        self.assertEqual(len(after), 3)

    def test_3_status(self):
        status = self.status()
        self.assertTrue(status["healthy"])
        for node in status["nodes"]:
            for word in ("keeper", "launcher", "postmaster"):
                os.kill(node[word], 0)
            self.assertTrue(os.path.isdir(node["data"]))
            self.assertIn(node["state"], ("primary", "secondary"))
        self.assertIn("node1", self.succeed("status"))

    def test_4_failover_and_start(self):
        said = self.succeed("failover")
        self.assertRegex(said, r"rows lost +0 ")
        self.assertRegex(said, r"write outage +\d+ ms")
        down = [node["name"] for node in self.status()["nodes"] if node["keeper"] is None]
        self.assertEqual(len(down), 1)
        self.assertIn(f"deploy/demo start {down[0]} --dir '{self.folder / 'my démo'}'", said, "the hint is for this demo")
        again = self.demo("failover")
        self.assertEqual(again.returncode, 1, "not with a node that is down")
        self.assertIn(f"deploy/demo start {down[0]}", again.stdout)
        self.assertIn(f"{down[0]} is at work again", self.succeed("start", down[0]))
        self.assertTrue(self.status()["healthy"])

    def test_5_switchover(self):
        self.assertRegex(self.succeed("switchover"), r"rows lost +0 ")

    def test_6_two_demos_side_by_side(self):
        used = self.demo("up", "--port", str(self.ports), "--nodes", "1", folder="other")
        self.assertEqual(used.returncode, 1, "ports in use are refused")
        self.assertIn("in use", used.stdout)
        self.assertFalse((self.folder / "other").exists(), "nothing is made that would keep these ports")
        said = self.succeed("up", "--port", str(self.ports + 9), "--nodes", "1", "--sample", "20", folder="other")
        self.assertIn("900_sample applied", said)
        self.assertNotIn("warning", said)
        self.assertTrue(self.status()["healthy"], "the first one has not noticed")
        self.succeed("down", "--remove", folder="other")
        self.assertFalse((self.folder / "other").exists())

    def test_7_down_and_up_again(self):
        self.succeed("down")
        self.assertEqual(set(self.pids().values()), {(None, None, None)})
        for words in (("start", "node1"), ("failover",), ("switchover",)):
            done = self.demo(*words)
            self.assertEqual(done.returncode, 1)
            self.assertIn("is down; start it with: deploy/demo up --dir", done.stdout)
        self.assertEqual(set(self.pids().values()), {(None, None, None)}, "nothing was started")
        self.succeed("down")
        self.succeed("up")
        self.assertTrue(self.status()["healthy"])

    def test_7_harm_to_single_parts(self):
        self.assertIn(f"export PGAF_DEMO_DIR='{self.folder / 'my démo'}'\n", self.succeed("env"))
        before = self.pids()
        self.assertIn("killed the postmaster of", self.succeed("kill", "standby", "--postmaster"))
        self.assertIn("stands still", self.succeed("freeze", "node2"))
        self.assertIn("node2 goes on", self.succeed("thaw"))
        self.assertIn("stopped the monitor", self.succeed("stop", "monitor"))
        self.succeed("start", "monitor")
        self.assertIn("all nodes run already", self.succeed("start"))
        after = self.pids()
        self.assertEqual({name: each[:2] for name, each in after.items()}, {name: each[:2] for name, each in before.items()},
                         "no keeper or launcher was touched")
        self.assertTrue(self.status()["healthy"])

    def test_8_wrong_words(self):
        for words, says in ((("start", "nobody"), "there is no node nobody"), (("kill", "nobody"), "there is no node nobody"),
                            (("thaw", "nobody"), "there is no node nobody"), (("freeze",), "required: node"), (("up", "--port", "7"), "--port must be"),
                            (("dance",), "invalid choice")):
            done = self.demo(*words)
            self.assertIn(done.returncode, (1, 2))
            self.assertIn(says, done.stdout)


if __name__ == "__main__":
    main()
