"""The dashboards, a module each, made of the parts in parts.py. `grafana/generate` writes them as JSON."""

from . import cluster_health, monitor_internals, node_resources, performance

DASHBOARDS = {
    "cluster-health": cluster_health,
    "performance": performance,
    "node-resources": node_resources,
    "monitor-internals": monitor_internals,
}
