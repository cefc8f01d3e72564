"""The building blocks of a dashboard: queries, panels of each kind, rows, variables, and the whole.

What all dashboards share stands here once: the data source, the variables, the marks of failovers, the links.
"""

import re

SOURCE = {"type": "prometheus", "uid": "pgaf-prometheus"}
WIDTH = 24

# What the variables choose. A matcher for each level at which there are figures.
CLUSTER = 'cluster=~"$cluster"'
NODE = 'cluster=~"$cluster",node=~"$node"'
MACHINE = 'job="node-exporter",instance=~"$machine"'
RATE = "[$__rate_interval]"
# What is scraped less often than monitor and keepers, as prometheus/prometheus.yml says. Grafana makes $__rate_interval four
# times as long as this: within a shorter time there are no two values, and a rate of them is nothing.
SCRAPED_EVERY = {"pgaf_table_": "30s", "pgaf_locks": "30s", "pgaf_database_": "30s", "node_": "15s"}

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"


# ---- queries ------------------------------------------------------------------------------------------------------

def query(expr, legend="", instant=False):
    """A query; `instant`: only its value at the end of the time shown, as a table has it."""
    return {"expr": expr, "legendFormat": legend, "instant": instant, "range": not instant,
            "format": "table" if instant else "time_series", "editorMode": "code", "datasource": SOURCE,
            **({"interval": every} if (every := scraped_every(expr)) else {})}


def scraped_every(expr):
    """The least often that a figure of this query is told; None where the data source's own interval is right."""
    return next((every for begin, every in SCRAPED_EVERY.items() if re.search(rf"(?<![\w:]){begin}", expr)), None)


def _targets(queries):
    return [{"refId": chr(ord("A") + number), **each} for number, each in enumerate(queries)]


# ---- what a value means -------------------------------------------------------------------------------------------

def thresholds(first, *steps):
    """thresholds(GREEN, (10, YELLOW)): green, from 10 on yellow."""
    return {"mode": "absolute", "steps": [{"color": first, "value": None},
                                          *({"color": color, "value": value} for value, color in steps)]}


def words(**meanings):
    """words(v0=("no", RED), v1=("yes", GREEN)): what a number is shown as."""
    options = {name[1:]: {"text": text, "color": color, "index": index}
               for index, (name, (text, color)) in enumerate(meanings.items())}
    return [{"type": "value", "options": options}]


YES_NO = words(v0=("no", RED), v1=("yes", GREEN))
UP_DOWN = words(v0=("down", RED), v1=("up", GREEN))


def _defaults(unit, steps, mappings, custom=None, **more):
    defaults = {"unit": unit, "thresholds": steps or thresholds(GREEN), "mappings": mappings or [],
                **{name: value for name, value in more.items() if value is not None}}
    if custom is not None:
        defaults["custom"] = custom
    return {"defaults": defaults, "overrides": []}


# ---- panels -------------------------------------------------------------------------------------------------------

def _panel(kind, title, description, queries, size, field_config, options, **more):
    return {"type": kind, "title": title, "description": description, "datasource": SOURCE,
            "gridPos": {"w": size[0], "h": size[1], "x": 0, "y": 0}, "targets": _targets(queries),
            "fieldConfig": field_config, "options": options, **more}


def graph(title, description, *queries, unit="short", steps=None, stack=False, most=None, least=0, size=(12, 8)):
    """Lines over time. With thresholds, these are drawn as lines too. `least` None: the axis need not begin at 0."""
    custom = {
        "drawStyle": "line", "lineWidth": 1, "fillOpacity": 30 if stack else 8, "showPoints": "never", "spanNulls": False,
        "stacking": {"mode": "normal" if stack else "none", "group": "A"},
        "thresholdsStyle": {"mode": "line" if steps else "off"},
    }
    return _panel(
        "timeseries", title, description, queries, size,
        _defaults(unit, steps, None, custom, min=least, max=most, color={"mode": "palette-classic"}),
        {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
         "tooltip": {"mode": "multi", "sort": "desc"}})


def number(title, description, *queries, unit="none", steps=None, mappings=None, by_name=False, size=(4, 4)):
    """The newest value, large. `by_name`: the series' name is what counts."""
    return _panel(
        "stat", title, description, queries, size, _defaults(unit, steps, mappings, noValue="none"),
        {"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "textMode": "name" if by_name else "auto",
         "orientation": "auto", "wideLayout": True, "showPercentChange": False,
         "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}})


def timeline(title, description, *queries, mappings, size=(24, 8)):
    """States over time, a bar for each series."""
    return _panel(
        "state-timeline", title, description, queries, size,
        _defaults("none", None, mappings, {"fillOpacity": 80, "lineWidth": 0}, color={"mode": "thresholds"}),
        {"alignValue": "left", "mergeValues": True, "rowHeight": 0.8, "showValue": "auto",
         "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
         "tooltip": {"mode": "single", "sort": "none"}})


def table(title, description, *queries, columns, unit="short", hidden=(), size=(12, 8)):
    """What the queries say now. `columns` names the fields, in order; a field that is not named stays away."""
    left_out = {name: True for name in ("Time", "__name__", "job", "instance", *hidden) if name not in columns}
    order = {name: place for place, name in enumerate(columns)}
    transformations = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": left_out, "indexByName": order, "renameByName": dict(columns)}},
    ]
    return _panel(
        "table", title, description, queries, size,
        _defaults(unit, None, None, {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}),
        {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}, transformations=transformations)


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": WIDTH, "h": 1, "x": 0, "y": 0}}


def _laid_out(panels):
    """Left to right, then the next line; a row's title takes a line of its own."""
    x = y = height = 0
    for identifier, panel in enumerate(panels, 1):
        place = panel["gridPos"]
        if x + place["w"] > WIDTH:
            x, y, height = 0, y + height, 0
        place["x"], place["y"] = x, y
        x, height = x + place["w"], max(height, place["h"])
        panel["id"] = identifier
    return panels


# ---- the whole ----------------------------------------------------------------------------------------------------

def variable(name, label, expression, description):
    return {"name": name, "label": label, "description": description, "type": "query", "datasource": SOURCE,
            "query": {"query": expression, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
            "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0}


CHOOSE_CLUSTER = variable("cluster", "Cluster", "label_values(pgaf_keeper_up, cluster)", "Clusters of this Prometheus")
CHOOSE_NODE = variable("node", "Node", 'label_values(pgaf_keeper_up{cluster=~"$cluster"}, node)', "Nodes of these clusters")
CHOOSE_MACHINE = variable("machine", "Machine", 'label_values(node_load1{job="node-exporter"}, instance)',
                          "Machines with a node-exporter")


def _mark(name, expression, text, color):
    return {"name": name, "datasource": SOURCE, "enable": True, "hide": False, "iconColor": color,
            "target": {"expr": expression, "refId": "Anno", "interval": "15s"},
            "expr": expression, "step": "15s", "titleFormat": name, "textFormat": text}


# A mark for as long as the change is young. The recorded series goes on when the monitor's address changes.
MARKS = [
    _mark("Failover", f"changes(cluster:pgaf_failovers:sum{{{CLUSTER}}}[30s]) > 0", "Cluster {{cluster}} failed over", RED),
    _mark("New epoch", f"changes(cluster:pgaf_epoch:max{{{CLUSTER}}}[30s]) > 0",
          "Cluster {{cluster}}: a failover or a switchover began", BLUE),
]


def dashboard(uid, title, description, variables, panels):
    return {
        "uid": uid, "title": title, "description": description, "tags": ["pgaf"], "schemaVersion": 39, "version": 1,
        "editable": True, "graphTooltip": 1, "refresh": "10s", "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"}, "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
        "links": [{"type": "dashboards", "title": "pgaf", "tags": ["pgaf"], "asDropdown": False, "includeVars": True,
                   "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}],
        "annotations": {"list": MARKS}, "templating": {"list": variables}, "panels": _laid_out(panels),
    }
