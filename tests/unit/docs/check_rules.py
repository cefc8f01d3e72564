"""Holds docs/design/rules-and-tests.md against the tests: a row for each rule and invariant, each with a test; each file
that is named is there and names the rule; each --break that is named is one of common/mutation.h, and none is missing."""

import re
import sys
from pathlib import Path

ROWS = [f"R{n}" for n in range(1, 16)] + [f"I{n}" for n in range(1, 11)]


def table(page):
    """The rows as lists of cells, by their first cell."""
    rows = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(r"[RI]\d+", cells[0]):
            rows[cells[0]] = cells
    return rows


def breaks(text):
    return {word for part in re.findall(r"\bbreaks? ([a-z0-9_, ]+)", text) for word in re.findall(r"r\d\w*", part)}


def problems(root):
    page = (root / "docs/design/rules-and-tests.md").read_text()
    rows = table(page)
    for name in ROWS:
        if name not in rows:
            yield f"{name} has no row"
            continue
        files = re.findall(r"`([^`]+)`", " ".join(rows[name][2:]))
        if not files and not breaks(rows[name][4]):
            yield f"{name} has no test"
        for file in files:
            path = root / "tests" / file
            if not path.is_file():
                yield f"{name}: tests/{file} is not there"
            elif not re.search(rf"\b{name}\b", path.read_text()):
                yield f"{name}: tests/{file} does not name it"
    words = re.search(r"BOOST_DEFINE_ENUM_CLASS\(Mutation, none,([^)]*)\)", (root / "common/mutation.h").read_text())
    known = set(re.findall(r"\w+", words.group(1)))
    named = set().union(*(breaks(row[4]) for row in rows.values()))
    for word in sorted(known ^ named):
        yield f"--break {word} " + ("is named in no row" if word in known else "is not in common/mutation.h")


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1])))
    for problem in found:
        print("rules-and-tests.md:", problem)
    sys.exit(1 if found else 0)
