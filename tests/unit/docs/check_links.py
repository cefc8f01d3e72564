"""Each link of the handbook, of the README and of CONTRIBUTING leads to a file that is there, and to a heading that it has.

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


def problems(root):
    for path in pages(root):
        for target, anchor in LINK.findall(without_blocks(path.read_text(encoding="utf-8"))):
            other = (path.parent / target).resolve() if target else path
            where = f"{path.relative_to(root)} links to {target}{'#' + anchor if anchor else ''}"
            if not other.exists():
                yield f"{where}, which is not there"
            elif anchor and anchor not in anchors(other.read_text(encoding="utf-8")):
                yield f"{where}: there is no such heading"


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1]).resolve()))
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)
