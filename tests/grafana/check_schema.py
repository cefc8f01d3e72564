#!/usr/bin/python3
"""Checks the dashboards against the types of Grafana's own npm package, by the TypeScript compiler.

A dashboard is written as a constant of the type OurDashboard (types.ts): what is missing, misspelt or of the wrong kind does
not compile. And what no type says: identifiers are unique, panels do not lie on each other, links lead somewhere.

    check_schema.py ROOT FOLDER     FOLDER: for the npm packages and what is generated
"""

import itertools
import json
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from npm import install  # noqa: E402

OPTIONS = {
    "compilerOptions": {"strict": True, "noEmit": True, "target": "es2022", "module": "preserve",
                        "moduleResolution": "bundler", "skipLibCheck": True, "types": []},
    "include": ["*.ts"],
}


def run(folder, *words):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")


def overlap(one, other):
    return (one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
            and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"])


def check_layout(name, dashboard):
    wrong = []
    panels = dashboard["panels"]
    for what in ("id", "title"):
        values = [panel[what] for panel in panels]
        wrong += [f"{name}: two panels have the {what} {value}" for value in set(values) if values.count(value) > 1]
    for panel in panels:
        if panel["gridPos"]["x"] + panel["gridPos"]["w"] > 24:
            wrong.append(f"{name}: {panel['title']} is too far right")
        if panel["type"] != "row" and not panel["description"].endswith((".", "...")):
            wrong.append(f"{name}: the description of {panel['title']} is no sentence")
    for one, other in itertools.combinations(panels, 2):
        if overlap(one["gridPos"], other["gridPos"]):
            wrong.append(f"{name}: {one['title']} and {other['title']} lie on each other")
    for link in dashboard["links"]:
        if not set(link["tags"]) <= set(dashboard["tags"]):
            wrong.append(f"{name}: its links lead to dashboards that it is none of")
    return wrong


def main(root, folder):
    files = sorted((root / "grafana/dashboards").glob("*.json"))
    dashboards = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    if not dashboards:
        sys.exit(f"there are no dashboards in {root / 'grafana/dashboards'}")
    uids = [dashboard["uid"] for dashboard in dashboards.values()]
    wrong = [f"two dashboards have the uid {uid}" for uid in set(uids) if uids.count(uid) > 1]
    for name, dashboard in dashboards.items():
        wrong += check_layout(name, dashboard)
    if wrong:
        sys.exit("\n".join(wrong))

    here = root / "tests/grafana"
    folder.mkdir(parents=True, exist_ok=True)
    install(here, folder)
    for old in folder.glob("*.ts"):
        old.unlink()
    shutil.copyfile(here / "types.ts", folder / "types.ts")
    for name, dashboard in dashboards.items():
        text = json.dumps(dashboard, indent=1)
        (folder / f"{name}.ts").write_text(
            f"import type {{ OurDashboard }} from './types';\nexport const dashboard: OurDashboard = {text};\n", encoding="utf-8")
    (folder / "tsconfig.json").write_text(json.dumps(OPTIONS), encoding="utf-8")
    run(folder, "node_modules/.bin/tsc", "--project", "tsconfig.json", "--pretty", "false")
    print(f"{len(dashboards)} dashboards, {sum(len(each['panels']) for each in dashboards.values())} panels and rows")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
