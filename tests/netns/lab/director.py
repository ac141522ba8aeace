"""One xlbd in a host's namespace, with a run directory of its own, and what its users ask it."""

import http.client
import json
import os
import pathlib
import signal
import time

from .process import LabError, Process, wait_until

_REPOSITORY = pathlib.Path(__file__).parents[3]


def build_directory():
    return pathlib.Path(os.environ.get("XLB_BUILD", _REPOSITORY / "build-dev"))


def xlbd_path():
    return build_directory() / "manager" / "xlbd"


def next_xlbd_path():
    """Another build of the same daemon, as an upgrade brings it."""
    return build_directory() / "manager" / "xlbd_next"


def xlbctl_path():
    return build_directory() / "tools" / "xlbctl"


class Director:
    def __init__(self, host, name, directory, config):
        self.host = host
        self.name = name
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.run_dir = directory / "run"
        self.config = directory / "xlb.conf"
        self.config.write_text(config)
        self.log = directory / "xlbd.log"
        self.program = xlbd_path()
        self._process = None

    def start(self, ready=True):
        if not self.program.exists():
            raise LabError(f"{self.program} is not built; XLB_BUILD names the build directory")
        self._process = Process(
            self.host.command(self.program, "-f", self.config, "--run-dir", self.run_dir), self.log)
        if ready:
            wait_until(self._ready_or_ended, 10, f"xlbd on {self.name} is ready")
            if not self.alive:
                raise LabError(f"xlbd on {self.name} ended with {self.exit_code}: {self.log_text()}")
        return self

    def _ready_or_ended(self):
        return not self.alive or self.get("/readyz")[0] == 200

    @property
    def alive(self):
        return self._process is not None and self._process.alive

    @property
    def pid(self):
        return self._process.pid

    @property
    def exit_code(self):
        return self._process.exit_code

    def wait_end(self, timeout=10):
        return self._process.wait(timeout)

    def stop(self):
        """Asks it to go, as systemd does; its exit code."""
        return self._process.terminate()

    def signal(self, number):
        self._process.signal(number)

    def kill(self):
        """Ends it without a chance to tidy up."""
        self._process.signal(signal.SIGKILL)
        self._process.wait(10)

    def restart(self, killed=False):
        """As systemctl restart does, or after a SIGKILL."""
        if killed:
            self.kill()
        else:
            self.signal(signal.SIGUSR2)
            if self.wait_end() != 0:
                raise LabError(f"xlbd on {self.name} ended with {self.exit_code}: {self.log_text()}")
        return self.start()

    def xdp_link(self, device="eth0"):
        """(id of the XDP link, id of the program behind it)"""
        pin = self.run_dir / "bpf" / f"link_{device}"
        link = json.loads(self.host.run("bpftool", "-j", "link", "show", "pinned", pin))
        return link["id"], link["prog_id"]

    def purge(self, check=True):
        return self.host.run(xlbd_path(), "--purge", "--run-dir", self.run_dir, check=check)

    def close(self):
        if self._process is not None and self._process.alive:
            self._process.kill()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def get(self, path, timeout=2.0):
        """(HTTP status or 0 when nobody answers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", 9780, timeout=timeout)
        try:
            plain = self.host.socket()
            plain.settimeout(timeout)
            plain.connect(("127.0.0.1", 9780))
            connection.sock = plain
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def status(self):
        code, body = self.get("/v1/status")
        if code != 200:
            raise LabError(f"xlbd on {self.name} gives no status: HTTP {code}")
        return json.loads(body)

    def count(self, reason):
        """Packets with this verdict, such as drop_ttl."""
        return next(drop["packets"] for drop in self.status()["drops"] if drop["reason"] == reason)

    def apply(self, config):
        """Reloads with another configuration; every real server of it is usable when this returns."""
        self.config.write_text(config)
        self.ctl("reload")
        self.wait_forwarding()

    def ctl(self, *arguments, check=True):
        return self.host.run(xlbctl_path(), "--run-dir", self.run_dir, *arguments, check=check)

    def vrrp_state(self):
        return self.status()["vrrp"][0]["state"]

    def real_server(self, address, service=0):
        found = [real_server for real_server in self.status()["virtual_servers"][service]["real_servers"]
                 if real_server["address"] == address]
        if len(found) != 1:
            raise LabError(f"xlbd on {self.name} knows {len(found)} real servers {address}")
        return found[0]

    def wait_vrrp(self, state, timeout=10):
        wait_until(lambda: self.vrrp_state() == state, timeout, f"xlbd on {self.name} is {state}")

    def wait_master_heard(self, timeout=10):
        """A standby that never heard the master does not know whose silence it notices."""
        wait_until(lambda: self.status()["vrrp"][0]["adverts_received"] > 0, timeout,
                   f"xlbd on {self.name} hears the master")

    def wait_real_server(self, address, state, timeout):
        """Seconds until the real server is in that state."""
        started = time.monotonic()
        try:
            wait_until(lambda: self.real_server(address)["state"] == state, timeout,
                       f"{address} is {state} for xlbd on {self.name}")
        except LabError as error:
            raise LabError(f"{error}; as of {self.status()['generated_at']}: {self.real_server(address)}") from None
        return time.monotonic() - started

    def wait_forwarding(self, timeout=5):
        """Every real server is usable: up (or draining, with weight 0), and its MAC known where frames go to it."""

        def usable():
            return all(real_server["state"] in ("up", "draining") for service in self.status()["virtual_servers"]
                       for real_server in service["real_servers"])

        wait_until(usable, timeout, f"every real server is up for xlbd on {self.name}")
