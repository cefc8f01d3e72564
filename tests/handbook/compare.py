"""Whether a program printed what a page shows. Loosely: a page shows one run, the next one has other times, positions
and pids.

The lines shown have to be there in their order, with others between them; `...` stands for anything within a line but a "not"
before what is shown next: "... healthy" is not "epoch 6 not healthy". Blanks count as one. A number stands for any number (also
0/40000A0, 127.0.0.1:6102, 12:00:01.5), but a 0 by itself for 0 only. What is part of a word (node1) is meant."""

import re

NUMBER = re.compile(r"(?<![A-Za-z0-9_])\d[\dA-F]*(?:[./:][\dA-F]+)*")
ANY_NUMBER = r"\d[\dA-Fa-f]*(?:[./:][\dA-Fa-f]+)*"


def squeezed(line):
    return " ".join(line.split())


def pattern_of(line):
    """A regular expression for a line as it is shown."""
    parts = []
    pieces = re.split(r" ?(\.\.\.) ?", squeezed(line))
    for index, piece in enumerate(pieces):
        if piece == "...":
            parts.append(r".*(?<!\bnot )" if pieces[index + 1] else ".*")
            continue
        at = 0
        for number in NUMBER.finditer(piece):
            parts.append(re.escape(piece[at:number.start()]))
            parts.append(r"(?<![\d.])0(?![\d./:])" if number[0] == "0" else ANY_NUMBER)
            at = number.end()
        parts.append(re.escape(piece[at:]))
    return re.compile("".join(parts))


def missing_line(shown, printed):
    """The first line shown that was not printed where it should be; None: all were."""
    lines = [squeezed(line) for line in printed.split("\n")]
    at = 0
    for line in shown.split("\n"):
        if squeezed(line) in ("", "..."):
            continue
        pattern = pattern_of(line)
        while at < len(lines) and not pattern.fullmatch(lines[at]):
            at += 1
        if at == len(lines):
            return line.strip()
        at += 1
    return None


def difference(block, printed):
    """What the output lacks of what the page says of the block; empty when nothing."""
    if block.expected is not None and (line := missing_line(block.expected, printed)) is not None:
        return f"the page shows this line, and it was not printed (or not in this order):\n  {line}"
    for expression in block.found:
        if not re.search(expression, printed, re.M):
            return f"the output should have: {expression}"
    for expression in block.absent:
        if re.search(expression, printed, re.M):
            return f"the output must not have: {expression}"
    return ""
