"""Holds the pages of the protocol against the tests.

rules-and-tests.md: a row for each rule and invariant, each with a test; each file that is named is there and names the
rule; each --break that is named is one of common/mutation.h, and none is missing. protocol.md: a row for each rule and
invariant, and the sections that others refer to. counterexamples.md: a row for each script of tests/unit/fsm, which names
the rules that close it. testing.md: a row for each --break in the table of broken rules. All of docs/design: each page
that is linked to, with its section, and each test is there."""

import re
import sys
from pathlib import Path

RULES = [f"R{n}" for n in range(1, 16)]
INVARIANTS = [f"I{n}" for n in range(1, 11)]
ROWS = RULES + INVARIANTS
DESIGN = "docs/design"
SECTIONS = {
    "protocol.md": ["Words", "The rules", "Invariants", "Counterexamples", "Detection", "What PostgreSQL does",
                    "Known limits"],
    "counterexamples.md": ["Those that made the rules", "Found by the simulator",
                           "Found on real servers, by soaks, fuzzing and reviews"],
    "postgresql.md": ["Commits and the sync rule", "Where WAL ends", "Fencing and following",
                      "Promotion, timelines, rebuilding", "Processes, sessions, names"],
}


def table(page, first=r"[RI]\d+"):
    """The rows as lists of cells, by their first cell."""
    rows = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(first, cells[0]):
            rows[cells[0]] = cells
    return rows


def section(page, heading):
    """The lines below a heading of the second level, up to the next; None: it is not there."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page, re.M | re.S)
    return found and found.group(1)


def breaks(text):
    return {word for part in re.findall(r"\bbreaks? ([a-z0-9_, ]+)", text) for word in re.findall(r"r\d\w*", part)}


def rules_and_tests(root):
    rows = table((root / DESIGN / "rules-and-tests.md").read_text())
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
    yield from same_as_mutations(root, set().union(*(breaks(row[4]) for row in rows.values())))


def same_as_mutations(root, named):
    words = re.search(r"BOOST_DEFINE_ENUM_CLASS\(Mutation, none,([^)]*)\)", (root / "common/mutation.h").read_text())
    known = set(re.findall(r"\w+", words.group(1)))
    for word in sorted(known ^ named):
        yield f"--break {word} " + ("is named in no row" if word in known else "is not in common/mutation.h")


def testing(root):
    """The table of broken rules: what each does in a small world."""
    rows = table((root / DESIGN / "testing.md").read_text(), r"r\d\w*(, r\d\w*)*")
    yield from same_as_mutations(root, {word for first in rows for word in first.split(", ")})


def protocol(root):
    page = (root / DESIGN / "protocol.md").read_text()
    for heading, names in (("The rules", RULES), ("Invariants", INVARIANTS)):
        rows = table(section(page, heading) or "")
        for name in names:
            if name not in rows:
                yield f'{name} has no row under "{heading}"'
            elif not all(rows[name]) or len(rows[name]) < 3:
                yield f'the row of {name} under "{heading}" lacks something'


def counterexamples(root):
    """The number of a row is that of its script, which names each rule that closes it."""
    page = (root / DESIGN / "counterexamples.md").read_text()
    rows = table(section(page, SECTIONS["counterexamples.md"][0]) or "", r"\d+")
    scripts = {path.name for path in (root / "tests/unit/fsm").glob("counterexample*.txt")}
    for number, cells in rows.items():
        script = f"counterexample{int(number):02}.txt"
        if f"`unit/fsm/{script}`" not in cells[-1]:
            yield f"counterexample {number} does not name unit/fsm/{script}"
        elif script in scripts:
            text = (root / "tests/unit/fsm" / script).read_text()
            closing = set(re.findall(r"\bR\d+\b", cells[-2]))
            if not closing:
                yield f"counterexample {number} names no rule that closes it"
            for rule in sorted(closing):
                if not re.search(rf"\b{rule}\b", text):
                    yield f"counterexample {number}: tests/unit/fsm/{script} does not name {rule}"
    for script in sorted(scripts):
        if str(int(re.search(r"\d+", script).group())) not in rows:
            yield f"tests/unit/fsm/{script} has no row"


def anchors(page):
    """Of its headings, as they are made from them."""
    return {re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-")
            for line in re.findall(r"^#+ (.*)$", page, re.M)}


def references(root, name):
    path = root / DESIGN / name
    page = path.read_text()
    for heading in SECTIONS.get(name, []):
        if not (section(page, heading) or "").strip():
            yield f'there is no section "{heading}", or nothing in it'
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page):
        other = path.parent / target if target else path
        if not other.is_file():
            yield f"it links to {target}, which is not there"
        elif anchor and anchor not in anchors(other.read_text()):
            yield f"it links to {target}#{anchor}, which is not there"
    if name in ("counterexamples.md", "postgresql.md"):
        for file in re.findall(r"`([\w.-]+/[\w./-]+)`", page):
            if not any((root / base / file).exists() for base in ("", "tests")):
                yield f"it names {file}, which is not there"


def problems(root):
    checks = {"rules-and-tests.md": rules_and_tests, "protocol.md": protocol, "counterexamples.md": counterexamples,
              "testing.md": testing}
    for name, check in checks.items():
        yield from (f"{name}: {problem}" for problem in check(root))
    for name in sorted(path.name for path in (root / DESIGN).glob("*.md")):
        yield from (f"{name}: {problem}" for problem in references(root, name))


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1])))
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)
