"""IPv6 as far as the control side goes: neighbours, gateways, checks, local delivery; whatever forwards the packets."""

import contextlib
import socket
import threading

import pytest

from lab import wait_until

NETWORK = "2001:db8:10"
VIP = f"{NETWORK}::3"
ADDRESS = {"n1": f"{NETWORK}::1", "n2": f"{NETWORK}::2", "router": f"{NETWORK}::fe"}
BEYOND = "2001:db8:99"  # behind the router
CHECK = "TCP_CHECK { connect_timeout 1\n retry 0 }"


def config(services, xlb=""):
    return f"""
vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id 10
    priority 200
    virtual_ipaddress {{ 10.10.0.3/24 }}
}}
xlb {{ attach_mode none
 {xlb}
}}
{services}"""


def service(real_servers, method="DR", vip=VIP, port=80, words=""):
    blocks = "\n".join(f"    real_server {address} {port} {{ {check} }}" for address, check in real_servers)
    return f"virtual_server {vip} {port} {{\n    lb_algo rr\n    lvs_method {method}\n    protocol TCP\n" \
           f"    delay_loop 1\n    {words}\n{blocks}\n}}\n"


class Web:
    """Says its name to whoever connects."""

    def __init__(self, host, name, address, port=80):
        self._socket = host.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self._socket.listen(64)
        self._name = name.encode()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(self._name)

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def ask(host, address, port=80):
    with host.socket(socket.AF_INET6) as client:
        client.settimeout(2)
        client.connect((address, port))
        return client.recv(16).decode()


@pytest.fixture
def lab6(lab):
    for name in ("n1", "n2", "router"):
        host = getattr(lab, name)
        for device in ("all", "default", "lo", "eth0"):
            host.sysctl(f"net.ipv6.conf.{device}.disable_ipv6", 0)
        host.ip("addr", "add", f"{ADDRESS[name]}/64", "dev", "eth0", "nodad")
    return lab


def test_neighbours_are_discovered_and_checked(lab6):
    lab6.own(Web(lab6.n2, "n2", ADDRESS["n2"]))
    director = lab6.director("n1", config(service([(ADDRESS["n2"], CHECK), (f"{NETWORK}::77", "")])))
    director.wait_real_server(ADDRESS["n2"], "up", 10)
    found = director.real_server(ADDRESS["n2"])
    assert found["mac"] == lab6.n2.mac() and found["checks"][0]["target"] == f"[{ADDRESS['n2']}]:80"
    wait_until(lambda: director.real_server(f"{NETWORK}::77")["reason"] ==
               f"{NETWORK}::77 does not answer neighbour discovery on eth0", 10, "nobody is there")
    assert f"TCP  [{VIP}]:80 rr\n  -> [{ADDRESS['n2']}]:80" in director.ctl("show")
    assert f"TCP [{VIP}]:80 is not balanced: that takes translation" in director.log_text()
    wait_until(lambda: any("is not balanced" in warning for warning in director.status()["warnings"]), 5, "it is said")


def test_check_of_an_ipv6_server_fails_and_passes_again(lab6):
    web = Web(lab6.n2, "n2", ADDRESS["n2"])
    director = lab6.director("n1", config(service([(ADDRESS["n2"], CHECK)])))
    director.wait_real_server(ADDRESS["n2"], "up", 10)
    web.close()
    director.wait_real_server(ADDRESS["n2"], "down", 10)
    lab6.own(Web(lab6.n2, "n2", ADDRESS["n2"]))
    director.wait_real_server(ADDRESS["n2"], "up", 10)


def test_own_real_server_is_served_by_translation(lab6):
    lab6.own(Web(lab6.n1, "n1", ADDRESS["n1"]))
    lab6.n1.ip("addr", "add", f"{VIP}/64", "dev", "eth0", "nodad")
    director = lab6.director("n1", config(service([(ADDRESS["n1"], CHECK)])))
    director.wait_real_server(ADDRESS["n1"], "up", 10)
    assert director.real_server(ADDRESS["n1"])["forward"] == "Local"
    wait_until(lambda: "dnat to" in lab6.n1.run("nft", "list", "ruleset"), 5, "the rules are there")
    assert ask(lab6.router, VIP) == ask(lab6.n1, VIP) == "n1"
    lab6.n1.run("nft", "flush", "table", "ip6", "xlb")
    wait_until(lambda: "dnat to" in lab6.n1.run("nft", "list", "table", "ip6", "xlb"), 5, "written again")
    assert "table ip6 xlb" in lab6.n1.run("nft", "list", "ruleset")
    director.stop()
    assert ask(lab6.router, VIP) == "n1"
    director.purge()
    assert "xlb" not in lab6.n1.run("nft", "list", "tables")


def test_own_real_server_is_served_with_the_address_on_lo(lab6):
    lab6.own(Web(lab6.n1, "n1", "::"))
    director = lab6.director("n1", config(service([(ADDRESS["n1"], "")]), "local_delivery loopback"))
    wait_until(lambda: VIP in lab6.n1.ip("-6", "addr", "show", "dev", "lo"), 5, "the address is on lo")
    assert "deprecated" in lab6.n1.ip("-6", "addr", "show", "dev", "lo")
    lab6.router.ip("route", "add", f"{VIP}/128", "via", ADDRESS["n1"])
    assert ask(lab6.router, VIP) == "n1"
    director.stop()
    director.purge()
    assert VIP not in lab6.n1.ip("-6", "addr", "show", "dev", "lo")


def test_any_port_of_the_address_is_delivered(lab6):
    lab6.own(Web(lab6.n1, "any", ADDRESS["n1"], 8080))
    lab6.n1.ip("addr", "add", f"{VIP}/64", "dev", "eth0", "nodad")
    lab6.director("n1", config(service([(ADDRESS["n1"], "")], port=0)))
    wait_until(lambda: "dnat to" in lab6.n1.run("nft", "list", "ruleset"), 5, "the rules are there")
    assert ask(lab6.router, VIP, 8080) == "any"


def test_real_server_behind_a_tunnel_follows_the_route(lab6):
    lab6.n1.ip("route", "add", f"{BEYOND}::/64", "via", ADDRESS["router"], "mtu", "1400")
    far, near = f"{BEYOND}::5", "192.0.2.5"
    director = lab6.director("n1", config(service([(far, ""), (near, "")], method="TUN")))
    director.wait_real_server(far, "up", 10)
    assert (director.real_server(far)["forward"], director.real_server(far)["mac"]) == ("Masq", lab6.router.mac())
    director.wait_real_server(near, "up", 10)  # by the default route of IPv4
    lab6.n1.ip("route", "replace", f"{BEYOND}::/64", "via", ADDRESS["n2"])
    wait_until(lambda: director.real_server(far)["mac"] == lab6.n2.mac(), 5, "the other gateway is taken")
    lab6.n1.ip("route", "del", f"{BEYOND}::/64")
    wait_until(lambda: director.real_server(far)["reason"] == f"there is no route to {far}", 5, "the way is gone")


def test_fallback_hashes_clients_and_keeps_networks_together(lab):
    for name in ("n1", "n2"):
        lab.web(name)
    real_servers = [("10.10.0.1", ""), ("10.10.0.2", "")]
    text = config(service(real_servers, vip="10.10.0.3").replace("lb_algo rr", "lb_algo sh"))
    director = lab.director("n1", text)
    director.wait_vrrp("MASTER")
    director.wait_forwarding()
    clients = [f"10.20.1.{last}" for last in range(1, 41)]
    first = {source: lab.client.wait_served(source) for source in clients}
    assert set(first.values()) == {"n1", "n2"}
    assert {source: lab.client.get(source).server for source in clients} == first
    text = config(service(real_servers, vip="10.10.0.3", words="persistence_timeout 60\n"
                          "    persistence_granularity 255.255.255.0").replace("lb_algo rr", "lb_algo wlc"))
    director.config.write_text(text)
    director.ctl("reload")
    wait_until(lambda: "is balanced as wrr" in director.log_text(), 5, "it is said")
    wait_until(lambda: "saddr & 255.255.255.0" in lab.n1.run("nft", "list", "ruleset"), 5, "the rules are there")
    assert len({lab.client.get(source).server for source in clients}) == 1
