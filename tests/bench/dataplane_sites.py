"""Where the data plane is measured: a namespace with a director or with one of nftables' ways to do its work, a cable,
and a namespace with the network behind it. All sites have the same MAC addresses, so one frame serves them all."""

import subprocess

from lab import Director, LabError, Namespace, wait_until
from lab.director import build_directory, xlbd_path
from lab.process import run

from dataplane_frames import DIRECTOR_MAC

DIRECTOR = "10.30.255.1"
DIRECTOR6 = "fd00:30::ffff"
VIP = "10.31.0.1"
VIP6 = "fd00:31::1"
NETWORK_MAC = "02:00:00:00:00:10"  # answers for every real server
WATCHED_REAL_SERVER = "10.30.0.1"
WATCHED_MAC = "02:00:00:00:00:11"  # but this one
TCP_PORT, LOCAL_PORT, TUNNEL_PORT, UNUSED_PORT = 80, 81, 82, 9999


def bench_path():
    path = build_directory() / "tests" / "bench" / "dataplane_bench"
    if not path.exists():
        raise LabError(f"{path} is not built; XLB_BUILD names the build directory")
    return path


def real_server_address(number):
    return f"10.30.{number // 250}.{number % 250 + 1}"


def virtual_server_address(number):
    return f"10.31.{number // 256 + 4}.{number % 256}"


class Site:
    """The cable and its two ends; eth0 in both."""

    def __init__(self, name, prefix, ipv6=False):
        self.namespace = Namespace(f"{prefix}-{name}")
        self.network = None
        try:
            self.network = Namespace(f"{prefix}-{name}-far")
            self._connect(ipv6)
        except BaseException:
            self.close()
            raise

    def _connect(self, ipv6):
        here, far = self.namespace, self.network
        here.ip("link", "add", "name", "eth0", "address", DIRECTOR_MAC, "type", "veth",
                "peer", "name", "eth0", "address", NETWORK_MAC, "netns", far.name)
        if ipv6:
            for namespace in (here, far):
                namespace.sysctl("net.ipv6.conf.eth0.disable_ipv6", 0)
                namespace.sysctl("net.ipv6.conf.eth0.accept_dad", 0)
        here.ip("addr", "add", f"{DIRECTOR}/16", "dev", "eth0")
        far.ip("addr", "add", "10.30.255.2/16", "dev", "eth0")
        for namespace in (here, far):
            namespace.ip("link", "set", "dev", "lo", "up")
            namespace.ip("link", "set", "dev", "eth0", "up")
        # Every address of a real server is the network's own, and so answered for.
        far.ip("route", "add", "local", "10.30.0.0/17", "dev", "lo")
        if ipv6:
            here.ip("-6", "addr", "add", f"{DIRECTOR6}/64", "dev", "eth0", "nodad")
            for last in ("1", "2", "fffe"):
                far.ip("-6", "addr", "add", f"fd00:30::{last}/64", "dev", "eth0", "nodad")
        self.attach_sink(far)
        here.ip("neigh", "replace", WATCHED_REAL_SERVER, "lladdr", WATCHED_MAC, "nud", "permanent", "dev", "eth0")

    @staticmethod
    def attach_sink(namespace):
        namespace.ip("link", "set", "dev", "eth0", "xdpdrv", "obj", bench_path().parent / "dataplane_sink.bpf.o", "sec", "xdp")

    def permanent_neighbours(self, addresses):
        """More than the kernel's table has room for may be known if they are not learnt."""
        batch = "".join(f"neigh replace {address} lladdr {NETWORK_MAC} nud permanent dev eth0\n" for address in addresses)
        run(["ip", "-n", self.namespace.name, "-batch", "-"], text_input=batch)

    def place(self):
        return {"network_namespace": self.namespace.path, "interface": "eth0"}

    def far_end(self):
        return {"network_namespace": self.network.path, "interface": "eth0"}

    def close(self):
        self.namespace.delete()
        if self.network:
            self.network.delete()


class DirectorSite(Site):
    def __init__(self, name, prefix, directory, config, ipv6=False):
        super().__init__(name, prefix, ipv6)
        self.director = Director(self.namespace, name, directory / name, config)
        self.program = str(self.director.run_dir / "bpf" / "xlb")

    def start(self):
        try:
            self.director.start()
            self.director.wait_forwarding(30)
        except LabError as error:
            raise LabError(f"{error}\n{self.director.log_text()[-2000:]}") from None
        if self.namespace.xdp_mode() != "native":
            raise LabError(f"XDP on a veth is {self.namespace.xdp_mode()}, not native: {self.director.status()['dataplane']}")

    def refusal(self):
        """Starts the daemon; why its data plane does not take the configuration, empty if it does."""
        self.director.start(ready=False)

        def cause():
            line = self.director.log_text().partition("error: cannot apply ")[2].splitlines()
            return line[0] if line else " " if self.director.get("/readyz")[0] == 200 else None

        return wait_until(cause, 10, "xlbd is ready").strip().partition("; trying again")[0]

    def stop(self):
        self.director.stop()
        self.director.purge()

    def close(self):
        self.director.close()
        self.director.purge(check=False)
        super().close()


class ForwardSite(Site):
    """nftables sends frames back out at ingress, before the stack: no state, the real server by a hash of the client."""

    program = "pass"

    def __init__(self, name, prefix, port):
        super().__init__(name, prefix)
        self.attach_sink(self.namespace)  # any native program: it registers the receive queue
        self.namespace.nft(f"""
table netdev rival {{
    chain arriving {{
        type filter hook ingress device "eth0" priority 0;
        ip daddr {VIP} udp dport {port} ether saddr set {DIRECTOR_MAC} \\
            ether daddr set jhash ip saddr . udp sport mod 2 map {{ 0 : {WATCHED_MAC}, 1 : {NETWORK_MAC} }} fwd to "eth0"
    }}
}}""")


class DnatSite(Site):
    """nftables translates the address of a new connection by a hash of the client; connection tracking remembers it."""

    program = "pass"

    def __init__(self, name, prefix, port):
        super().__init__(name, prefix)
        self.attach_sink(self.namespace)
        self.namespace.ip("neigh", "replace", "10.30.0.2", "lladdr", NETWORK_MAC, "nud", "permanent", "dev", "eth0")
        self.namespace.ip("route", "add", "default", "via", "10.30.255.2")  # where clients are
        self.namespace.ip("route", "add", "blackhole", f"{VIP}/32")  # what was not translated must not arrive
        self.namespace.sysctl("net.ipv4.ip_forward", 1)
        self.namespace.sysctl("net.ipv4.conf.all.rp_filter", 0)
        self.namespace.sysctl("net.ipv4.conf.eth0.rp_filter", 0)
        self.namespace.sysctl("net.ipv4.conf.all.send_redirects", 0)
        self.namespace.sysctl("net.ipv4.conf.eth0.send_redirects", 0)
        self.namespace.nft(f"""
table ip rival {{
    chain arriving {{
        type nat hook prerouting priority dstnat;
        ip daddr {VIP} udp dport {port} dnat to jhash ip saddr . udp sport mod 2 map {{ 0 : 10.30.0.1, 1 : 10.30.0.2 }}
    }}
}}""")


def service(address, port, protocol, real_servers, weights=None, kind="DR"):
    weights = weights or {}
    lines = [f"virtual_server {address} {port} {{", "    lb_algo wrr", f"    lb_kind {kind}", f"    protocol {protocol}"]
    for real_server in real_servers:
        lines += [f"    real_server {real_server} {port} {{", f"        weight {weights.get(real_server, 1)}", "    }"]
    return "\n".join(lines + ["}", ""])


def head(flow_table_size):
    return f"xlb {{\n    interfaces eth0\n    flow_table_size {flow_table_size}\n    status_listen 127.0.0.1:9780\n}}\n"


def refusal(config, directory):
    """Why this xlbd does not take the configuration, in its own words; empty if it does."""
    path = directory / "probe.conf"
    path.write_text(config)
    result = subprocess.run([xlbd_path(), "-t", "-f", path], capture_output=True, text=True, check=False, timeout=20)
    if result.returncode == 0:
        return ""
    text = (result.stderr + result.stdout).strip().splitlines()
    return text[0].partition("error: ")[2] or text[0] if text else f"exit {result.returncode}"
