"""Prometheus with the project's rules, Alertmanager and both exporters, on free ports, watching a local cluster.

Everything is the project's own configuration: only addresses, and times that would make a test long, are changed in a copy.
"""

import http.server
import json
import re
import threading
import urllib.error
import urllib.parse
import urllib.request

import yaml

from harness import LocalError, ROOT, free_ports, processes
from local.processes import Process

# Who postgres-exporter is; no more than the right to see the statistics.
WATCHER, PASSWORD = "pgaf_watcher", "only-of-this-test"


def get(url, data=None, limit=10):
    """The answer, as JSON. Prometheus explains in the body of an error what it does not like."""
    try:
        with urllib.request.urlopen(url, data=data, timeout=limit) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise LocalError(f"{url}: {error.code}: {error.read().decode(errors='replace')}") from None
    except OSError as error:
        raise LocalError(f"{url}: {error}") from None


class Receiver:
    """What an operator would fill in as a webhook: keeps the names of the alerts that it was told of."""

    def __init__(self, port):
        told = self.told = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.extend((alert["status"], alert["labels"]) for alert in body["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *words):
                pass

        self.url = f"http://127.0.0.1:{port}/"
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Watchers:
    def __init__(self, cluster, folder):
        self.cluster = cluster
        self.folder = cluster.account.make_folder(folder)
        ports = free_ports(5)
        self.prometheus, self.alertmanager, self.exporter, self.machine = (f"127.0.0.1:{ports + n}" for n in range(4))
        self.receiver = Receiver(ports + 4)
        self._write_configuration()
        self._processes = self._programs()

    # ---- configuration --------------------------------------------------------------------------------------------

    def _write(self, name, text):
        self.cluster.account.write(self.folder / name, text)
        return self.folder / name

    def _targets(self, job):
        """The same scrape job, for this cluster's addresses."""
        monitor = self.cluster.monitor
        known = {
            "pgaf-monitor": [{"targets": [f"{monitor.address}:{monitor.http_port}"]}],
            "pgaf-keeper": [{"targets": [f"{node.address}:{node.http_port}"],
                             "labels": {"cluster": self.cluster.name, "node": node.name}} for node in self.cluster.nodes],
            "postgres-exporter": [{"targets": [self.exporter]}],
            "node-exporter": [{"targets": [self.machine]}],
            "prometheus": [{"targets": [self.prometheus]}],
            "alertmanager": [{"targets": [self.alertmanager]}],
        }
        often = job["job_name"].startswith("pgaf-")
        return {**job, "static_configs": known[job["job_name"]], "scrape_interval": "250ms" if often else "1s",
                "scrape_timeout": "250ms" if often else "1s"}

    def _write_configuration(self):
        source = ROOT / "prometheus"
        config = yaml.safe_load((source / "prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "500ms"}
        config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [self.alertmanager]}]}]
        config["scrape_configs"] = [self._targets(job) for job in config["scrape_configs"]]
        self._write("prometheus.yml", yaml.safe_dump(config))

        self.cluster.account.make_folder(self.folder / "rules")
        for file in sorted((source / "rules").glob("*.yml")):
            text = file.read_text(encoding="utf-8")
            self._write(f"rules/{file.name}", re.sub(r"^( +for:) .*$", r"\1 1s", text, flags=re.M))

        config = yaml.safe_load((source / "alertmanager/alertmanager.yml").read_text(encoding="utf-8"))
        for route in (config["route"], *config["route"]["routes"]):
            route.update(group_wait="1s", group_interval="1s")
        operators = next(each for each in config["receivers"] if each["name"] == "operators")
        operators["webhook_configs"] = [{"url": self.receiver.url}]
        self._write("alertmanager.yml", yaml.safe_dump(config))
        self._write("queries.yml", (source / "postgres-exporter/queries.yml").read_text(encoding="utf-8"))

    # ---- programs -------------------------------------------------------------------------------------------------

    def _program(self, name, *words, environment=None):
        # The folder stands in each command line, so that the guard finds them all.
        return Process(name, [f"/usr/bin/{name}", *words], self.folder / f"{name}.pid", self.folder / f"{name}.log",
                       self.cluster.account, {**(environment or {}), "GOMAXPROCS": "1"})

    def _programs(self):
        servers = ",".join(f"postgresql://{WATCHER}:{PASSWORD}@{node.address}:{node.port}/postgres?sslmode=disable"
                           for node in self.cluster.nodes)
        return [
            self._program("prometheus-node-exporter", f"--web.listen-address={self.machine}",
                          f"--collector.textfile.directory={self.folder}", "--log.level=warn"),
            self._program("prometheus-postgres-exporter", f"--web.listen-address={self.exporter}",
                          f"--extend.query-path={self.folder / 'queries.yml'}", "--disable-default-metrics",
                          "--disable-settings-metrics", "--no-collector.database", "--no-collector.bgwriter",
                          environment={"DATA_SOURCE_NAME": servers}),
            self._program("prometheus-alertmanager", f"--config.file={self.folder / 'alertmanager.yml'}",
                          f"--storage.path={self.folder / 'alertmanager'}", f"--web.listen-address={self.alertmanager}",
                          "--cluster.listen-address="),
            self._program("prometheus", f"--config.file={self.folder / 'prometheus.yml'}",
                          f"--storage.tsdb.path={self.folder / 'prometheus'}", f"--web.listen-address={self.prometheus}",
                          "--storage.tsdb.retention.time=1h", "--log.level=warn"),
        ]

    def start(self):
        self.cluster.primary().sql(
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{WATCHER}') THEN "
            f"CREATE ROLE {WATCHER} LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor; END IF; END $$")
        for process in self._processes:
            process.start()
        jobs = {"pgaf-monitor", "pgaf-keeper", "postgres-exporter", "node-exporter", "prometheus", "alertmanager"}
        self.wait(lambda: {labels["job"] for labels, _ in self.query("up == 1")} == jobs, 60, "all targets to be scraped")
        self.wait(lambda: self.firing("PgafWatchdog"), 60, "the first alert at Alertmanager")

    def stop(self):
        for process in self._processes:
            process.kill()
        self.receiver.close()

    def logs(self):
        return [process.log_file for process in self._processes]

    def wait(self, condition, limit, what):
        """Until it gives something true. A program that ended says why at once."""
        def look():
            for process in self._processes:
                if process.pid is None:
                    raise LocalError(f"{process.name} does not run; {process.last_words()}")
            try:
                return condition()
            except LocalError as error:
                # Not yet.
                if "Connection refused" in str(error) or ": 503: " in str(error):
                    return None
                raise

        return processes.wait_until(look, limit, what, 0.2)

    # ---- questions ------------------------------------------------------------------------------------------------

    def ask(self, path, **arguments):
        words = urllib.parse.urlencode(arguments, doseq=True)
        return get(f"http://{self.prometheus}/api/v1/{path}?{words}")["data"]

    def query(self, expression):
        """The labels and the value of each series, now."""
        found = self.ask("query", query=expression)["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def firing(self, name, **labels):
        """The labels of the alerts of this name that Alertmanager knows of, inhibited or not."""
        found = get(f"http://{self.alertmanager}/api/v2/alerts?" + urllib.parse.urlencode(
            {"filter": [f'alertname="{name}"', *(f'{label}="{value}"' for label, value in labels.items())]}, doseq=True))
        return [{**each["labels"], "inhibited": bool(each["status"]["inhibitedBy"])} for each in found]

    def metrics(self):
        return set(self.ask("label/__name__/values"))
