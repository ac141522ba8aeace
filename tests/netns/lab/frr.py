"""FRR's vrrpd as the other director: zebra and vrrpd in a host's namespace, and the macvlan with the virtual MAC
that vrrpd wants to find."""

import shutil

from .process import LabError, Process, wait_until

_LIBRARY = "/usr/lib/frr"


class Frr:
    """`virtual` with its prefix length; IPv6 needs a link-local address beside it."""

    def __init__(self, host, directory, vrid, virtual, version=3, priority=100, interval_ms=1000):
        self._host = host
        self._directory = directory
        self._vrid = vrid
        self._v6 = ":" in virtual
        self._virtual = virtual
        directory.mkdir(parents=True, exist_ok=True)
        family = "ipv6" if self._v6 else "ip"
        addresses = [virtual.split("/")[0]] + (["fe80::5e:100"] if self._v6 else [])
        lines = [f"vrrp {vrid} version {version}", f"vrrp {vrid} priority {priority}",
                 f"vrrp {vrid} advertisement-interval {interval_ms}",
                 *(f"vrrp {vrid} {family} {address}" for address in addresses)]
        (directory / "frr.conf").write_text("interface eth0\n" + "".join(f" {line}\n" for line in lines))
        (directory / "zebra.conf").write_text("")
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, "frr", "frr")
        directory.parent.chmod(0o755)
        directory.chmod(0o755)
        self.log = directory / "frr.log"
        self.device = f"vrrp{6 if self._v6 else 4}-2-{vrid}"
        self._processes = []

    def start(self):
        mac = f"00:00:5e:00:0{2 if self._v6 else 1}:{self._vrid:02x}"
        self._host.ip("link", "add", self.device, "link", "eth0", "type", "macvlan", "mode", "bridge")
        self._host.ip("link", "set", self.device, "address", mac)
        if self._v6:
            self._host.sysctl(f"net.ipv6.conf.{self.device}.accept_dad", 0)
            self._host.ip("addr", "add", "fe80::5e:100/64", "dev", self.device, "nodad")
        self._host.ip("addr", "add", self._virtual, "dev", self.device, *(("nodad",) if self._v6 else ()))
        self._host.ip("link", "set", self.device, "up")
        for daemon, config in (("zebra", "zebra.conf"), ("vrrpd", "frr.conf")):
            self._processes.append(Process(self._host.command(
                f"{_LIBRARY}/{daemon}", "-f", self._directory / config, "-i", self._directory / f"{daemon}.pid", "-z",
                self._directory / "zserv.api", "--vty_socket", self._directory, "-P", "0", "--log", "stdout"), self.log))
            wait_until((self._directory / f"{daemon}.vty").exists, 10, f"{daemon} runs")
        return self

    def state(self):
        """"Master", "Backup" or "Initialize", as `show vrrp` says."""
        shown = self._host.run("vtysh", "--vty_socket", self._directory, "-c", "show vrrp", check=False).stdout
        wanted = "Status (v6)" if self._v6 else "Status (v4)"
        for line in shown.splitlines():
            if line.strip().startswith(wanted):
                return line.split()[-1]
        return ""

    def wait_state(self, state, timeout=15):
        try:
            wait_until(lambda: self.state() == state, timeout, f"FRR is {state}", 0.1)
        except LabError as error:
            raise LabError(f"{error}; it is {self.state()!r}") from None

    def kill(self):
        for process in reversed(self._processes):
            if process.alive:
                process.kill()
        self._processes = []

    def close(self):
        self.kill()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""
