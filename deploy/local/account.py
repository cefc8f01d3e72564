"""The user that PostgreSQL and our programs run as: PostgreSQL refuses root, so root uses the user postgres."""

import os
import pathlib
import pwd
import subprocess

from .errors import LocalError


class Account:
    def __init__(self):
        self.changes = os.geteuid() == 0
        if not self.changes:
            entry = pwd.getpwuid(os.geteuid())
        else:
            try:
                entry = pwd.getpwnam("postgres")
            except KeyError:
                raise LocalError(
                    "there is no user postgres to run PostgreSQL as (it refuses root); deploy/install-deps installs "
                    "the package that makes it"
                ) from None
        self.name, self.uid, self.gid = entry.pw_name, entry.pw_uid, entry.pw_gid

    def popen_options(self):
        """For subprocess: become this user."""
        if not self.changes:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": os.getgrouplist(self.name, self.gid)}

    def own(self, path):
        if self.changes:
            os.chown(path, self.uid, self.gid)

    def make_folder(self, path):
        """A folder of this user's that nobody else can look into."""
        path = pathlib.Path(path)
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True)
            self.own(path)
        return path

    def write(self, path, text, mode=0o600):
        """Writes a file whole or not at all; its mode is right from the first moment on."""
        path = pathlib.Path(path)
        temporary = path.with_name(path.name + ".new")
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
        self.own(temporary)
        os.replace(temporary, path)

    def can_enter(self, folder):
        return self._can("-x", folder)

    def can_run(self, program):
        return self._can("-x", program)

    def _can(self, test, path):
        done = subprocess.run(["/usr/bin/test", test, str(path)], cwd="/", **self.popen_options())
        return done.returncode == 0
