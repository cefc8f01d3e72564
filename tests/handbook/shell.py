"""A shell that goes on from block to block: what one exports, and where it has gone, the next one has. Each block is a bash of
its own under `set -eo pipefail`, so a command that fails ends it and is seen."""

import os
import pathlib
import shlex
import signal
import subprocess
import time

PROLOGUE = """\
. {env}
cd "$(cat {cwd})"
trap 'code=$?; declare -px >{env}; pwd >{cwd}; exit $code' EXIT
set -eo pipefail
"""
LIMIT = 180


class Shell:
    def __init__(self, folder, start, environment, limit=LIMIT):
        """`folder`: for its own files. `start`: where the first block begins. `limit`: seconds that a block may take."""
        self.folder, self.limit = pathlib.Path(folder), limit
        self.groups = []
        self.env, self.cwd, self.output = (self.folder / name for name in ("env", "cwd", "output"))
        self.env.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()))
        self.cwd.write_text(f"{start}\n")

    def run(self, block):
        """Exit code and output of a block; both streams in one."""
        script = PROLOGUE.format(env=shlex.quote(str(self.env)), cwd=shlex.quote(str(self.cwd)))
        if block.language == "sql":
            script += 'psql -X -v ON_ERROR_STOP=1 "$(pgafctl show uri)" <<\'END OF THE BLOCK\'\n'
            script += block.text + "END OF THE BLOCK\n"
        else:
            script += block.text
        file = self.folder / "block"
        file.write_text(script)
        # Into a file: what a block leaves in the background must not be waited for.
        with open(self.output, "wb") as output:
            child = subprocess.Popen(["/bin/bash", "--noprofile", "--norc", file], stdin=subprocess.DEVNULL,
                                     stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                                     env={"PATH": os.environ["PATH"]})
        self.groups.append(child.pid)
        try:
            code = child.wait(self.limit)
        except subprocess.TimeoutExpired:
            self.end()
            code = f"none: it took more than {self.limit:.0f} s"
            child.wait()
        return code, self.output.read_text(encoding="utf-8", errors="replace")

    def run_until(self, block, good):
        """The same, again and again while the block has patience and `good` does not like it."""
        deadline = time.monotonic() + block.patience
        while True:
            code, printed = self.run(block)
            if good(code, printed) or time.monotonic() >= deadline:
                return code, printed
            time.sleep(0.2)

    def end(self):
        """What blocks have left in the background ends with the page."""
        for group in self.groups:
            try:
                os.killpg(group, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        self.groups.clear()
