#!/usr/bin/python3
"""The status page in headless Chromium over a real cluster: what it shows, that a failover appears without a reload, and
that it never shows as the present what it only knew before.

Usage: test_status_page.py [--screenshots FOLDER]
Needs Node.js, npm and chromium, and npm's registry when the packages are not in the build folder yet.
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "live"), str(HERE.parent / "support")]

import npm  # noqa: E402
from harness import Cluster, LocalError, ROOT, free_ports, scratch_folder  # noqa: E402

WORK = pathlib.Path(os.environ.get("PGAF_WEB_DIR") or ROOT / "build" / "release" / "tests" / "web")
# For all that the browser looks at; it takes 30 s on a machine of two cores that does nothing else.
LIMIT = 200


def program(*names):
    for name in names:
        if found := shutil.which(name):
            return found
    raise LocalError(f"{' or '.join(names)} is not installed; deploy/install-deps installs what the tests need")


class Browser:
    """page.mjs: says by a line of JSON what it has seen, and goes on when it is told what has been done."""

    def __init__(self, url, screenshots):
        shutil.copyfile(HERE / "page.mjs", WORK / "page.mjs")  # beside its packages
        self.process = subprocess.Popen(
            [program("node"), "page.mjs", url, program("chromium", "chromium-browser"), str(screenshots)], cwd=WORK,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = []
        # Asked to end, it takes Chromium down with it.
        self.guard = threading.Timer(LIMIT, self.process.terminate)
        self.guard.start()

    def wait(self, step):
        """Reads on until the page has come to this step."""
        for line in self.process.stdout:
            self.said.append(line.rstrip())
            with contextlib.suppress(ValueError):
                if json.loads(line) == {"step": step}:
                    return
        late = "" if self.guard.is_alive() else f" within {LIMIT} s"
        raise AssertionError(f"the browser did not come to '{step}'{late}:\n" + "\n".join(self.said[-40:]))

    def done(self, what, **values):
        self.process.stdin.write(json.dumps({"done": what, **values}) + "\n")
        self.process.stdin.flush()

    def end(self):
        """Waits for its end. True: all that it looked for was so."""
        self.said += self.process.communicate()[0].splitlines()
        self.guard.cancel()
        return self.process.returncode == 0

    def abandon(self):
        self.guard.cancel()
        self.process.terminate()
        with contextlib.suppress(ValueError):  # its pipes were read to their end and are closed
            try:
                self.process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()


class StatusPage(unittest.TestCase):
    screenshots = None

    def setUp(self):
        npm.install(HERE, WORK)
        self.folder = scratch_folder()
        self.cluster = Cluster(self.folder / "c", free_ports(24))
        self.cluster.make(3)
        self.cluster.start()
        self.addCleanup(self.clean)
        self.cluster.wait_up()

    def clean(self):
        self.cluster.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def test_page(self):
        primary, monitor = self.cluster.primary(), self.cluster.monitor
        browser = Browser(f"http://127.0.0.1:{monitor.http_port}/", self.screenshots or WORK / "screenshots")
        self.addCleanup(browser.abandon)

        browser.wait("shown")
        primary.kill()
        browser.done("killed", node=primary.name)

        browser.wait("failover shown")
        primary.start()
        browser.done("started again", node=primary.name)

        browser.wait("healthy shown")
        monitor.process.signal(signal.SIGSTOP)
        browser.done("monitor stands still")
        browser.wait("silence shown")
        monitor.process.signal(signal.SIGCONT)
        browser.done("monitor goes on")

        browser.wait("live shown")
        monitor.kill()
        browser.done("monitor killed")
        browser.wait("loss shown")
        monitor.start()
        browser.done("monitor started")

        self.assertTrue(browser.end(), "\n".join(browser.said[-60:]))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--screenshots":
        StatusPage.screenshots = pathlib.Path(sys.argv[2]).resolve()
        del sys.argv[1:]
    unittest.main(verbosity=2)
