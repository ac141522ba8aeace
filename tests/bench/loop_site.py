"""What the benches of xlbd's loop share: a director at one end of a cable and every real server at the other, a process
that only waits, and the frame of a bench's program."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

_HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(_HERE.parent / "netns"))

from lab import Namespace  # noqa: E402
from lab.topology import remove_leftovers  # noqa: E402

DIRECTOR_ADDRESS = "10.30.255.1"
PEER_ADDRESS = "10.30.255.2"
VIP = "10.30.255.100"


def directory_in_memory(name):
    """As /run is: xlbd writes its records there."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return pathlib.Path(tempfile.mkdtemp(prefix=f"xlbt-{os.getpid()}-{name}-", dir=memory))


def address_of(number):
    return f"10.30.{number // 250}.{number % 250 + 1}"


class Network:
    """The director's namespace and, on the other end of a cable, one that owns every real server's address."""

    def __init__(self, name):
        base = f"xlbt-{os.getpid()}-{name}"
        self.director = Namespace(f"{base}-d")
        self.peer = Namespace(f"{base}-p")
        self.director.ip("link", "add", "name", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.peer.name)
        for namespace, address in ((self.director, DIRECTOR_ADDRESS), (self.peer, PEER_ADDRESS)):
            namespace.ip("addr", "add", f"{address}/16", "dev", "eth0")
            namespace.ip("link", "set", "dev", "lo", "up")
            namespace.ip("link", "set", "dev", "eth0", "up")
        self.peer.ip("route", "add", "local", "10.30.0.0/17", "dev", "lo")

    def close(self):
        self.director.delete()
        self.peer.delete()


def head_of_configuration(name, advert_interval_s):
    """A virtual router that advertises, and flows enough."""
    return f"""
xlb {{
    interfaces eth0
    flow_table_size 65536
}}
vrrp_instance {name} {{
    state MASTER
    interface eth0
    virtual_router_id 1
    version 3
    priority 200
    advert_int {advert_interval_s}
    virtual_ipaddress {{
        {VIP}/16
    }}
}}
"""


class BareTimer:
    """From start to stop: how late a process that only waits for a timer is woken."""

    def __init__(self):
        self._process = subprocess.Popen(["/usr/bin/python3", _HERE / "bare_timer.py"], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)

    def stop(self):
        return json.loads(self._process.communicate("", 30)[0])


class Usage:
    """CPU and memory of a process, and how long it was ready but had to wait for a CPU."""

    def __init__(self, pid):
        self._pid = pid
        self._began = time.monotonic()
        self._cpu, self._waited = self._read()

    def _read(self):
        with open(f"/proc/{self._pid}/task/{self._pid}/schedstat", encoding="ascii") as file:
            on_cpu, waiting, _ = file.read().split()
        return int(on_cpu) / 1e9, int(waiting) / 1e9

    def result(self):
        cpu, waited = self._read()
        seconds = time.monotonic() - self._began
        with open(f"/proc/{self._pid}/status", encoding="ascii") as file:
            memory = {line.split(":")[0]: line.split()[1] for line in file if line.startswith("Vm")}
        return {
            "loop_cpu_percent": round(100 * (cpu - self._cpu) / seconds, 1),
            "loop_waited_for_cpu_percent": round(100 * (waited - self._waited) / seconds, 1),
            "memory_mib": round(int(memory["VmRSS"]) / 1024, 1),
            "memory_peak_mib": round(int(memory["VmHWM"]) / 1024, 1),
        }


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} has no memory: it has ended")


def parser(description):
    result = argparse.ArgumentParser(description=description.splitlines()[0])
    result.add_argument("--realtime", action="store_true",
                        help="run xlbd's loop before all other processes: what is late is then its own, not a busy machine's")
    result.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the result there too")
    return result


def main(arguments, run, missed):
    """Runs the bench, which prints what it measured; then what it missed. The exit status."""
    if os.geteuid() != 0:
        sys.exit("error: cannot make network namespaces: not root")
    remove_leftovers()
    result = run(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    problems = list(missed(result))
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0
