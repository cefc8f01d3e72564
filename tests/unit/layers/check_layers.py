#!/usr/bin/env python3
"""Holds the source tree to its layers: who may include whom, what the pure parts may include, how long a file or a
function may be. Prints one line for each breach.

Usage: check_layers.py SOURCE_DIR     exit 0: no breach, 1: breaches
"""
import os
import re
import sys

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 75

# The heart and the reconciler see values and algorithms, nothing of the world outside: no I/O, clock, thread or lock.
# (cstdio and cstdlib: the last words of a broken program, fputs and abort.)
PURE = ("monitor/fsm", "keeper/reconcile")
PURE_STANDARD = set(
    """algorithm array bit bitset cassert cctype charconv compare concepts cstddef cstdint cstdio cstdlib cstring deque exception
    functional initializer_list iterator limits list map memory numeric optional queue ranges set span sstream stack
    stdexcept string string_view tuple type_traits unordered_map unordered_set utility variant vector version""".split())
PURE_LIBRARIES = ("boost/describe", "boost/mp11", "boost/system/result.hpp")

# Folder -> folders of the project that it may include. The first that matches counts.
MAY_INCLUDE = {
    "common": ("common", "pgaf/v1"),
    "monitor": ("monitor", "common", "pgaf/v1"),
    "keeper": ("keeper", "common", "pgaf/v1"),
    "ctl": ("ctl", "common", "pgaf/v1"),
}
PROJECT = ("common/", "monitor/", "keeper/", "ctl/", "pgaf/v1/", "tests/", "deploy/")

# Heavy, or out of place: folder, pattern of an include (its own or through project headers), why.
FORBIDDEN = (
    ("keeper/launcher", r"grpc|\.pb\.h|google/protobuf|libpq|boost/asio|boost/beast|^thread$|^mutex$|sqlite",
     "the launcher stays small: no gRPC, no database library, no threads"),
    ("ctl", r"libpq|sqlite|boost/asio", "pgafctl is a client of the admin API and nothing else"),
)
# Generated code and gRPC stay out of headers that everyone includes.
WIRE_HEADERS = r"\.pb\.h$|^grpc|^google/protobuf"
WIRE_HEADERS_ALLOWED_IN = ("common/wire/", "monitor/service/", "keeper/service/", "tests/")

SOURCES = (".cc", ".h", ".py", ".proto", ".sh", ".cmake")
SKIPPED = {"build", ".git", "__pycache__"}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def source_files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED)
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(SOURCES) or (name != "LICENSE" and "." not in name and is_script(path)):
                yield os.path.relpath(path, root)


def is_script(path):
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


class Tree:
    def __init__(self, root):
        self.lines = {}
        for path in source_files(root):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                self.lines[path] = file.read().splitlines()
        self.includes = {
            path: [(number, match.group(1)) for number, line in enumerate(lines, 1)
                   if (match := INCLUDE.match(line))]
            for path, lines in self.lines.items() if path.endswith((".cc", ".h"))
        }

    def resolved(self, path, include):
        """The file of the project that an include names; None for one of a library."""
        beside = os.path.normpath(os.path.join(os.path.dirname(path), include))
        return next((p for p in (include, beside) if p in self.lines), None)

    def reached(self, path):
        """Every include of a file, its own and those of the project headers that it includes: (line, chain)."""
        seen, todo = set(), [(number, (include,)) for number, include in self.includes[path]]
        while todo:
            number, chain = todo.pop()
            if chain[-1] in seen:
                continue
            seen.add(chain[-1])
            yield number, chain
            header = self.resolved(path, chain[-1])
            if header:
                todo += [(number, chain + (deeper,)) for _, deeper in self.includes.get(header, [])]


def within(path, folder):
    return path.startswith(folder + "/")


def check_directions(tree):
    for path, includes in tree.includes.items():
        allowed = next((to for folder, to in MAY_INCLUDE.items() if within(path, folder)), None)
        for number, include in includes if allowed else ():
            if include.startswith(PROJECT) and not include.startswith(tuple(a + "/" for a in allowed)):
                yield f"{path}:{number}: must not include {include}; allowed: {', '.join(allowed)}"


def check_pure(tree):
    for path in tree.includes:
        if not any(within(path, folder) for folder in PURE):
            continue
        for number, chain in tree.reached(path):
            include = chain[-1]
            if include in PURE_STANDARD or include.startswith(PURE_LIBRARIES) or tree.resolved(path, include):
                continue
            yield f"{path}:{number}: the pure parts must not include <{include}> (by {' -> '.join(chain)})"


def check_forbidden(tree):
    for path in tree.includes:
        for folder, pattern, why in FORBIDDEN:
            if not within(path, folder):
                continue
            for number, chain in tree.reached(path):
                if re.search(pattern, chain[-1]):
                    yield f"{path}:{number}: must not include {' -> '.join(chain)}: {why}"
        if path.endswith(".h") and not path.startswith(WIRE_HEADERS_ALLOWED_IN):
            for number, include in tree.includes[path]:
                if re.search(WIRE_HEADERS, include):
                    yield f"{path}:{number}: {include} in a header: include it in the .cc, and forward declare here"


def check_lengths(tree):
    for path, lines in tree.lines.items():
        if len(lines) > MAX_FILE_LINES:
            yield f"{path}: {len(lines)} lines, more than {MAX_FILE_LINES}: divide it by what its parts are for"
        if not path.endswith((".cc", ".h")):
            continue
        start, indent = None, 0
        for number, line in enumerate(lines, 1):
            # clang-format puts a function's first and last line at the same indent: 0, or 2 to 4 within a class.
            if start is None and re.search(r"\)[^;]*\{$", line):
                first = first_of_statement(lines, number)
                if re.match(r" *(namespace|class|struct|enum|union|TEST_CASE)\b", lines[first - 1]):
                    continue
                start, indent = first, indent_of(lines[first - 1])
            elif start is not None and re.match(r" {0,%d}\}" % indent, line):
                if number - start + 1 > MAX_FUNCTION_LINES:
                    yield f"{path}:{start}: a function of {number - start + 1} lines, more than {MAX_FUNCTION_LINES}"
                start = None


def indent_of(line):
    return len(line) - len(line.lstrip(" "))


def first_of_statement(lines, number):
    """Where the statement that ends in line `number` begins: a long signature is wrapped, and further in."""
    first = number
    while first > 1 and indent_of(lines[first - 1]) > 4:
        first -= 1
    return first


def breaches(root):
    tree = Tree(root)
    for check in (check_directions, check_pure, check_forbidden, check_lengths):
        yield from check(tree)


if __name__ == "__main__":
    if len(sys.argv) != 2 or not os.path.isdir(os.path.join(sys.argv[1], "common")):
        sys.exit(f"usage: {sys.argv[0]} SOURCE_DIR (the folder that holds common/)")
    found = list(breaches(sys.argv[1]))
    print("\n".join(found) if found else "no breach of the layers")
    sys.exit(1 if found else 0)
