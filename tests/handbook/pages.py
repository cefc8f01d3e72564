"""What the runner sees of a handbook page: its blocks, and what is said about each where readers of the rendered page do
not see it. docs/README.md, "How these pages are tested", explains the format."""

import re
from dataclasses import dataclass, field

# Run by a shell, or by psql on the primary.
RUN = ("sh", "sql")
# Shown to readers, never run: files, answers, programs in other languages.
SHOWN = ("text", "toml", "ini", "yaml", "json", "properties", "java", "python", "haproxy", "nginx", "mermaid")
MODES = ("demo", "compose", "compose-up", "compose-down",
         # tests/machines runs these: where everything is built, on all machines, on one kind of them.
         "machines-build", "machines", "machines-monitor", "machines-node", "machines-standby")
ATTRIBUTES = ("no-run", "mode", "exit", "until")


class PageError(Exception):
    """The page says something that the runner does not understand."""


@dataclass
class Block:
    line: int
    language: str
    text: str
    attributes: dict
    # Lines that the output must have, in this order; None: nothing is shown below the block.
    expected: str = None
    # Regular expressions that have to be found, or must not be.
    found: list = field(default_factory=list)
    absent: list = field(default_factory=list)

    @property
    def mode(self):
        return self.attributes.get("mode", "demo")

    @property
    def reason(self):
        """Why it is not run; None: it is."""
        return self.attributes.get("no-run")

    @property
    def exit_code(self):
        return int(self.attributes.get("exit", 0))

    @property
    def patience(self):
        """Seconds for which it is repeated until it shows what stands below it."""
        return int(self.attributes.get("until") or 30) if "until" in self.attributes else 0


def attributes_of(words, where):
    attributes = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in ATTRIBUTES:
            raise PageError(f"{where}: '{word}' behind the language is none of: {', '.join(ATTRIBUTES)}")
        if name == "no-run" and len(value) < 5:
            raise PageError(f"{where}: no-run needs a reason, for example no-run=needs-machines")
        if name == "mode" and value not in MODES:
            raise PageError(f"{where}: mode must be one of: {', '.join(MODES)}")
        if name in ("exit", "until") and not (value.isdigit() or name == "until" and not value):
            raise PageError(f"{where}: {name} needs a number")
        attributes[name] = value
    return attributes


FENCE = re.compile(r"^( *)(`{3,})(.*)$")
COMMENT = re.compile(r"^\s*<!-- expect(-not)?: (.*?) -->\s*$")


def blocks_of(page, name):
    """All fenced blocks that are to be run, with what is expected of each."""
    blocks, last = [], None
    lines = page.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if comment := COMMENT.match(line):
            if last is None:
                raise PageError(f"{name}:{number}: nothing above that this could be expected of")
            (last.absent if comment[1] else last.found).append(comment[2])
            continue
        if line.startswith("#"):
            last = None
        fence = FENCE.match(line)
        if not fence:
            continue
        began, (indent, ticks, info) = number, fence.groups()
        text = []
        while number < len(lines) and lines[number].strip() != ticks:
            text.append(lines[number].removeprefix(indent))
            number += 1
        if number == len(lines):
            raise PageError(f"{name}:{began}: this block has no end")
        number += 1
        words = info.split()
        where = f"{name}:{began}"
        if not words:
            raise PageError(f"{where}: say what this block is: {', '.join(RUN + SHOWN)}")
        if words[0] in RUN:
            last = Block(began, words[0], "\n".join(text) + "\n", attributes_of(words[1:], where))
            blocks.append(last)
        elif words[0] not in SHOWN:
            raise PageError(f"{where}: '{words[0]}' is none of: {', '.join(RUN + SHOWN)}")
        elif words[0] in ("text", "json") and last is not None and last.expected is None:
            last.expected = "\n".join(text)
    return blocks
