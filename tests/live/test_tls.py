#!/usr/bin/python3
"""PostgreSQL's own TLS, set up by `parameters` and `hba` as the handbook says: clients check the certificate, nobody comes in
without, standbys replicate over it, and a failover changes nothing of that."""

import os
import shutil
import subprocess

from harness import LiveCase, main, scratch_folder


def make_certificate(folder, name):
    """One that signs itself, for 127.0.0.1. The certificate and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True, timeout=60)
    return certificate, key


class Tls(LiveCase):
    @classmethod
    def make_cluster(cls):
        cls.keys = scratch_folder()
        cls.certificate, key = make_certificate(cls.keys, "server")
        cls.parameters = {"ssl": "on", "ssl_cert_file": str(cls.certificate), "ssl_key_file": str(key)}
        # PostgreSQL takes a key that root owns and its group may read.
        if os.geteuid() == 0:
            shutil.chown(key, "root", "postgres")
            os.chmod(key, 0o640)
        super().make_cluster()
        for node in cls.cluster.nodes:
            text = node.config.read_text(encoding="utf-8")
            changed = text.replace('"host all all', '"hostssl all all')
            assert changed != text, text
            cls.cluster.account.write(node.config, changed)
            # It writes the lines anew; PostgreSQL runs on.
            node.keeper.stop()
            node.keeper.start()
        cls.cluster.wait_healthy(60)

    @classmethod
    def end_cluster(cls, keep_logs=False):
        super().end_cluster(keep_logs)
        shutil.rmtree(getattr(cls, "keys", "/nonexistent"), ignore_errors=True)

    def connect(self, statement, **words):
        """As a client with these words in its URI. What it printed, and its complaints."""
        uri = self.cluster.uri() + "".join(f"&{name}={value}" for name, value in words.items())
        done = subprocess.run(["psql", "-wXAtq", "-d", uri, "-c", statement], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=30, check=False)
        return done.stdout.strip(), done.stderr.strip()

    def is_checked(self):
        said, wrong = self.connect("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", sslmode="verify-full",
                                   sslrootcert=self.certificate)
        self.assertEqual((said, wrong), ("t", ""))

    def standbys_are_encrypted(self):
        self.assertEqual(self.cluster.primary().sql("SELECT count(*), bool_and(ssl) FROM pg_stat_replication JOIN pg_stat_ssl "
                                                    "USING (pid)").strip(), "2|t")

    def test_1_clients_come_in_with_tls_alone(self):
        self.is_checked()
        said, wrong = self.connect("SELECT 1", sslmode="disable")
        self.assertEqual(said, "")
        self.assertIn("no pg_hba.conf entry", wrong)
        self.assertIn("no encryption", wrong)
        other, _ = make_certificate(self.keys, "other")
        said, wrong = self.connect("SELECT 1", sslmode="verify-full", sslrootcert=other)
        self.assertEqual(said, "")
        self.assertIn("certificate verify failed", wrong)

    def test_2_standbys_replicate_over_it(self):
        self.standbys_are_encrypted()

    def test_3_and_after_a_failover(self):
        old = self.cluster.primary()
        with self.under_load():
            self.load.wait_acknowledged(30)
            old.kill_postmaster()
            self.wait_primary([node for node in self.cluster.nodes if node is not old])
        self.is_checked()
        self.standbys_are_encrypted()


if __name__ == "__main__":
    main()
