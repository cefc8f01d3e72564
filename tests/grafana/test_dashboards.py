#!/usr/bin/python3
"""What neither the schema nor a Prometheus that scrapes four times a second can see of the dashboards: that a rate is taken
over a time in which there are two values, with the scrape intervals of prometheus/prometheus.yml; and that every state of
a node has a word."""

import json
import pathlib
import re
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A figure that a rate or an increase is taken of over Grafana's own interval.
RATED = re.compile(r"\b(?:rate|increase|changes)\((\w+)(?:\{[^}]*\})?\[\$__rate_interval\]\)")


def read(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def scraped_every():
    """job: seconds"""
    config = read("prometheus/prometheus.yml")
    return {job["job_name"]: seconds(job.get("scrape_interval", config["global"]["scrape_interval"]))
            for job in config["scrape_configs"]}


def job_of(figure):
    """Who tells it."""
    exported = {f"{group}_{name}" for group, query in read("prometheus/postgres-exporter/queries.yml").items()
                for metric in query["metrics"] for name in metric}
    if figure in exported:
        return "postgres-exporter"
    if figure.startswith("node_"):
        return "node-exporter"
    if figure.startswith(("pgaf_", "process_")):
        return "pgaf-keeper"
    raise AssertionError(f"who tells {figure}?")


def queries():
    for file in sorted((ROOT / "grafana/dashboards").glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                yield f"{file.stem} / {panel['title']}", target


class Dashboards(unittest.TestCase):
    def test_rates_see_two_values(self):
        """$__rate_interval is four times the query's own interval, or the data source's. That has to be no less than the
        interval at which the figure is scraped; with less, the panel is empty for ever."""
        source = next(each for each in read("grafana/provisioning/datasources/prometheus.yml")["datasources"]
                      if each["type"] == "prometheus")
        by_default, every = seconds(source["jsonData"]["timeInterval"]), scraped_every()
        self.assertEqual(by_default, min(every.values()))
        self.assertEqual(every["pgaf-monitor"], every["pgaf-keeper"])
        looked_at = set()
        for name, target in queries():
            self.assertEqual(len(RATED.findall(target["expr"])), target["expr"].count("$__rate_interval"), name)
            for figure in RATED.findall(target["expr"]):
                job = job_of(figure)
                looked_at.add(job)
                own = seconds(target["interval"]) if "interval" in target else by_default
                self.assertGreaterEqual(own, every[job], f"{name}: {figure} is told every {every[job]} s by {job}")
        self.assertEqual(looked_at, {"pgaf-keeper", "postgres-exporter", "node-exporter"})

    def test_every_state_has_a_word(self):
        header = (ROOT / "common/model/goal.h").read_text(encoding="utf-8")
        states = re.findall(r"\w+", re.search(r"BOOST_DEFINE_ENUM_CLASS\(NodeState,([^)]*)\)", header)[1])
        expression = next(target["expr"] for name, target in queries() if name == "cluster-health / State of each node")
        self.assertEqual(sorted(re.findall(r'state="(\w+)"', expression)), sorted(states))


if __name__ == "__main__":
    unittest.main()
