"""One network namespace: commands, sockets and files of /proc/sys/net seen from inside it."""

import ctypes
import json
import os
import pathlib
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from .process import LabError, run, wait_until

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def _join(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        if _libc.setns(fd, _CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise LabError(f"cannot enter {path}: {os.strerror(code)}")
    finally:
        os.close(fd)


class _Monitor:
    def __init__(self, host):
        self._file = tempfile.NamedTemporaryFile()  # lives as long as this
        self._process = subprocess.Popen(["ip", "-n", host.name, "monitor", "address", "route", "rule"],
                                         stdout=self._file, stderr=subprocess.DEVNULL)
        # It listens once its socket is bound: a route of our own tells.
        mark = "198.51.100.254"
        wait_until(lambda: self._seen(host, mark), 5, "ip monitor listens")

    def _seen(self, host, mark):
        host.ip("route", "add", "blackhole", mark)
        host.ip("route", "del", "blackhole", mark)
        return mark in self.text()

    def text(self):
        return pathlib.Path(self._file.name).read_text(encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._file.close()


class Namespace:
    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"
        run(["ip", "netns", "add", name])
        # A thread that lives in the namespace: a socket keeps the namespace it was made in, so it can be used anywhere.
        self._inside = ThreadPoolExecutor(max_workers=1, initializer=_join, initargs=(self.path,))
        self.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        self.sysctl("net.ipv6.conf.default.disable_ipv6", 1)

    def delete(self):
        self._inside.shutdown(wait=True)
        run(["ip", "netns", "del", self.name], check=False)

    def call(self, function, *arguments):
        """Runs a short function inside."""
        return self._inside.submit(function, *arguments).result()

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        return self.call(socket.socket, family, kind, protocol)

    def command(self, *argv):
        # Not `ip netns exec`: that gives the command a /sys of its own, without /sys/fs/bpf.
        return ["nsenter", f"--net={self.path}", *(str(argument) for argument in argv)]

    def run(self, *argv, check=True, text_input=None):
        return run(self.command(*argv), check=check, text_input=text_input)

    def ip(self, *argv, check=True):
        return run(["ip", "-n", self.name, *(str(argument) for argument in argv)], check=check)

    def batch(self, commands):
        """Many `ip` commands at once."""
        run(["ip", "-n", self.name, "-batch", "-"], text_input="".join(f"{command}\n" for command in commands))

    def ip_json(self, *argv):
        return json.loads(run(["ip", "-n", self.name, "-d", "-j", *(str(argument) for argument in argv)]) or "[]")

    def monitor(self):
        """What changes on addresses, routes and rules from here on, in `ip monitor`'s words."""
        return _Monitor(self)

    def nft(self, script):
        self.run("nft", "-f", "-", text_input=script)

    def sysctl(self, name, value):
        def write():
            with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="ascii") as file:
                file.write(str(value))

        # Which /proc/sys/net a path means is decided by the namespace of the thread that opens it.
        self.call(write)

    def addresses(self, device="eth0"):
        """Every IPv4 address of the device, with its prefix length."""
        return [f"{entry['local']}/{entry['prefixlen']}"
                for link in self.ip_json("-4", "addr", "show", "dev", device) for entry in link.get("addr_info", [])]

    def xdp_mode(self, device="eth0"):
        """native, generic or None: what the kernel says is attached."""
        link = self.ip_json("link", "show", "dev", device)[0]
        mode = link.get("xdp", {}).get("mode", 0)
        return {0: None, 1: "native", 2: "generic"}.get(mode, f"mode {mode}")

    def mac(self, device="eth0"):
        return self.ip_json("link", "show", "dev", device)[0]["address"]
