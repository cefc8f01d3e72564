"""The monitor of a local cluster."""

from . import toml
from .processes import Process


class Monitor:
    def __init__(self, cluster, port, http_port):
        self.cluster, self.port, self.http_port = cluster, port, http_port
        self.address = cluster.place.address("monitor")
        self.folder = cluster.folder / "monitor"
        self.config = self.folder / "monitor.toml"
        self.process = Process(
            "monitor",
            [cluster.programs / "pgaf-monitor", "run", "--config", self.config],
            self.folder / "monitor.pid", self.folder / "monitor.log", cluster.account,
            enter=cluster.place.enter("monitor", cluster.account),
        )

    def make(self):
        self.cluster.account.make_folder(self.folder)
        settings = {
            "listen": f"{self.address}:{self.port}",
            "http_listen": f"{self.address}:{self.http_port}",
            "store": self.folder / "store.db",
            **self.cluster.settings,
        }
        self.cluster.account.write(self.config, toml.document(settings))

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        self.process.start()

    def stop(self):
        self.process.stop(20)

    def kill(self):
        self.process.kill()

    def describe(self):
        return {"host": self.address, "port": self.port, "http_port": self.http_port, "pid": self.pid}
