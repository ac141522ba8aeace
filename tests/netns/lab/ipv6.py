"""IPv6 beside IPv4 in the tutorial's network: the same hosts, the same links.

    clients 2001:db8:20:1::/64 -- router 2001:db8:20::fe | 2001:db8:10::fe --- switch --- n1 2001:db8:10::1
                                                                                  \\------ n2 2001:db8:10::2
"""

VIP6 = "2001:db8:10::3"
ADDRESSES6 = {"n1": "2001:db8:10::1", "n2": "2001:db8:10::2"}
SERVER_NET_ROUTER6 = "2001:db8:10::fe"
CLIENT_NET_ROUTER6 = "2001:db8:20::fe"
CLIENT6 = "2001:db8:20::1"


def client_addresses6(count):
    return [f"2001:db8:20:1::{last:x}" for last in range(1, count + 1)]


def add_ipv6(lab, clients=40):
    """Gives every host its IPv6 addresses and routes."""
    topology = lab.topology
    for namespace in (topology.n1, topology.n2, topology.router, topology.client):
        # Nobody else has these addresses; until that were found out neighbours could not be asked for.
        for interface in ("all", "default", "eth0", *(("eth1",) if namespace is topology.router else ())):
            namespace.sysctl(f"net.ipv6.conf.{interface}.accept_dad", 0)
        namespace.sysctl("net.ipv6.conf.all.disable_ipv6", 0)
        namespace.sysctl("net.ipv6.conf.default.disable_ipv6", 0)
    for name, address in ADDRESSES6.items():
        host = topology.server(name)
        host.ip("-6", "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
        host.ip("-6", "route", "add", "default", "via", SERVER_NET_ROUTER6)
    topology.router.ip("-6", "addr", "add", f"{SERVER_NET_ROUTER6}/64", "dev", "eth0", "nodad")
    topology.router.ip("-6", "addr", "add", f"{CLIENT_NET_ROUTER6}/64", "dev", "eth1", "nodad")
    topology.router.ip("-6", "route", "add", "2001:db8:20:1::/64", "via", CLIENT6)
    topology.router.sysctl("net.ipv6.conf.all.forwarding", 1)
    client = topology.client
    client.ip("-6", "addr", "add", f"{CLIENT6}/64", "dev", "eth0", "nodad")
    client.batch(f"addr add {address}/128 dev lo nodad" for address in client_addresses6(clients))
    client.ip("-6", "route", "add", "default", "via", CLIENT_NET_ROUTER6)
