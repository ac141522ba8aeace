"""keepalived as the other director: VRRP only (-P), as it runs where the kernel has no IPVS."""

from .process import Process, wait_until


class Keepalived:
    def __init__(self, host, directory, config):
        self._host = host
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._config = directory / "keepalived.conf"
        self._config.write_text(config)
        self._config.chmod(0o644)
        self.log = directory / "keepalived.log"
        self._process = None
        self._runs = 0

    def start(self):
        self._runs += 1
        parent = self._directory / f"keepalived-{self._runs}.pid"
        vrrp = self._directory / f"vrrp-{self._runs}.pid"
        self._process = Process(
            self._host.command("keepalived", "-n", "-l", "-D", "-P", "-f", self._config, "-p", parent, "-r", vrrp), self.log)
        wait_until(lambda: vrrp.exists() and vrrp.read_text().strip(), 5, "keepalived runs")
        return self

    def signal(self, number):
        self._process.signal(number)

    def wait_end(self):
        self._process.wait(10)

    def kill(self):
        """Parent and child at once, without a farewell."""
        self._process.kill()

    def close(self):
        if self._process is not None and self._process.alive:
            self._process.kill()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""
