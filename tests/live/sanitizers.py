"""Reports of sanitizers (presets asan and tsan) from every process below a test, whoever looks at its exit code.

Each report becomes a file in one folder. With programs that were built without them there is nothing to write.
"""

import os

from local.processes import SANITIZER_OPTIONS


def collect(folder):
    """From now on, processes that we start write their reports into this folder, whatever user they become."""
    os.chmod(folder, 0o1777)
    for name in SANITIZER_OPTIONS:
        given = os.environ.get(name)
        os.environ[name] = (f"{given}:" if given else "") + f"log_exe_name=1:log_path={folder}/report"


def reports(folder):
    """What was written so far: file name and text of each."""
    return [(path.name, path.read_text(encoding="utf-8", errors="replace")) for path in sorted(folder.glob("report.*"))]
