"""Each link of the handbook and of all READMEs leads to a file that is there, and to a heading that it has; each page of the
handbook is linked from its first one; and each HTTP path that monitor and keeper answer is on its page.

Usage: check_links.py SOURCE_DIR
"""
import re
import sys
from pathlib import Path

LINK = re.compile(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)")


def without_blocks(page):
    """What looks like a link or a heading inside of a block is none."""
    return re.sub(r"^( *)(`{3,}).*?^\1\2 *$", "", page, flags=re.M | re.S)


def anchors(page):
    """Of its headings, as they are made from them."""
    return {re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-")
            for line in re.findall(r"^#+ (.*)$", without_blocks(page), re.M)}


def pages(root):
    yield from (root / name for name in ("README.md", "CONTRIBUTING.md"))
    yield from sorted((root / "docs").glob("*.md"))
    yield from sorted((root / "docs" / "reference").glob("*.md"))
    yield root / "sql" / "README.md"
    yield from sorted((root / "deploy").rglob("README.md"))


def problems(root):
    for path in pages(root):
        for target, anchor in LINK.findall(without_blocks(path.read_text(encoding="utf-8"))):
            other = (path.parent / target).resolve() if target else path
            where = f"{path.relative_to(root)} links to {target}{'#' + anchor if anchor else ''}"
            if not other.exists():
                yield f"{where}, which is not there"
            elif anchor and anchor not in anchors(other.read_text(encoding="utf-8")):
                yield f"{where}: there is no such heading"


def pages_that_nobody_finds(root):
    first = root / "docs" / "README.md"
    linked = {(first.parent / target).resolve() for target, _ in LINK.findall(first.read_text(encoding="utf-8"))}
    for path in sorted([*(root / "docs").glob("*.md"), *(root / "docs" / "reference").glob("*.md")]):
        if path != first and path.resolve() not in linked:
            yield f"docs/README.md does not link to {path.relative_to(root)}"


def paths_not_told(root):
    for folder, name in (("keeper/http", "docs/keeper-http.md"), ("monitor/http", "docs/http-api.md")):
        page = (root / name).read_text(encoding="utf-8")
        for file in sorted((root / folder).glob("*.cc")):
            for path in re.findall(r'"(/[a-z0-9/-]*)"', file.read_text(encoding="utf-8")):
                if not re.search(rf"{re.escape(path)}[`?/]", page):
                    yield f"{name} does not tell of {path}, which {file.relative_to(root)} answers"


if __name__ == "__main__":
    root_folder = Path(sys.argv[1]).resolve()
    found = [*problems(root_folder), *pages_that_nobody_finds(root_folder), *paths_not_told(root_folder)]
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)
