"""The tutorial's network: two servers and a router on a switch, a client behind the router.

    clients 10.20.1.0/24 -- router 10.20.0.254 | 10.10.0.250 --- switch --- n1 10.10.0.1
                                                                    \\------- n2 10.10.0.2
"""

import os
import pathlib
import shutil
import tempfile

from .namespace import Namespace
from .process import LabError, run, wait_until

SERVER_NET_ROUTER = "10.10.0.250"
CLIENT_NET_ROUTER = "10.20.0.254"
CLIENT = "10.20.0.1"
CLIENT_COUNT = 120
_PREFIX = "xlbt"
_PASS_SOURCE = pathlib.Path(__file__).parent.parent / "pass.bpf.c"
_serial = 0


def client_addresses(count):
    return [f"10.20.1.{last}" for last in range(1, count + 1)]


def scratch_directory():
    """A directory of this process that remove_directory() or a later process's remove_leftovers() takes away."""
    return pathlib.Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{os.getpid()}-"))


def remove_directory(directory):
    """With the file systems that are mounted in it."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        inside = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{directory}/")]
    for path in reversed(inside):
        run(["umount", "-l", path], check=False)
    shutil.rmtree(directory, ignore_errors=True)


def remove_leftovers():
    """What test processes left that were killed before they could clean up."""

    def is_left(name):
        parts = name.split("-")
        return parts[0] == _PREFIX and parts[1].isdigit() and not os.path.exists(f"/proc/{parts[1]}")

    for line in run(["ip", "netns", "list"]).splitlines():
        if is_left(line.split()[0]):
            run(["ip", "netns", "del", line.split()[0]], check=False)
    for path in pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*"):
        if is_left(path.name):
            if path.is_dir():
                remove_directory(path)
            else:
                path.unlink()


def _pass_path():
    return pathlib.Path(tempfile.gettempdir()) / f"{_PREFIX}-{os.getpid()}-pass.o"


def remove_pass_object():
    _pass_path().unlink(missing_ok=True)


def pass_object():
    """The XDP program of the switch ports (section xdp.frags: frames of any size), compiled once per process."""
    target = _pass_path()
    if not target.exists():
        machine = run(["gcc", "-print-multiarch"]).strip()
        run(["clang", "-target", "bpf", "-O2", "-isystem", f"/usr/include/{machine}", "-c", str(_PASS_SOURCE), "-o",
             str(target)])
    return target


class Host(Namespace):
    """A machine on the switch, with its cable."""

    def __init__(self, name, switch, port, address, uplink="eth0"):
        super().__init__(name)
        self.switch = switch
        self.port = port
        self.address = address
        self.uplink = uplink  # the end of the cable; eth0 may be a device on top of it

    def cut_link(self):
        self.switch.ip("link", "set", "dev", self.port, "down")

    def mend_link(self):
        self.switch.ip("link", "set", "dev", self.port, "up")


class Topology:
    """Everything is removed by close(), whatever happened before."""

    def __init__(self, macvlan_on=(), mtu=1500):
        global _serial
        _serial += 1
        self._base = f"{_PREFIX}-{os.getpid()}-{_serial}"
        self._namespaces = []
        self._mtu = mtu
        try:
            self.switch = self._own(Namespace(f"{self._base}-sw"))
            self.switch.ip("link", "add", "name", "br0", "up", "type", "bridge", "forward_delay", "0",
                           "mcast_snooping", "0")
            self.n1 = self._host("n1", "10.10.0.1", "n1" in macvlan_on)
            self.n2 = self._host("n2", "10.10.0.2", "n2" in macvlan_on)
            self.router = self._host("router", SERVER_NET_ROUTER)
            self.client = self._own(Namespace(f"{self._base}-client"))
            self._connect_client()
            wait_until(self._links_are_up, 10, "every link is up")
        except BaseException:
            self.close()
            raise

    def _own(self, namespace):
        self._namespaces.append(namespace)
        return namespace

    def _host(self, name, address, macvlan=False):
        port = f"p-{name}"
        uplink = "cable" if macvlan else "eth0"
        host = self._own(Host(f"{self._base}-{name}", self.switch, port, address, uplink))
        self.switch.ip("link", "add", "name", port, "mtu", self._mtu, "type", "veth",
                       "peer", "name", uplink, "mtu", self._mtu, "netns", host.name)
        # A port that computes checksums in its transmit hands over finished frames, as a real switch does.
        self.switch.run("ethtool", "-K", port, "tx", "off")
        self.switch.ip("link", "set", "dev", port, "xdpdrv", "obj", str(pass_object()), "sec", "xdp.frags")
        self.switch.ip("link", "set", "dev", port, "master", "br0", "up")
        host.ip("link", "set", "dev", "lo", "up")
        if macvlan:
            # Only the device on top answers ARP for the host's addresses.
            host.ip("link", "set", "dev", uplink, "arp", "off", "up")
            host.ip("link", "add", "name", "eth0", "link", uplink, "type", "macvlan", "mode", "bridge")
        host.ip("addr", "add", f"{address}/24", "dev", "eth0")
        host.ip("link", "set", "dev", "eth0", "up")
        host.sysctl("net.ipv4.ip_forward", 1)
        if address != SERVER_NET_ROUTER:
            host.ip("route", "add", "default", "via", SERVER_NET_ROUTER)
        return host

    def _connect_client(self):
        self.router.ip("link", "add", "name", "eth1", "mtu", self._mtu, "type", "veth",
                       "peer", "name", "eth0", "mtu", self._mtu, "netns", self.client.name)
        self.router.ip("addr", "add", f"{CLIENT_NET_ROUTER}/24", "dev", "eth1")
        self.router.ip("link", "set", "dev", "eth1", "up")
        # The crowd's addresses are routed, not on link: the kernel's neighbour table has one limit for all namespaces.
        self.router.ip("route", "add", "10.20.1.0/24", "via", CLIENT)
        self.client.ip("addr", "add", f"{CLIENT}/24", "dev", "eth0")
        self.client.batch(f"addr add {address}/32 dev lo" for address in client_addresses(CLIENT_COUNT))
        self.client.ip("link", "set", "dev", "lo", "up")
        self.client.ip("link", "set", "dev", "eth0", "up")
        self.client.ip("route", "add", "default", "via", CLIENT_NET_ROUTER)

    def _links_are_up(self):
        """Until then frames may be dropped in silence: the kernel activates a link some time after its carrier."""
        return all(link["operstate"] == "UP" for namespace in self._namespaces
                   for link in namespace.ip_json("link", "show") if link["ifname"] != "lo")

    @property
    def servers(self):
        return (self.n1, self.n2)

    def server(self, name):
        if name not in ("n1", "n2"):
            raise LabError(f"no server {name}")
        return getattr(self, name)

    def close(self):
        for namespace in reversed(self._namespaces):
            namespace.delete()
        self._namespaces = []
