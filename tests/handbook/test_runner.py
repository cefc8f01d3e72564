#!/usr/bin/python3
"""The runner of the handbook: what it takes for the same, what it notices, and which marks it refuses."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from compare import difference, missing_line  # noqa: E402
from pages import PageError, blocks_of  # noqa: E402
from shell import Shell  # noqa: E402


def page(*lines):
    return "\n".join(line.replace("'''", "```") for line in lines) + "\n"


class Pages(unittest.TestCase):
    def test_blocks_with_what_stands_below_them(self):
        blocks = blocks_of(page("# A", "'''sh", "echo a", "'''", "words", "'''text", "a", "'''", "<!-- expect: ^a$ -->",
                                "<!-- expect-not: b -->", "'''toml", "x = 1", "'''", "'''sh no-run=needs-machines", "reboot",
                                "'''", "'''sh exit=3 until=5 mode=compose", "false", "'''"), "p.md")
        self.assertEqual([block.text for block in blocks], ["echo a\n", "reboot\n", "false\n"])
        self.assertEqual((blocks[0].expected, blocks[0].found, blocks[0].absent), ("a", ["^a$"], ["b"]))
        self.assertEqual((blocks[0].line, blocks[0].mode, blocks[0].reason, blocks[0].patience), (2, "demo", None, 0))
        self.assertEqual(blocks[1].reason, "needs-machines")
        self.assertEqual((blocks[2].exit_code, blocks[2].patience, blocks[2].mode), (3, 5, "compose"))

    def test_a_block_in_a_list_loses_its_indent(self):
        self.assertEqual(blocks_of(page("- x:", "  '''sh", "  cat <<E", "    a", "  E", "  '''"), "p.md")[0].text,
                         "cat <<E\n  a\nE\n")

    def test_what_is_shown_below_another_heading_belongs_to_nothing(self):
        self.assertIsNone(blocks_of(page("'''sh", "a", "'''", "## B", "'''text", "b", "'''"), "p.md")[0].expected)

    def test_marks_that_are_refused(self):
        for info, says in (("", "say what this block is"), ("bash", "'bash' is none of"), ("sh no-run", "needs a reason"),
                           ("sh no-run=x", "needs a reason"), ("sh mode=moon", "mode must be"), ("sh norun=abcdef", "is none of"),
                           ("sh exit=x", "needs a number")):
            with self.assertRaisesRegex(PageError, f"p.md:1.*{says}"):
                blocks_of(page("'''" + info, "x", "'''"), "p.md")
        with self.assertRaisesRegex(PageError, "no end"):
            blocks_of(page("'''sh", "x"), "p.md")
        with self.assertRaisesRegex(PageError, "nothing above"):
            blocks_of(page("<!-- expect: x -->"), "p.md")


class Compare(unittest.TestCase):
    def test_another_run_of_the_same(self):
        shown = "Cluster default   epoch 1   healthy\n* node1  127.0.0.1:6102  primary  0/40000A0  1  -  100  yes  0.1s\n"
        printed = ("noise\nCluster default  epoch 12   healthy\n  NAME\n"
                   "* node1  127.0.0.1:23456  primary    0/A0000F8  3    -      100   yes     12s\n")
        self.assertIsNone(missing_line(shown, printed))
        self.assertIsNone(missing_line("2026-11-30 01:12:07.123  ... took 5 ms", "2027-01-02 11:22:33.4  it took 12 ms"))

    def test_what_is_not_the_same(self):
        for shown, printed in (("node1 primary", "node2 primary"), ("rows lost 0", "rows lost 3"), ("rows lost 0", "rows lost 10"),
                               ("a\nb", "b\na"), ("healthy", "not healthy"), ("a ... c", "a b"), ("3 rows", "no rows"),
                               ("epoch 1 ... healthy", "epoch 6  not healthy")):
            self.assertIsNotNone(missing_line(shown, printed), shown)

    def test_expressions(self):
        block = blocks_of(page("'''sh", "x", "'''", "<!-- expect: lost +0$ -->", "<!-- expect-not: two -->"), "p.md")[0]
        self.assertEqual(difference(block, "rows lost   0\n"), "")
        self.assertIn("should have", difference(block, "rows lost   1\n"))
        self.assertIn("must not have", difference(block, "lost 0\ntwo\n"))


class Shells(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.shell = Shell(folder.name, "/", {"GIVEN": "it's \"so\""})
        self.addCleanup(self.shell.end)

    def run_text(self, text, info="sh"):
        return self.shell.run(blocks_of(page("'''" + info, text, "'''"), "p.md")[0])

    def test_it_goes_on_from_block_to_block(self):
        self.assertEqual(self.run_text("echo \"$GIVEN\"; export NEXT='a  b'; cd /usr"), (0, "it's \"so\"\n"))
        self.assertEqual(self.run_text('echo "$NEXT"; pwd'), (0, "a  b\n/usr\n"))

    def test_a_command_that_fails_ends_the_block(self):
        for text in ("false\necho never", "false | cat\necho never", "(exit 1)\necho never"):
            code, printed = self.run_text(text)
            self.assertEqual((code, printed), (1, ""))

    def test_what_takes_too_long_is_ended(self):
        self.shell.limit = 1
        self.assertEqual(self.run_text("sleep 100")[0], "none: it took more than 1 s")

    def test_nobody_waits_for_what_goes_on_behind(self):
        self.assertEqual(self.run_text("sleep 100 & echo done"), (0, "done\n"))


class DockerCompose(unittest.TestCase):
    """The plugin's words for docker-compose 1.29, which is told that there is no terminal, once."""

    def test_words(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        place = pathlib.Path(folder.name)
        for name in ("docker", "docker-compose"):
            (place / name).write_text(f'#!/bin/sh\necho "{name} $*"\n', encoding="ascii")
            (place / name).chmod(0o755)
        loader = importlib.machinery.SourceFileLoader("handbook_run", str(pathlib.Path(__file__).with_name("run")))
        run = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        loader.exec_module(run)
        (place / "shim").write_text(run.SHIM.format(docker=place / "docker"), encoding="ascii")
        for words, means in (("compose --env-file .env up -d", "docker-compose --env-file .env up -d"),
                             ("compose exec monitor exec x", "docker-compose exec -T monitor exec x"),
                             ("compose exec -T monitor x -T", "docker-compose exec -T monitor x -T"),
                             ("ps -a", "docker ps -a")):
            done = subprocess.run(["bash", place / "shim", *words.split()], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  check=True, timeout=30, env={"PATH": f"{place}:/usr/bin:/bin"})
            self.assertEqual(done.stdout.strip(), means)


if __name__ == "__main__":
    unittest.main(verbosity=2)
