"""Where the built programs are, and how the unprivileged user gets at them when the checkout is out of its reach."""

import os
import pathlib
import shutil

from .errors import LocalError

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ("pgaf-monitor", "pgaf-keeper", "pgaf-launcher", "pgafctl", "pgaf-load")


def built_folder():
    """PGAF_BIN_DIR, or the release build of this checkout."""
    folder = pathlib.Path(os.environ.get("PGAF_BIN_DIR") or ROOT / "build" / "release" / "bin")
    missing = [name for name in NAMES if not (folder / name).is_file()]
    if missing:
        raise LocalError(
            f"{', '.join(missing)} not found in {folder}; build them with: "
            "cmake --preset release && cmake --build build/release"
        )
    return folder.resolve()


def reachable_folder(account, copies):
    """A folder of programs that the account can run: the built ones, or copies of them."""
    built = built_folder()
    if all(account.can_run(built / name) for name in NAMES):
        return built
    account.make_folder(copies)
    for name in NAMES:
        source, target = built / name, pathlib.Path(copies) / name
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        # A program that runs can't be written to, but it can be replaced.
        fresh = target.with_name(name + ".new")
        shutil.copyfile(source, fresh)
        os.chmod(fresh, 0o755)
        os.replace(fresh, target)
    return pathlib.Path(copies)
