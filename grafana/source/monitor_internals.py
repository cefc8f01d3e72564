"""The monitor itself: does it decide, how long do its decisions take, whom does it hear?"""

from .parts import (CHOOSE_CLUSTER, CHOOSE_NODE, CLUSTER, GREEN, NODE, RATE, RED, UP_DOWN, YES_NO, dashboard, graph, number,
                    query, row, table, thresholds)

JOB = 'job="pgaf-monitor"'
NAME = "{{cluster}} {{node}}"


def quantiles(metric, matchers, by, legend):
    """The median, and what one in a hundred takes longer than."""
    return [query(f"histogram_quantile({share}, sum by ({by}le) (rate({metric}_bucket{{{matchers}}}{RATE})))",
                  f"{legend}{name}") for share, name in (("0.5", "median"), ("0.99", "99 %"))]


def now():
    return [
        row("Now"),
        number("Monitor", "Whether it answers Prometheus.", query(f"up{{{JOB}}}", "{{instance}}"), mappings=UP_DOWN),
        number("Decides", "Whether this monitor decides.", query("max by (instance) (pgaf_monitor_is_leader)", "{{instance}}"),
               mappings=YES_NO),
        number("Keeper sessions", "Open streams of keepers.", query("max by (instance) (pgaf_monitor_sessions)", "{{instance}}")),
        number("Size of the store", "The monitor's memory on the disk.",
               query("max by (instance) (pgaf_store_size_bytes)", "{{instance}}"), unit="bytes"),
        number("Memory", "Resident.", query(f"process_resident_memory_bytes{{{JOB}}}", "{{instance}}"), unit="bytes"),
        number("Running since", "When it was started.", query(f"1000 * process_start_time_seconds{{{JOB}}}", "{{instance}}"),
               unit="dateTimeAsIso"),
    ]


def decisions():
    return [
        row("Decisions"),
        graph("Time of a decision", "A step of a cluster's state machine, without storing it.",
              *quantiles("pgaf_decision_duration_seconds", JOB, "", ""), unit="s"),
        graph("Time of a commit", "Each decision is stored before anybody is told. The line: the alert.",
              *quantiles("pgaf_store_commit_seconds", JOB, "", ""), unit="s", steps=thresholds(GREEN, (0.25, RED))),
        graph("Decisions and commits", "A second.",
              query(f"sum(rate(pgaf_decision_duration_seconds_count{{{JOB}}}{RATE}))", "steps"),
              query(f"sum(rate(pgaf_store_commit_seconds_count{{{JOB}}}{RATE}))", "commits"), unit="ops"),
        graph("Events", "Lines of the event log, a second.",
              query(f"sum by (cluster, kind) (rate(pgaf_events_total{{{CLUSTER}}}{RATE}))", "{{cluster}} {{kind}}"), unit="ops"),
    ]


def heartbeats():
    return [
        row("Heartbeats"),
        graph("Reports", "That the monitor took from each keeper, a second.",
              query(f"sum by (cluster, node) (rate(pgaf_heartbeats_total{{{NODE}}}{RATE}))", NAME), unit="ops"),
        graph("Last heard", "Age of each node's last message. From node-timeout-ms (2.5 s) on a node is suspected.",
              query(f"max by (cluster, node) (pgaf_node_last_seen_seconds{{{NODE}}})", NAME), unit="s",
              steps=thresholds(GREEN, (2.5, RED))),
        graph("Time of a heartbeat", "From a keeper's report to the monitor's answer. The line: the alert.",
              *quantiles("pgaf_heartbeat_latency_seconds", NODE, "cluster, node, ", NAME + " "), unit="s",
              steps=thresholds(GREEN, (0.5, RED))),
        graph("Keepers that hear the monitor", "1: heard within node-timeout-ms.",
              query(f"max by (cluster, node) (pgaf_keeper_monitor_in_reach{{{NODE}}})", NAME), unit="none"),
        graph("Steps of keepers", "Steps carried out on PostgreSQL, and those that failed, a second.",
              query(f"sum by (cluster, node) (rate(pgaf_keeper_steps_total{{{NODE}}}{RATE}))", NAME),
              query(f"sum by (cluster, node) (rate(pgaf_keeper_failed_steps_total{{{NODE}}}{RATE}))", NAME + " failed"),
              unit="ops"),
        graph("Exits of PostgreSQL", "That each keeper has seen since it was started.",
              query(f"max by (cluster, node) (pgaf_keeper_postgres_exits_total{{{NODE}}})", NAME), unit="none"),
    ]


def process():
    return [
        row("Process, HTTP, scrapes"),
        graph("Processor time", "Share of one processor.",
              query(f"rate(process_cpu_seconds_total{{{JOB}}}{RATE})", "{{instance}}"), unit="percentunit"),
        graph("Open files", "Connections and files of the monitor.", query(f"process_open_fds{{{JOB}}}", "{{instance}}"),
              unit="none"),
        graph("HTTP requests", "A second, by code.",
              query(f"sum by (code) (rate(pgaf_http_requests_total{{{JOB}}}{RATE}))", "{{code}}"), unit="reqps"),
        graph("Time of a scrape", "How long each program took to tell its figures.",
              query('max by (job, instance) (scrape_duration_seconds{job=~"pgaf-.*"})', "{{job}} {{instance}}"), unit="s"),
        table("Versions", "What runs where.",
              query("max by (program, version, instance) (pgaf_build_info)", instant=True),
              columns={"program": "program", "version": "version", "instance": "address"}, size=(24, 7), hidden=("Value",)),
    ]


def build():
    return dashboard(
        "pgaf-monitor-internals", "pgaf: monitor internals",
        "The monitor itself: does it decide, how long do its decisions take, whom does it hear?",
        [CHOOSE_CLUSTER, CHOOSE_NODE], now() + decisions() + heartbeats() + process())
