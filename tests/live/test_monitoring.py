#!/usr/bin/python3
"""A real cluster, watched by a real Prometheus with the project's rules: every panel has something to show, and the main
alerts fire, are told to whom they should be, and end."""

import concurrent.futures
import contextlib
import json
import re
import time

import yaml

from harness import Cluster, LiveCase, Load, LocalError, ROOT, free_ports, main, scratch_folder
from watchers import Watchers

# Panels of which some query may find nothing here, and why.
MAY_BE_EMPTY = {
    "pgaf: cluster health / Alerts that fire": "none need fire; it is looked at again when some do",
}
# Marks on the dashboards' graphs that a switchover does not make; they are looked at again when a primary is lost.
OF_A_LOSS = {"Failover"}

# Figures that rules use and that this test can't have, and why.
NOT_TOLD = {
    "pgaf_failovers_total": "told from the first failover on; the alert on it is made to fire below",
    "prometheus_notifications_errors_total": "told per Alertmanager, after the first try",
    "alertmanager_notifications_failed_total": "told per receiver, after the first notification",
}

VARIABLES = {"$__rate_interval": "20s", "$cluster": ".*", "$node": ".*", "$machine": ".*"}
# Words of PromQL that look like names of figures.
FIGURE = re.compile(r"(?<![\w:$\"])((?:pgaf|node|process|pg|up|alertmanager|prometheus)_[a-z0-9_]+|up)(?=[\[{)\s]|$)")


def filled_in(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression


def dashboards():
    files = sorted((ROOT / "grafana/dashboards").glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def rules():
    for file in sorted((ROOT / "prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


class Monitoring(LiveCase):
    watchers = None
    maxDiff = None

    @classmethod
    def make_cluster(cls):
        cls.folder = scratch_folder()
        cls.cluster = Cluster(cls.folder / "c", free_ports(24), settings=cls.settings, parameters={
            "shared_preload_libraries": "pg_stat_statements", "track_io_timing": "on"})
        cls.cluster.make(cls.size)
        cls.cluster.start()
        cls.cluster.wait_up()
        cls.cluster.primary().sql("CREATE EXTENSION pg_stat_statements")
        cls.load = Load(cls.cluster, cls.folder / "load.log")
        cls.watchers = Watchers(cls.cluster, cls.folder / "c" / "watchers")
        cls.watchers.start()
        cls.broken = False

    @classmethod
    def end_cluster(cls, keep_logs=False):
        if cls.watchers is not None:
            cls.watchers.stop()
            cls.watchers = None
        super().end_cluster(keep_logs)

    # ---- panels ---------------------------------------------------------------------------------------------------

    def look_at(self, target):
        """How many series a panel's query finds in the last half a minute, or now."""
        expression = filled_in(target["expr"])
        if target["instant"]:
            return len(self.watchers.query(expression))
        now = time.time()
        return len(self.watchers.ask("query_range", query=expression, start=now - 30, end=now, step=2)["result"])

    def empty_panels(self):
        """The queries that find nothing, without those that may. One that Prometheus refuses raises."""
        empty = []
        for dashboard in dashboards():
            for panel in dashboard["panels"]:
                for target in panel.get("targets", []):
                    name = f"{dashboard['title']} / {panel['title']}"
                    if not self.look_at(target) and name not in MAY_BE_EMPTY:
                        empty.append(f"{name}: {filled_in(target['expr'])}")
        return empty

    def unmarked(self, names=None):
        """Marks (all, or those of the names) that no dashboard would show on the last five minutes."""
        now = time.time()
        return sorted({mark["name"] for dashboard in dashboards() for mark in dashboard["annotations"]["list"]
                       if (names is None or mark["name"] in names) and not self.watchers.ask(
                           "query_range", query=filled_in(mark["expr"]), start=now - 300, end=now, step=2)["result"]})

    def test_1_every_panel_has_something_to_show(self):
        with self.under_load():
            self.watchers.wait(lambda: len(self.watchers.query("pgaf_keeper_up == 1")) == 3, 30, "all keepers to be scraped")
            self.cluster.ctl.run("perform", "switchover")
            self.cluster.wait_healthy()
            with contextlib.suppress(LocalError):
                self.watchers.wait(lambda: not self.empty_panels(), 40, "all panels to have something to show")
            empty = self.empty_panels()
        self.assertEqual(empty, [])
        panels = {f"{dashboard['title']} / {panel['title']}" for dashboard in dashboards() for panel in dashboard["panels"]}
        self.assertLessEqual(set(MAY_BE_EMPTY), panels)
        with contextlib.suppress(LocalError):
            self.watchers.wait(lambda: set(self.unmarked()) <= OF_A_LOSS, 20, "the switchover to be marked")
        self.assertLessEqual(set(self.unmarked()), OF_A_LOSS)
        for dashboard in dashboards():
            for variable in dashboard["templating"]["list"]:
                series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", filled_in(variable["query"]["query"])).groups()
                values = self.watchers.ask(f"label/{label}/values", **{"match[]": series})
                self.assertTrue(values, variable["query"]["query"])

    def test_2_every_figure_of_the_rules_is_told(self):
        """A rule that asks for a figure which nobody tells would be silent for ever."""
        asked = {name for rule in rules() for name in FIGURE.findall(rule["expr"])} - set(NOT_TOLD)
        self.assertGreater(len(asked), 30)
        with contextlib.suppress(LocalError):
            self.watchers.wait(lambda: asked <= self.watchers.metrics(), 40, "all figures to be told")
        self.assertEqual(sorted(asked - self.watchers.metrics()), [])
        failing = self.watchers.query("prometheus_rule_evaluation_failures_total > 0")
        self.assertEqual(failing, [])

    # ---- alerts ---------------------------------------------------------------------------------------------------

    def wait_firing(self, name, limit=20, **labels):
        def look():
            return self.watchers.firing(name, **labels)

        return self.watchers.wait(look, limit, f"{name} {labels or ''} at Alertmanager")

    def wait_over(self, name, limit=30, **labels):
        matchers = ",".join(f'{label}="{value}"' for label, value in {"alertname": name, **labels}.items())
        self.watchers.wait(lambda: not self.watchers.query(f"ALERTS{{{matchers}}}"), limit, f"{name} {labels} to be over")

    def told(self, name):
        return [labels for status, labels in self.watchers.receiver.told if status == "firing" and labels["alertname"] == name]

    def test_3_a_lost_primary_is_told(self):
        self.wait_over("PgafNodeDown")
        self.wait_over("PgafNoPrimary")
        with self.under_load():
            lost = self.cluster.primary()
            lost.kill()
            began = time.monotonic()
            self.wait_firing("PgafNodeDown", node=lost.name, severity="critical")
            self.wait_firing("PgafFailoverHappened", cluster=self.cluster.name)
            # It follows from the node's loss, and nobody is told twice.
            keeper = self.watchers.wait(
                lambda: [each for each in self.watchers.firing("PgafKeeperDown", node=lost.name) if each["inhibited"]], 20,
                "PgafKeeperDown to be inhibited by PgafNodeDown")
            self.watchers.wait(lambda: self.told("PgafNodeDown"), 20, "the receiver to be told of PgafNodeDown")
            print(f"  the loss of {lost.name} was told after {time.monotonic() - began:.1f} s", flush=True)
            lost.start()
        self.assertEqual(len(keeper), 1)
        shown = [target for dashboard in dashboards() for panel in dashboard["panels"]
                 if f"{dashboard['title']} / {panel['title']}" in MAY_BE_EMPTY for target in panel["targets"]]
        self.assertTrue(shown and all(map(self.look_at, shown)), "an alert that fires is on the dashboard")
        self.assertEqual(self.unmarked(OF_A_LOSS), [])
        self.wait_over("PgafNodeDown", node=lost.name)

    def test_4_a_lost_monitor_is_told(self):
        self.cluster.monitor.kill()
        self.wait_firing("PgafMonitorDown", severity="critical")
        self.watchers.wait(
            lambda: [each for each in self.watchers.firing("PgafMonitorOutOfReach") if each["inhibited"]], 20,
            "PgafMonitorOutOfReach to be inhibited by PgafMonitorDown")
        self.watchers.wait(lambda: self.told("PgafMonitorDown"), 20, "the receiver to be told of PgafMonitorDown")
        # What only the monitor tells is gone, and yet a node that is lost now is seen.
        lost = self.cluster.nodes[0]
        lost.kill()
        self.wait_firing("PgafKeeperDown", node=lost.name)
        lost.start()
        self.cluster.monitor.start()
        self.wait_over("PgafMonitorDown")
        self.cluster.wait_healthy()

    def test_5_a_deadlock_is_told(self):
        """From PostgreSQL's statistics by way of a keeper to the receiver."""
        primary = self.cluster.primary()
        primary.sql("CREATE TABLE crossing (id int PRIMARY KEY, n int); INSERT INTO crossing VALUES (1, 0), (2, 0)")
        series = f'pgaf_postgres_deadlocks_total{{database="postgres",node="{primary.name}"}}'
        self.watchers.wait(lambda: self.watchers.query(series), 30, f"{series} to be told")

        def cross(first, then):
            with contextlib.suppress(LocalError):
                primary.sql(f"BEGIN; UPDATE crossing SET n = 1 WHERE id = {first}; SELECT pg_sleep(1); "
                            f"UPDATE crossing SET n = 1 WHERE id = {then}; COMMIT")

        with concurrent.futures.ThreadPoolExecutor() as sessions:
            sessions.map(cross, (1, 2), (2, 1))
        self.wait_firing("PgafDeadlocks", limit=40, node=primary.name, database="postgres")
        self.watchers.wait(lambda: self.told("PgafDeadlocks"), 20, "the receiver to be told of PgafDeadlocks")

    def test_6_a_cluster_that_can_not_go_on_is_told(self):
        """First nobody could take over; then nobody can write. Of the second alone people are told again."""
        primary = self.cluster.primary()
        for node in self.cluster.nodes:
            if node is not primary:
                node.kill()
        self.wait_firing("PgafFailoverNotPossible", severity="warning")
        primary.kill()
        self.wait_firing("PgafNoPrimary", severity="critical")
        self.watchers.wait(
            lambda: [each for each in self.watchers.firing("PgafFailoverNotPossible") if each["inhibited"]], 20,
            "PgafFailoverNotPossible to be inhibited by PgafNoPrimary")
        self.watchers.wait(lambda: self.told("PgafNoPrimary"), 20, "the receiver to be told of PgafNoPrimary")
        for node in self.cluster.nodes:
            node.start()
        self.cluster.wait_healthy()
        self.wait_over("PgafNoPrimary")
        self.wait_over("PgafFailoverNotPossible")


if __name__ == "__main__":
    main()
