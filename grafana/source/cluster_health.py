"""Is there a primary, who could take over, how far behind are the others, and what has happened?"""

from .parts import (BLUE, CHOOSE_CLUSTER, CHOOSE_NODE, CLUSTER, GREEN, GREY, NODE, ORANGE, RED, UP_DOWN, YELLOW, YES_NO,
                    dashboard, graph, number, query, row, table, thresholds, timeline, words)

# The states of a node, as `pgafctl show state` calls them.
STATES = {
    "init": GREY, "single": GREEN, "wait_primary": YELLOW, "primary": GREEN, "catchingup": YELLOW, "secondary": BLUE,
    "draining": ORANGE, "demoted": ORANGE, "report_lsn": ORANGE, "fast_forward": ORANGE, "prepare_promotion": ORANGE,
    "maintenance": "purple", "dropped": GREY,
}


def state_number():
    """One series a node from one a state: the number of the state that is 1, in the order above."""
    parts = [f'{place} * pgaf_node_state{{{NODE},state="{state}"}}' for place, state in enumerate(STATES, 1)]
    return "max by (cluster, node) (" + " or ".join(parts) + ")"


def now():
    return [
        row("Now"),
        number("Primary", "The node that the monitor calls the primary.",
               query(f'max by (node) (pgaf_node_role{{{CLUSTER},role="primary"}}) == 1', "{{node}}"), by_name=True),
        number("Takes writes", "Whether a primary takes writes.",
               query(f"max by (cluster) (pgaf_cluster_has_primary{{{CLUSTER}}})", "{{cluster}}"), mappings=YES_NO),
        number("Failover ready", "Whether the cluster would go on by itself if the primary were lost now.",
               query(f"max by (cluster) (pgaf_cluster_failover_ready{{{CLUSTER}}})", "{{cluster}}"), mappings=YES_NO),
        number("Healthy", "What pgafctl show state calls healthy.",
               query(f"max by (cluster) (pgaf_cluster_healthy{{{CLUSTER}}})", "{{cluster}}"), mappings=YES_NO),
        number("Nodes down", "Members whose keeper is not connected or whose PostgreSQL does not answer.",
               query(f"count by (cluster) (pgaf_node_up{{{CLUSTER}}}) - sum by (cluster) (pgaf_node_up{{{CLUSTER}}})",
                     "{{cluster}}"), steps=thresholds(GREEN, (1, RED))),
        number("Alerts now", "Alerts that fire now, of any severity but info.",
               query('count(ALERTS{alertstate="firing",severity!="info"}) or vector(0)', "alerts"),
               steps=thresholds(GREEN, (1, ORANGE))),
        number("Epoch", "One more for each election or switchover.",
               query(f"max by (cluster) (pgaf_cluster_epoch{{{CLUSTER}}})", "{{cluster}}")),
        number("Timeline", "The timeline of the primary.",
               query(f'max by (cluster) (pgaf_node_timeline{{{CLUSTER}}})', "{{cluster}}")),
        number("Standbys in the sync rule", "Standbys of which some have to confirm each commit.",
               query(f"max by (cluster) (pgaf_cluster_sync_standbys{{{CLUSTER}}})", "{{cluster}}"),
               steps=thresholds(ORANGE, (1, GREEN))),
        number("Waits", "Whether the cluster waits for something; pgafctl show state says for what.",
               query(f"max by (cluster) (pgaf_cluster_waiting{{{CLUSTER}}})", "{{cluster}}"),
               mappings=words(v0=("no", GREEN), v1=("waits", ORANGE))),
        number("Failovers, 24 h", "Failovers in the last 24 hours, without switchovers.",
               query(f"round(increase(cluster:pgaf_failovers:sum{{{CLUSTER}}}[24h]))", "{{cluster}}"),
               steps=thresholds(GREEN, (1, YELLOW), (3, RED))),
        number("Switchovers, 24 h", "Planned moves of the primary in the last 24 hours.",
               query(f"round(increase(cluster:pgaf_switchovers:sum{{{CLUSTER}}}[24h]))", "{{cluster}}")),
    ]


def states():
    numbers = {f"v{place}": (state, color) for place, (state, color) in enumerate(STATES.items(), 1)}
    return [
        row("States over time"),
        timeline("State of each node", "As pgafctl show state names them.", query(state_number(), "{{cluster}} {{node}}"),
                 mappings=words(**numbers)),
        timeline("Nodes up", "The keeper is connected, and its PostgreSQL runs and answers.",
                 query(f"max by (cluster, node) (pgaf_node_up{{{NODE}}})", "{{cluster}} {{node}}"), mappings=UP_DOWN,
                 size=(12, 7)),
        timeline("Clusters", "What the cluster could do at each moment.",
                 query(f"max by (cluster) (pgaf_cluster_has_primary{{{CLUSTER}}})", "{{cluster}}: takes writes"),
                 query(f"max by (cluster) (pgaf_cluster_failover_ready{{{CLUSTER}}})", "{{cluster}}: failover ready"),
                 query(f"max by (cluster) (pgaf_cluster_healthy{{{CLUSTER}}})", "{{cluster}}: healthy"),
                 mappings=YES_NO, size=(12, 7)),
    ]


def replication():
    return [
        row("Replication"),
        graph("Lag in bytes", "WAL that each standby has not flushed yet, as the monitor sees it. The line: the alert.",
              query(f"max by (cluster, node) (pgaf_replication_lag_bytes{{{NODE}}})", "{{cluster}} {{node}}"), unit="bytes",
              steps=thresholds(GREEN, (134217728, RED))),
        graph("Lag in time", "How old the newest replayed commit is, as the primary measures it. The line: the alert.",
              query(f"max by (cluster, node) (pgaf_replication_lag_seconds{{{NODE}}})", "{{cluster}} {{node}}"), unit="s",
              steps=thresholds(GREEN, (10, RED))),
        graph("Not replayed yet", "WAL of the primary that a standby has not replayed: reads there do not see it.",
              query(f"max by (cluster, node) (pgaf_keeper_replication_lag_bytes{{{NODE}}})", "{{cluster}} {{node}}"),
              unit="bytes"),
        graph("WAL position", "Flushed end of WAL of each node. Lines that lie on each other: nobody is behind.",
              query(f"max by (cluster, node) (pgaf_node_wal_position_bytes{{{NODE}}})", "{{cluster}} {{node}}"), unit="bytes",
              least=None),
        graph("WAL held back by slots", "What each slot keeps on the disk for its reader. The line: the alert.",
              query(f"max by (cluster, node, slot) (pgaf_postgres_slot_retained_wal_bytes{{{NODE}}})", "{{node}} {{slot}}"),
              unit="bytes", steps=thresholds(GREEN, (2147483648, RED))),
        timeline("Standbys that stream", "Whether the WAL receiver streams; a primary has none.",
                 query(f"max by (cluster, node) (pgaf_keeper_receiver_streaming{{{NODE}}}) + 2 * "
                       f"(1 - max by (cluster, node) (pgaf_keeper_in_recovery{{{NODE}}}))", "{{cluster}} {{node}}"),
                 mappings=words(v0=("no", RED), v1=("streams", GREEN), v2=("primary", BLUE), v3=("primary", BLUE)),
                 size=(12, 8)),
    ]


def failovers():
    phase = "sum by (cluster, kind, phase)"
    return [
        row("Failovers and switchovers"),
        graph("Epoch over time", "Each step is an election or a switchover.",
              query(f"cluster:pgaf_epoch:max{{{CLUSTER}}}", "{{cluster}}"), least=None),
        graph("How long they took", "Mean of each phase, of those that this monitor process has seen end: from the loss to "
              "the first write that is possible again.",
              query(f"{phase} (pgaf_failover_duration_seconds_sum{{{CLUSTER}}}) / "
                    f"{phase} (pgaf_failover_duration_seconds_count{{{CLUSTER}}})", "{{cluster}} {{kind}} {{phase}}"),
              unit="s", steps=thresholds(GREEN, (3, RED))),
        table("By reason", "Failovers and switchovers that this monitor process has seen end.",
              query(f"sum by (cluster, kind, reason) (pgaf_failovers_total{{{CLUSTER}}})", instant=True),
              columns={"cluster": "cluster", "kind": "kind", "reason": "reason", "Value": "times"}, unit="none"),
        graph("Lease of the primary", "What is left of the time for which a primary may go on without hearing anybody. "
              "Near 0 it closes itself.",
              query(f"min by (cluster, node) (pgaf_keeper_lease_remaining_seconds{{{NODE}}})", "{{cluster}} {{node}}"),
              unit="s"),
    ]


def alerts():
    return [
        row("Alerts"),
        table("Alerts that fire", "What to do about each is in the handbook, page 05.",
              query('ALERTS{alertstate="firing",alertname!="PgafWatchdog"}', instant=True),
              columns={"severity": "severity", "alertname": "alert", "cluster": "cluster", "node": "node"}, size=(12, 8),
              hidden=("alertstate", "Value")),
        graph("Alerts over time", "How many fired, by severity.",
              query('count by (severity) (ALERTS{alertstate="firing"})', "{{severity}}"), unit="none", stack=True),
    ]


def build():
    return dashboard(
        "pgaf-cluster-health", "pgaf: cluster health",
        "Is there a primary, who could take over, how far behind are the others, and what has happened?",
        [CHOOSE_CLUSTER, CHOOSE_NODE], now() + states() + replication() + failovers() + alerts())
