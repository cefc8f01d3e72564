#!/usr/bin/python3
"""docker-compose.yml and its environment files as text: what is promised of names, addresses, ports and passwords holds.
Nothing is started; tests/compose runs the stack."""

import ipaddress
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
# service: last part of its address in 172.28.0.0/16, ports
TABLE = {
    "pgaf-monitor": (5, {5431, 8431}),
    "postgres-primary": (10, {5432}),
    "postgres-replica1": (11, {5433}),
    "postgres-replica2": (12, {5434}),
    "keeper-primary": (13, {8008}),
    "keeper-replica1": (14, {8009}),
    "keeper-replica2": (15, {8010}),
    "postgres-exporter": (20, set()),
    "prometheus": (21, {9090}),
    "alertmanager": (23, {9093}),
    "grafana": (30, {3000}),
    "haproxy": (40, {5000, 5001}),
    "schema": (41, set()),
}
# Who is asked for a password; what the others are published on is for operators.
FOR_CLIENTS = {5432, 5433, 5434, 5000, 5001, 3000}
PRIORITIES = {"primary": "100", "replica1": "90", "replica2": "80"}
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(:[-?][^}]*)?\}")


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def settings(name):
    lines = [line for line in text(name).splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def required(*names):
    """Variables that compose refuses to start without."""
    return {found[0] for name in names for found in VARIABLE.findall(text(name)) if found[1].startswith(":?")}


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.compose = yaml.safe_load(text("docker-compose.yml"))
        cls.services = cls.compose["services"]

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pgaf-unit-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_names_addresses_and_ports(self):
        self.assertEqual(self.compose["networks"]["pgaf"]["ipam"]["config"][0]["subnet"], "172.28.0.0/16")
        for service, (last, ports) in TABLE.items():
            one = self.services[service]
            self.assertEqual(one["networks"]["pgaf"]["ipv4_address"], f"172.28.0.{last}", service)
            published = [re.fullmatch(r"\$\{PGAF_(BIND|ADMIN)_ADDRESS[^}]*\}:(\d+):(\d+)", port) for port in one.get("ports", [])]
            self.assertNotIn(None, published, service)
            self.assertEqual({int(port[2]) for port in published}, ports, service)
            self.assertTrue(all(port[2] == port[3] for port in published), service)
            self.assertTrue(all((port[1] == "BIND") == (int(port[2]) in FOR_CLIENTS) for port in published), service)
        self.assertEqual(set(self.services) - set(TABLE), {"node-exporter"})
        addresses = [one["networks"]["pgaf"]["ipv4_address"] for one in self.services.values()]
        self.assertEqual(len(set(addresses)), len(addresses), "no two with the same address, and none without")
        self.assertEqual(self.services["haproxy"]["profiles"], ["proxy"])

    def test_sidecars_fit_their_nodes(self):
        for name, priority in PRIORITIES.items():
            postgres, keeper = self.services[f"postgres-{name}"], self.services[f"keeper-{name}"]
            environment = keeper["environment"]
            self.assertEqual(postgres["volumes"], keeper["volumes"])
            self.assertEqual(environment["PGAF_KEEPER_NODE"], name)
            self.assertEqual(environment["PGAF_KEEPER_CANDIDATE_PRIORITY"], priority)
            self.assertEqual(environment["PGAF_KEEPER_HOST"], postgres["networks"]["pgaf"]["ipv4_address"])
            self.assertEqual(environment["PGAF_KEEPER_PORT"], postgres["environment"]["PGPORT"])
            self.assertIn(f":{environment['PGAF_KEEPER_PORT']}:", postgres["ports"][0])
            self.assertIn(f":{environment['PGAF_KEEPER_HTTP_LISTEN'].split(':')[1]}:", keeper["ports"][0])
        monitor_first = self.services["keeper-primary"]["depends_on"]["pgaf-monitor"]
        self.assertEqual(monitor_first, {"condition": "service_healthy"})
        volumes = [self.services[f"postgres-{name}"]["volumes"] for name in PRIORITIES]
        self.assertEqual(len({volume for both in volumes for volume in both}), 6)

    def test_all_are_limited_and_confined(self):
        for service, one in self.services.items():
            self.assertTrue({"mem_limit", "cpus", "restart", "logging"} <= one.keys(), service)
            self.assertEqual((one["read_only"], one["cap_drop"], one["security_opt"]),
                             (True, ["ALL"], ["no-new-privileges:true"]), service)
            self.assertNotIn("privileged", one)
        for volume in (v for one in self.services.values() for v in one.get("volumes", [])):
            source, _, mode = volume.partition(":")[0], *volume.partition(":")[2].partition(":")[::2]
            if source.startswith((".", "/")):
                self.assertTrue(mode.startswith("ro"), volume)
            else:
                self.assertIn(source, self.compose["volumes"], volume)

    def test_what_is_mounted_is_there(self):
        for volume in (v for one in self.services.values() for v in one.get("volumes", []) if v.startswith("./")):
            self.assertTrue((ROOT / volume.split(":")[0]).exists(), volume)

    def test_all_say_whether_they_are_well(self):
        """Images of ours have their check inside; published ones, which differ in that, are given one here."""
        for service, one in self.services.items():
            self.assertTrue("build" in one or "test" in one.get("healthcheck", {}), service)

    def test_environment_files(self):
        test, example = settings(".env.test"), settings(".env.example")
        base, production = required("docker-compose.yml"), required("docker-compose.production.yml")
        self.assertTrue({"PGAF_POSTGRES_PASSWORD", "PGAF_REPLICATION_PASSWORD", "PGAF_BIND_ADDRESS", "PGAF_GRAFANA_PASSWORD"} <= base)
        self.assertEqual(set(test), base, "what has to be set, .env.test sets")
        self.assertEqual(set(example), base | production)
        self.assertEqual({value for value in example.values() if value}, set(), "nothing has a default there")
        # Well-known passwords are for this machine alone, and not for production.
        self.assertEqual(test["PGAF_BIND_ADDRESS"], "127.0.0.1")
        self.assertTrue(production - set(test))
        self.assertEqual((test["PGAF_GRAFANA_USER"], test["PGAF_GRAFANA_PASSWORD"]), ("admin", "admin"))
        for file in ("docker-compose.yml", "docker-compose.production.yml"):
            for name, rest in VARIABLE.findall(text(file)):
                self.assertTrue("PASSWORD" not in name or not rest.startswith(":-"), f"{file}: {name} has a default")
                optional = f"#{name}=" in text(".env.example") or name.endswith("_IMAGE") or name == "PGAF_PROGRAMS"
                self.assertTrue(name in example or optional, f"{file}: {name} is not explained in .env.example")

    def test_production_lets_fewer_in(self):
        """Asked as PostgreSQL does: the first line that fits counts, and without one nobody is let in."""
        hba = yaml.safe_load(text("docker-compose.production.yml"))["x-keeper-environment"]["PGAF_KEEPER_HBA"]
        filled_in = hba.replace("${PGAF_CLIENT_NETWORK}", "10.20.0.0/24").replace("${PGAF_CLIENT_ACCESS:-}", "")
        lines = [line.split() for line in filled_in.split(";") if line.strip()]
        self.assertEqual({line[-1] for line in lines}, {"scram-sha-256", "reject"})

        def let_in(role, database, address):
            return next((line[4] != "reject" for line in lines
                         if line[1] in ("all", database)
                         and (line[2] == "all" or role in line[2].split(","))
                         and (line[3] == "all" or ipaddress.ip_address(address) in ipaddress.ip_network(line[3]))), False)

        machine, exporter, proxy, schema, client, stranger = (
            "172.28.0.1", "172.28.0.20", "172.28.0.40", "172.28.0.41", "10.20.0.7", "10.30.0.7")
        for service, address in (("postgres-exporter", exporter), ("haproxy", proxy), ("schema", schema)):
            self.assertEqual(self.services[service]["networks"]["pgaf"]["ipv4_address"], address)
        for role, database, wanted in (("postgres", "postgres", {machine, schema}), ("clinic_monitoring", "clinic", {exporter}),
                                       ("clinic_app", "clinic", {machine, proxy, client}), ("clinic_report", "postgres", {machine}),
                                       ("somebody", "clinic", {machine})):
            found = {address for address in (machine, exporter, proxy, schema, client, stranger) if let_in(role, database, address)}
            self.assertEqual(found, wanted, f"{role} in {database}")

    @unittest.skipUnless(shutil.which("docker-compose"), "docker-compose is not installed")
    def test_compose_reads_them(self):
        """docker-compose 1.29, which asks no engine for this: with the test's environment, with production's as it comes, and
        with that filled in."""
        def config(environment, *files):
            return subprocess.run(["docker-compose", *(word for file in files for word in ("-f", ROOT / file)), "--env-file",
                                   environment, "config"], capture_output=True, text=True, check=False, timeout=60,
                                  env={"PATH": "/usr/bin:/bin"})
        both = ("docker-compose.yml", "docker-compose.production.yml")
        done = config(ROOT / ".env.test", "docker-compose.yml")
        self.assertEqual(done.returncode, 0, done.stderr)
        for service, one in yaml.safe_load(done.stdout)["services"].items():
            self.assertTrue(all(str(port).startswith("127.0.0.1:") for port in one.get("ports", [])), service)
        self.assertIn("PGAF_GRAFANA_URL", config(ROOT / ".env.test", *both).stderr)
        refused = config(ROOT / ".env.example", *both)
        self.assertNotEqual(refused.returncode, 0)
        self.assertRegex(refused.stderr, "PGAF_[A-Z_]+.*see .env.example")
        (self.folder / "env").write_text("".join(f"{name}={'10.20.0.0/24' if 'NETWORK' in name else '10.20.0.1'}\n"
                                                 for name in settings(".env.example")), encoding="utf-8")
        done = config(self.folder / "env", *both)
        self.assertEqual(done.returncode, 0, done.stderr)
        services = yaml.safe_load(done.stdout)["services"]
        for service, one in services.items():
            for address, port, _ in (published.split(":") for published in one.get("ports", [])):
                self.assertEqual(address, "10.20.0.1" if int(port) in FOR_CLIENTS else "127.0.0.1", service)
        self.assertIn("log_connections=on", services["keeper-replica2"]["environment"]["PGAF_KEEPER_PARAMETERS"])
        self.assertEqual(services["keeper-replica2"]["environment"]["PGAF_KEEPER_NODE"], "replica2")

    def test_continuous_integration(self):
        """Runs the README's command, and the test that this one leaves out."""
        jobs = yaml.safe_load(text(".github/workflows/tests.yml"))["jobs"].values()
        commands = [line.split("|")[0].split() for job in jobs for step in job["steps"] for line in step.get("run", "").splitlines()]
        self.assertIn(["tests/run"], commands)
        self.assertIn(["tests/run", "compose", "machines", "--verbose"], commands)
        for users in ("cp .env.test .env", "docker compose --env-file .env up -d --build"):
            self.assertIn(users.split(), commands)
            self.assertIn(users, text("README.md"))
        self.assertIn("\ntests/run ", text("README.md"))

    def test_dashboards_are_checked_for_the_grafana_that_shows_them(self):
        version = VARIABLE.search(self.services["grafana"]["image"])[2].rpartition(":")[2]
        packages = json.loads(text("tests/grafana/package.json"))["devDependencies"]
        self.assertEqual(packages["@grafana/schema"], version)

    def test_images_have_what_they_compile(self):
        """The Dockerfile's own words for cmake, on what its context has, where there is no Python as in its stage."""
        words = re.search(r"RUN cmake -S /src -B /build (.*?) \\\n", text("deploy/docker/Dockerfile"))[1].split()
        targets = re.search(r"cmake --build /build --parallel \$JOBS --target (.*?) \\\n", text("deploy/docker/Dockerfile"))[1].split()
        source, build = self.folder / "src", self.folder / "build"
        for line in text(".dockerignore").splitlines():
            if line.startswith("!") and (ROOT / line[1:]).is_dir():
                shutil.copytree(ROOT / line[1:], source / line[1:])
            elif line.startswith("!"):
                source.mkdir(exist_ok=True)
                shutil.copy2(ROOT / line[1:], source)
        for command in (["cmake", "-S", source, "-B", build, *words, "-DCMAKE_DISABLE_FIND_PACKAGE_Python3=TRUE"],
                        ["ninja", "-C", build, "-n", *targets]):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
            self.assertEqual(done.returncode, 0, done.stdout[-1000:] + done.stderr[-2000:])

    def test_packages_are_those_of_install_deps(self):
        known = set(subprocess.run([ROOT / "deploy/install-deps", "--list"], capture_output=True, text=True, check=True).stdout.split())
        # In the images only: what PostgreSQL's package needs before it can be told to make no server.
        known |= {"postgresql-common", "ca-certificates"}
        dockerfile = text("deploy/docker/Dockerfile").replace("$PG_MAJOR", "15").replace('"', "")
        installs = re.findall(r"install --no-install-recommends ((?:[^&]|\n)*?)&&", dockerfile)
        packages = {word for words in installs for word in words.replace("\\", " ").split()}
        self.assertGreater(len(packages), 20)
        self.assertEqual(packages - known, set())

    def test_what_is_compiled_gets_into_the_images_build(self):
        """All that CMake asks for but the tests, and nothing that .dockerignore keeps out."""
        copied = set(re.findall(r"^COPY (?!--from)(\S+) ", text("deploy/docker/Dockerfile"), re.M))
        asked = set(re.findall(r"^add_subdirectory\((\w+)\)$", text("CMakeLists.txt"), re.M)) | {"CMakeLists.txt", "cmake"}
        self.assertEqual(asked - copied, set())
        let_in = [line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")]
        for source in copied:
            self.assertTrue((ROOT / source).exists(), source)
            self.assertTrue(any(pathlib.PurePath(source).is_relative_to(one) for one in let_in), f"{source} is ignored")

    def test_readmes_have_the_handbooks_commands(self):
        """Which tests/compose runs as they stand in the handbook."""
        for readme in ("README.md", "deploy/docker/README.md"):
            commands = [line for line in text(readme).splitlines() if line.startswith("docker compose --env-file .env ")]
            self.assertTrue(commands, readme)
            for command in commands:
                self.assertIn(f"\n{command}\n", text("docs/01-setup-instructions.md"), readme)


class Scripts(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pgaf-unit-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_show_state(self):
        """What is asked of pgafctl, and its exit code."""
        fake = self.folder / "pgafctl"
        fake.write_text('#!/bin/sh\necho "$@"\nexit 3\n', encoding="ascii")
        fake.chmod(0o755)
        environment = {"PATH": f"{self.folder}:/usr/bin:/bin"}
        done = subprocess.run(["bash", ROOT / "deploy/docker/bin/show-state.sh", "--cluster", "other"], env=environment,
                              capture_output=True, text=True, check=False, timeout=10)
        self.assertEqual((done.stdout.strip(), done.returncode),
                         ("--monitor 127.0.0.1:5431 -o json show state --cluster other", 3))

    def test_wait_for_launcher(self):
        path = self.folder / "launcher.sock"
        with socket.socket(socket.AF_UNIX) as launcher:
            launcher.bind(str(path))
            waiting = subprocess.Popen([ROOT / "deploy/docker/bin/wait-for-launcher", path])
            with self.assertRaises(subprocess.TimeoutExpired):
                waiting.wait(0.5)
            path.unlink()
            self.assertEqual(waiting.wait(10), 0)


class Probe(unittest.TestCase):
    """deploy/docker/bin/probe against a port that answers one line."""

    def probe(self, answer):
        server = subprocess.Popen([sys.executable, "-c", (
            "import socket, sys\n"
            "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
            "c, _ = s.accept(); asked = c.makefile('rb')\n"
            "while asked.readline().strip(): pass\n"  # the whole request: who hangs up on the half of it ends the probe
            "c.sendall(sys.argv[1].encode())"), answer],
            stdout=subprocess.PIPE, text=True)
        try:
            port = server.stdout.readline().strip()
            done = subprocess.run([ROOT / "deploy/docker/bin/probe", port, "/readyz"], capture_output=True, text=True, check=False,
                                  timeout=10)
            return done.returncode
        finally:
            server.kill()
            server.communicate()

    def test_only_200_is_well(self):
        self.assertEqual(self.probe("HTTP/1.1 200 OK\r\n\r\n"), 0)
        for bad in ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HELLO 200 OK\r\n\r\n", ""):
            self.assertEqual(self.probe(bad), 1, bad)

    def test_words(self):
        def code(*words):
            return subprocess.run([ROOT / "deploy/docker/bin/probe", *words], capture_output=True, check=False, timeout=10).returncode
        self.assertEqual(code(), 2)
        self.assertEqual(code("8008", "liveness"), 2)
        self.assertEqual(code("1", "/liveness"), 1)


if __name__ == "__main__":
    unittest.main()
