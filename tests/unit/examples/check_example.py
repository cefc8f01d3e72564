#!/usr/bin/env python3
"""An example configuration is right, and shows every option of its program.

Usage: check_example.py PROGRAM EXAMPLE
"""
import os
import re
import subprocess
import sys
import tempfile

NOT_IN_FILES = {"help", "version", "config", "check-config"}


def main():
    program, example = sys.argv[1:]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PGAF_")}

    def run(*words):
        return subprocess.run([program, "run", *words], env=environment, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=20)

    with open(example, encoding="utf-8") as file:
        text = file.read()
    # Secrets are not in the example; the files that it names are made up here.
    with tempfile.TemporaryDirectory(prefix="pgaf-example-") as folder:
        secret = os.path.join(folder, "secret")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write("s3cret\n")
        copy = os.path.join(folder, os.path.basename(example))
        with open(copy, "w", encoding="utf-8") as file:
            file.write(re.sub(r'^(\w+_password_file) = ".*"$', rf'\1 = "{secret}"', text, flags=re.MULTILINE))
        checked = run("--config", copy, "--check-config")
    if checked.returncode != 0:
        sys.exit(f"{example} is refused:\n{checked.stderr}")
    options = {}  # name in files -> default, None when it has none
    for block in run("--help").stdout.split("\n  --")[1:]:
        name = block.split()[0]
        fallback = re.search(r"\[([^\]]*)\] \(env", block)
        if name not in NOT_IN_FILES:
            options[name.replace("-", "_")] = fallback and fallback.group(1)
    if not options:
        sys.exit(f"{program} run --help shows no options")

    shown = set(re.findall(r"^#?([a-z_]+) = ", text, re.MULTILINE)) | set(re.findall(r"^#?\[(\w+)\]", text, re.MULTILINE))
    missing = sorted(set(options) - shown)
    if missing:
        sys.exit(f"{example} does not show: {', '.join(missing)}")
    # A value behind '#' is what holds without it.
    for key, value in re.findall(r'^#([a-z_]+) = "?([^"\n]*)"?$', text, re.MULTILINE):
        if options.get(key) not in (None, value):
            sys.exit(f"{example}: {key} is shown as {value}, but its default is {options[key]}")
    print(f"{os.path.basename(example)}: right, with all {len(options)} options")


if __name__ == "__main__":
    main()
