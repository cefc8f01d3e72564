#!/usr/bin/python3
"""Bad input gets one clear error that says what to do, the right exit code, and nothing is lost or half-written."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import unittest

from harness import LiveCase, LocalError, free_ports, main, scratch_folder
from local.account import Account
from local.programs import built_folder, reachable_folder


class Programs(unittest.TestCase):
    """What the programs refuse before they do anything."""

    @classmethod
    def setUpClass(cls):
        cls.account = Account()
        cls.folder = scratch_folder()
        cls.account.own(cls.folder)
        cls.bin = reachable_folder(cls.account, cls.folder / "bin") if built_folder() else None
        cls.port = free_ports(4)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def refuse(self, code, says, *words):
        """Runs a program that has to end by itself, with this code and a message that holds these words."""
        done = subprocess.run([self.bin / words[0], *map(str, words[1:])], stdin=subprocess.DEVNULL, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20,
                              env={"PATH": os.environ["PATH"]}, **self.account.popen_options())
        self.assertEqual(done.returncode, code, done.stdout)
        for word in (says,) if isinstance(says, str) else says:
            self.assertIn(word, done.stdout)
        return done.stdout

    def file(self, name, text, mode=0o600):
        path = self.folder / name
        self.account.write(path, text, mode)
        return path

    def test_flags(self):
        for program in (["pgaf-monitor", "run"], ["pgaf-keeper", "run"], ["pgaf-launcher"], ["pgafctl", "show", "state"]):
            said = self.refuse(2, "--nonsense", *program, "--nonsense")
            self.assertLessEqual(len(said.splitlines()), 4, "one clear error")

    def test_configuration_files(self):
        for program in ("pgaf-monitor", "pgaf-keeper"):
            self.refuse(2, "/nowhere.toml", program, "run", "--config", "/nowhere.toml")
            for text, says in (("log_level = \n", ":1"), ("\n\nnonsense = 1\n", (":3", "nonsense")),
                               ("log_level = 'loud'\n", (":1", "loud", "info")), ("log_level = 7\n", ":1")):
                path = self.file(f"{program}.toml", text)
                self.refuse(2, (str(path), says) if isinstance(says, str) else (str(path), *says),
                            program, "run", "--config", path, "--check-config")

    def test_names(self):
        for name in ("Node1", "1node", "node_1", "n" * 25, "node1-"):
            path = self.file("keeper.toml", f'node = "{name}"\n')
            self.refuse(2, name, "pgaf-keeper", "run", "--config", path, "--check-config")

    def test_secrets_that_others_can_read(self):
        secret = self.file("secret", "word\n", 0o644)
        path = self.file("keeper.toml", f'''
            node = "node1"
            cluster = "default"
            monitor = ["127.0.0.1:{self.port}"]
            pgdata = "{self.folder}/data"
            launcher_socket = "{self.folder}/launcher.sock"
            host = "127.0.0.1"
            port = {self.port + 1}
            superuser_password_file = "{secret}"
            replication_password_file = "{secret}"
        ''')
        self.refuse(2, (str(secret), "chmod 600"), "pgaf-keeper", "run", "--config", path, "--check-config")

    def test_monitor_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.port))
            other.listen()
            for listen, http in ((self.port, self.port + 1), (self.port + 1, self.port)):
                path = self.file("monitor.toml", f'''
                    listen = "127.0.0.1:{listen}"
                    http_listen = "127.0.0.1:{http}"
                    store = "{self.folder}/store.db"
                ''')
                self.refuse(1, str(self.port), "pgaf-monitor", "run", "--config", path)

    def test_monitor_store_that_is_none(self):
        store = self.file("other.db", "this is no database\n" * 1000)
        path = self.file("monitor.toml", f'''
            listen = "127.0.0.1:{self.port}"
            http_listen = "127.0.0.1:{self.port + 1}"
            store = "{store}"
        ''')
        self.refuse(1, str(store), "pgaf-monitor", "run", "--config", path)
        self.assertIn("this is no database", store.read_text(), "it is left as it was")

    def test_launcher(self):
        self.refuse(2, "relative", "pgaf-launcher", "--pgdata", "relative", "--socket", self.folder / "s")
        self.refuse(2, "107", "pgaf-launcher", "--pgdata", self.folder / "pg", "--socket", self.folder / ("x" * 120))
        said = self.refuse(1, "/nowhere", "pgaf-launcher", "--pgdata", self.folder / "pg", "--socket", self.folder / "s",
                           "--bin-dir", "/nowhere")
        self.assertNotIn("terminate", said)

    def test_wrong_postgres_versions(self):
        data, programs = self.folder / "versions", self.folder / "fake"
        for folder in (data, programs):
            self.account.make_folder(folder)

        def refuse(version, programs_version, *says):
            self.account.write(data / "PG_VERSION", f"{version}\n")
            self.account.write(programs / "postgres", f"#!/bin/sh\necho 'postgres (PostgreSQL) {programs_version}'\n", 0o755)
            self.refuse(1, (str(data), *says), "pgaf-launcher", "--pgdata", data, "--socket", self.folder / "s",
                        *(["--bin-dir", programs] if programs_version else []))
            self.assertEqual([each.name for each in data.iterdir()], ["PG_VERSION"], "the folder is left as it was")

        refuse("15", "14.9", "PostgreSQL 15", "14.9", "--bin-dir")
        refuse("14", "15.20", "PostgreSQL 14", "15.20", "--bin-dir")
        refuse("99", "", "PostgreSQL 99", "install", "--bin-dir")
        refuse("nonsense", "15.20", "PG_VERSION")
        (data / "PG_VERSION").unlink()
        self.account.write(programs / "postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 12.3'\n", 0o755)
        self.refuse(1, ("12", "too old", "13"), "pgaf-launcher", "--pgdata", data, "--socket", self.folder / "s",
                    "--bin-dir", programs)

    def test_pgafctl(self):
        self.refuse(3, f"127.0.0.1:{self.port + 3}", "pgafctl", "--monitor", f"127.0.0.1:{self.port + 3}", "--timeout", "2",
                    "show", "state")
        self.refuse(2, ("nonsense", "standby-names", "pgafctl show --help"), "pgafctl", "show", "nonsense")
        self.refuse(2, "xml", "pgafctl", "-o", "xml", "show", "state")


class Clusters(LiveCase):
    """Bad input to a cluster that runs: it is told, and goes on."""

    def ctl_refuses(self, says, *words):
        done = self.cluster.ctl.run(*words)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn(says, done.stderr + done.stdout)

    def test_commands_that_make_no_sense(self):
        primary = self.cluster.primary().name
        self.ctl_refuses("nobody", "perform", "switchover", "--to", "nobody")
        self.assertIn("already", self.cluster.ctl.do("perform", "switchover", "--to", primary))
        self.ctl_refuses("nobody", "drop", "node", "nobody", "--yes")
        self.ctl_refuses("nobody", "enable", "maintenance", "--name", "nobody")
        self.ctl_refuses("number", "set", "cluster", "number-sync-standbys", "9")
        self.ctl_refuses("node-timeout", "set", "cluster", "node-timeout-ms", "1")
        self.ctl_refuses("nonsense", "set", "cluster", "nonsense", "1")
        done = self.cluster.ctl.run("drop", "node", primary)
        self.assertEqual(done.returncode, 5, "without a terminal it has to be said: --yes")
        self.assertTrue(self.cluster.is_healthy())

    def test_cluster_that_does_not_exist(self):
        done = self.cluster.ctl.run("show", "state", cluster="other")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("other", done.stderr)

    def wait_problem(self, node, *words):
        def look():
            status = self.status(node)
            said = status.get("problem", "")
            return said if any(word in said for word in words) else None

        return self.cluster.wait_for(look, 40, f"{node.name} to say its problem ({', '.join(words)})")

    def test_data_folder_of_another_cluster(self):
        """It is refused and left alone."""
        node = self.cluster.standbys()[0]
        with self.under_load(120):
            node.kill()
            aside = node.folder / "aside"
            os.rename(node.data, aside)
            self.cluster.account.make_folder(node.data)
            subprocess.run([next(iter(self.bin_dirs())) + "/initdb", "-D", str(node.data), "-U", "postgres"], check=True,
                           stdout=subprocess.DEVNULL, cwd="/", **self.cluster.account.popen_options())
            before = (node.data / "global" / "pg_control").read_bytes()
            node.start()
            self.wait_problem(node, "is another cluster's")
            self.assertIsNone(node.postmaster)
            self.assertEqual((node.data / "global" / "pg_control").read_bytes(), before)
            node.stop_without_handover()
            shutil.rmtree(node.data)
            os.rename(aside, node.data)
            node.start()

    @staticmethod
    def bin_dirs():
        return sorted(str(path) for path in pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[::-1]

    def test_data_folder_of_another_version(self):
        """A standby's folder is said to be of a version that is not installed: nothing is started, nothing is changed."""
        node = self.cluster.standbys()[0]
        with self.under_load(120):
            node.kill()
            file = node.data / "PG_VERSION"
            before = file.read_text()
            self.cluster.account.write(file, "14\n")
            control = (node.data / "global" / "pg_control").read_bytes()
            with contextlib.suppress(LocalError):
                node.start()
            self.assertTrue(node.launcher.wait_gone(20), "the launcher gives up")
            self.assertIn("PostgreSQL 14", node.launcher.last_words(20))
            self.assertIsNone(node.postmaster)
            self.assertEqual((node.data / "global" / "pg_control").read_bytes(), control)
            self.cluster.account.write(file, before)
            node.start()

    def test_port_of_the_keepers_http_in_use(self):
        node = self.cluster.standbys()[0]
        with self.under_load(120):
            node.keeper.stop(20)
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind(("127.0.0.1", node.http_port))
                other.listen()
                done = subprocess.run(node.keeper.argv, stdin=subprocess.DEVNULL, cwd="/", stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, timeout=20,
                                      **self.cluster.account.popen_options())
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(str(node.http_port), done.stdout)
            node.keeper.start()

    def test_port_of_postgres_in_use(self):
        node = self.cluster.standbys()[0]
        with self.under_load(120):
            node.kill()
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind(("127.0.0.1", node.port))
                other.listen()
                node.start()
                self.wait_problem(node, "in use", str(node.port))

    def test_corrupt_state_file(self):
        """One clear error, nothing is started, and nothing is thrown away; with the file moved away it goes on."""
        node = self.cluster.standbys()[0]
        with self.under_load(120):
            node.kill()
            file = node.state / "state.json"
            whole = file.read_bytes()
            file.write_bytes(whole[: len(whole) // 2])
            with contextlib.suppress(LocalError):
                node.start()
            self.assertTrue(node.keeper.wait_gone(20), "the keeper gives up")
            self.assertIsNone(node.postmaster, "a server without its promises is not started")
            self.assertIn("state.json", node.keeper.last_words(20))
            self.assertEqual(file.read_bytes(), whole[: len(whole) // 2], "it is left for whoever looks into it")
            node.stop_without_handover()
            file.unlink()
            node.start()

    def test_two_launchers_for_one_data_folder(self):
        node = self.cluster.primary()
        second = subprocess.run(
            [*node.launcher.argv[:-1], str(node.folder / "run" / "second.sock")], stdin=subprocess.DEVNULL, cwd="/",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, **self.cluster.account.popen_options())
        self.assertEqual(second.returncode, 1, second.stdout)
        self.assertIn(str(node.data), second.stdout)
        self.assertTrue(self.cluster.is_healthy())

    def test_second_keeper_of_one_node(self):
        """It can't be told from the first by its name, but by its data folder: there is only one."""
        node = self.cluster.standbys()[0]
        with self.under_load():
            second = subprocess.run(
                [*node.keeper.argv, "--http-listen", f"127.0.0.1:{free_ports(1)}"], stdin=subprocess.DEVNULL, cwd="/",
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20,
                **self.cluster.account.popen_options())
            self.assertEqual(second.returncode, 1, second.stdout)


if __name__ == "__main__":
    main()
