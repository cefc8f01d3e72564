"""Images for a machine that reaches no registry: the base image by debootstrap, and Debian's programs for monitoring."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess

import engine as engines

BASE = "debian:bookworm-slim"
MONITORING = ("prometheus", "alertmanager", "postgres-exporter", "node-exporter", "haproxy")


def mirror():
    """Where this machine's own packages come from."""
    text = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME) $(REPO_URI)", "Created-By: Packages"],
                          capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] == "bookworm" and re.match(r"https?://", words[2]):
            return words[2]
    raise engines.EngineError("apt knows no mirror of bookworm; the test is made for Debian 12")


def debootstrap(root, *options):
    """The smallest Debian 12 in the folder `root`; what it prints in a file beside that."""
    log = root.with_name("debootstrap.log")
    with open(log, "wb") as output:
        child = subprocess.Popen(["debootstrap", "--variant=minbase", *options, "bookworm", str(root), mirror()],
                                 stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                 env={**os.environ, "PATH": engines.PATH}, start_new_session=True)
    try:
        code = child.wait(900)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    if code != 0:
        raise engines.EngineError(f"debootstrap failed:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")


def make_base(engine):
    """By debootstrap, as small as published ones."""
    root = engine.folder / "base"
    debootstrap(root)
    (root / "etc/dpkg/dpkg.cfg.d/image").write_text(
        "force-unsafe-io\npath-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n",
        encoding="ascii")
    (root / "etc/apt/apt.conf.d/90image").write_text('Acquire::Languages "none";\nAPT::Keep-Downloaded-Packages "false";\n',
                                                     encoding="ascii")
    for unneeded in ("var/cache/apt/archives", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        for entry in pathlib.Path(root / unneeded).glob("*"):
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    with subprocess.Popen(["tar", "-C", str(root), "--numeric-owner", "-c", "."], stdout=subprocess.PIPE) as tar:
        engine.docker("import", "-", BASE, stdin=tar.stdout, limit=300)
    shutil.rmtree(root)


def make_monitoring(engine, folder):
    """Returns what to put into the environment file so that the images are used."""
    lines = []
    for name in MONITORING:
        engine.docker("build", "--network", "host", "--target", name, "--tag", f"debian-{name}", folder, limit=900)
        lines.append(f"PGAF_{name.upper().replace('-', '_')}_IMAGE=debian-{name}")
    return lines


def prebuilt(programs, folder):
    """The programs of a build, without their symbols, where the images' build takes them from."""
    for name in ("pgaf-monitor", "pgaf-launcher", "pgaf-keeper", "pgafctl"):
        subprocess.run(["strip", "-o", str(folder / name), str(programs / name)], check=True, timeout=120)
