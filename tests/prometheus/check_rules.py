#!/usr/bin/python3
"""Holds prometheus/ to what it promises, with Prometheus' own tools and one look at the files.

`promtool check config|rules`, `promtool test rules`, `amtool check-config`; and every alert has a severity, a summary, a
description, a section of its own in the handbook, a test in which it fires and one in which it does not. docs/metrics.md is
held to what the exporter asks and what is recorded.

    check_rules.py ROOT
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

HANDBOOK = "docs/05-monitoring-dashboard.md"
METRICS_PAGE = "docs/metrics.md"
SEVERITIES = {"critical", "warning", "info"}
# Alerts that are never quiet, and why.
ALWAYS = {"PgafWatchdog": "whoever receives it notices when it stays away"}


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def anchor_of(alert):
    """PgafNodeDown has the section "Node down", which Markdown links as #node-down."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert.removeprefix("Pgaf")).lower()


def anchors(text):
    """The anchors of a page's headings; what stands in a block of code is no heading."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def alerts_of(files):
    return [rule for file in files for group in read(file)["groups"] for rule in group["rules"] if "alert" in rule]


def looks_of(files):
    """For each alert, whether a test expects it to fire, and whether one expects it not to."""
    looks = {}
    for file in files:
        for test in read(file)["tests"]:
            for look in test["promql_expr_test"]:
                for name in re.findall(r'alertname="(\w+)",alertstate="firing"', look["expr"]):
                    looks.setdefault(name, set()).add(bool(look["exp_samples"]))
    return looks


def check_alerts(alerts, page, looks):
    wrong = []
    known = anchors(page)
    for rule in alerts:
        name, notes = rule["alert"], rule.get("annotations", {})
        if not re.fullmatch(r"Pgaf([A-Z][a-z]+)+", name):
            wrong.append(f"{name}: the name has to be Pgaf and words that begin with a capital")
        if rule.get("labels", {}).get("severity") not in SEVERITIES:
            wrong.append(f"{name}: labels: severity has to be one of {', '.join(sorted(SEVERITIES))}")
        for note in ("summary", "description"):
            if not notes.get(note):
                wrong.append(f"{name}: there is no annotation {note}")
        anchor = anchor_of(name)
        if notes.get("runbook_url") != f"{HANDBOOK}#{anchor}":
            wrong.append(f"{name}: runbook_url has to be {HANDBOOK}#{anchor}")
        if known.count(anchor) != 1:
            wrong.append(f"{name}: {HANDBOOK} has {known.count(anchor)} headings with the anchor #{anchor}, not one")
        elif f"`{name}`" not in page:
            wrong.append(f"{name}: {HANDBOOK} does not say its name")
        seen = looks.get(name, set())
        if True not in seen:
            wrong.append(f"{name}: no test in tests/prometheus expects it to fire")
        if False not in seen and name not in ALWAYS:
            wrong.append(f"{name}: no test in tests/prometheus expects it not to fire")
    names = [rule["alert"] for rule in alerts]
    wrong += [f"{name}: there are two alerts of this name" for name in sorted(set(names)) if names.count(name) > 1]
    return wrong


def check_metrics_page(root):
    """The page of metrics has what postgres-exporter is told to ask and what Prometheus records, and nothing else."""
    wrong = []
    queries = read(root / "prometheus/postgres-exporter/queries.yml")
    asked = {f"{prefix}_{name}" for prefix, query in queries.items() for metric in query["metrics"] for name, how in metric.items()
             if how["usage"] != "LABEL"}
    recorded = {rule["record"] for group in read(root / "prometheus/rules/recording.yml")["groups"] for rule in group["rules"]}
    text = (root / METRICS_PAGE).read_text(encoding="utf-8")
    for section, names in (("postgres-exporter", asked), ("Recorded by Prometheus", recorded)):
        body = text.split(f"\n## {section}\n", 1)[-1].split("\n## ", 1)[0]
        told = set(re.findall(r"^\| `([\w:]+)` \|", body, flags=re.M))
        wrong += [f"{METRICS_PAGE}: {section}: {name} is not told of" for name in sorted(names - told)]
        wrong += [f"{METRICS_PAGE}: {section}: there is no {name}" for name in sorted(told - names)]
    return wrong


def check_command(root, page):
    """The page's command that makes runbook_url a link does so, in a copy of the rules."""
    block = re.search(r"^```sh no-run=changes-the-files\S*\n(.*?)^```", page, flags=re.S | re.M)
    if not block:
        return [f"{HANDBOOK}: the command that makes runbook_url a link is gone"]
    with tempfile.TemporaryDirectory(prefix="pgaf-rules-") as folder:
        shutil.copytree(root / "prometheus", pathlib.Path(folder) / "prometheus")
        wrong = run("bash", "-ec", block[1], folder=folder)
        alerts = alerts_of(sorted(pathlib.Path(folder).glob("prometheus/rules/*.yml")))
    return wrong + [f"{HANDBOOK}: its command leaves {rule['alert']} with {rule['annotations']['runbook_url']}" for rule in alerts
                    if not re.fullmatch(rf"https://\S+/{HANDBOOK}#\S+", rule["annotations"]["runbook_url"])]


def check_names(config, alerts):
    """Every alert that Alertmanager's configuration names is one that there is."""
    names = [rule["alert"] for rule in alerts]
    matchers = [each for route in config["route"].get("routes", []) for each in route.get("matchers", [])]
    for rule in config.get("inhibit_rules", []):
        matchers += rule["source_matchers"] + rule["target_matchers"]
    wrong = []
    for matcher in matchers:
        pattern = re.fullmatch(r'alertname=~?"(.+)"', matcher)
        for part in pattern[1].split("|") if pattern else []:
            if not any(re.fullmatch(part, name) for name in names):
                wrong.append(f"alertmanager.yml: no alert is called {part}")
    return wrong


def run(*words, folder):
    done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    return [] if done.returncode == 0 else [f"{' '.join(str(word) for word in words)}:\n{done.stdout}{done.stderr}"]


def main(root):
    rules = sorted((root / "prometheus/rules").glob("*.yml"))
    tests = sorted((root / "tests/prometheus").glob("*.yml"))
    if not rules or not tests:
        sys.exit(f"there are no rules or no tests below {root}")
    alerts = alerts_of(rules)
    configuration = root / "prometheus/alertmanager/alertmanager.yml"
    page = root / HANDBOOK
    wrong = run("promtool", "check", "config", "prometheus/prometheus.yml", folder=root)
    wrong += run("promtool", "check", "rules", *rules, folder=root)
    wrong += run("promtool", "test", "rules", *(test.name for test in tests), folder=root / "tests/prometheus")
    wrong += run("amtool", "check-config", configuration, folder=root)
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    wrong += check_alerts(alerts, text, looks_of(tests))
    wrong += check_command(root, text)
    wrong += check_names(read(configuration), alerts)
    wrong += check_metrics_page(root)
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(alerts)} alerts, each with its tests and its section in the handbook")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
