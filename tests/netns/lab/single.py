"""One director without VRRP on n1, which is a real server too; n2 is one that does direct routing by hand: the
virtual addresses on its loopback interface, silent about them. For what has nothing to do with who is master."""

from .config import ADDRESSES, VIP
from .ipv6 import ADDRESSES6, VIP6, add_ipv6


def virtual_server(address, port=80, protocol="TCP", scheduler="rr", names=("n1", "n2"), extra="",
                   weights=None, real_server_extra=""):
    addresses = ADDRESSES6 if ":" in address else ADDRESSES
    real_servers = "".join(
        f"    real_server {addresses[name]} {port} {{\n        weight {(weights or {}).get(name, 1)}\n"
        f"        {real_server_extra}\n    }}\n" for name in names)
    return (f"virtual_server {address} {port} {{\n    lb_algo {scheduler}\n    lb_kind DR\n"
            f"    protocol {protocol}\n    {extra}\n{real_servers}}}\n")


def single_config(*virtual_servers, xlb=""):
    return f"xlb {{\n    interfaces eth0\n    local_delivery loopback\n    {xlb}\n}}\n" + "".join(virtual_servers)


def hold_vips(lab):
    """The virtual addresses of both families, without a director yet."""
    add_ipv6(lab)
    for name, value in (("arp_ignore", 1), ("arp_announce", 2)):
        lab.n2.sysctl(f"net.ipv4.conf.all.{name}", value)
    # Deprecated: never the source of n1's own connections.
    lab.n1.batch([f"addr add {VIP}/24 dev eth0", f"addr add {VIP6}/128 dev eth0 nodad preferred_lft 0"])
    lab.n2.batch([f"addr add {VIP}/32 dev lo", f"addr add {VIP6}/128 dev lo nodad"])
