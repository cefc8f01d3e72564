"""npm's packages for a test: those of the lock file beside it, in a build folder, never in the source."""

import shutil
import subprocess


class NpmError(Exception):
    pass


def install(source, folder):
    """Fetches the packages of source/package-lock.json into folder/node_modules; does nothing when they are there. No script
    of a package is run. NpmError says what to do."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / "installed-lock.json"
    lock = (source / "package-lock.json").read_text(encoding="utf-8")
    if mark.is_file() and mark.read_text(encoding="utf-8") == lock:
        return
    npm = shutil.which("npm")
    if not npm:
        raise NpmError("npm is not installed; deploy/install-deps installs what the tests need")
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(source / name, folder / name)
    got = subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, text=True, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=280)
    if got.returncode != 0:
        raise NpmError(f"npm ci in {folder} failed (exit code {got.returncode}): is npm's registry in reach?\n{got.stdout}")
    mark.write_text(lock, encoding="utf-8")
