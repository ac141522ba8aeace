"""lvs_method NAT: n1 translates, n2 is a real server that routes by n1; beside it XDP forwards as ever."""

import pytest

from lab import ADDRESSES6, VIP, VIP6, Mode, add_ipv6, client_addresses6, wait_until
from lab.config import ADDRESSES, http_check
from lab.topology import SERVER_NET_ROUTER, client_addresses

CLIENTS = client_addresses(20)
DR_PORT = 81
CHECK = http_check(connect_timeout=1, retry=0)


def nat(names=("n1", "n2"), port=80, real_port=8080, scheduler="rr", extra="", vip=VIP, check="", real_extra=""):
    addresses = ADDRESSES6 if ":" in vip else ADDRESSES
    servers = "".join(f"    real_server {addresses[name]} {real_port} {{\n        {real_extra}\n        {check}\n    }}\n"
                      for name in names)
    return (f"virtual_server {vip} {port} {{\n    delay_loop 1\n    lb_algo {scheduler}\n    lb_kind NAT\n"
            f"    protocol TCP\n    {extra}\n{servers}}}\n")


def dr(port=DR_PORT):
    return (f"virtual_server {VIP} {port} {{\n    lb_algo rr\n    lb_kind DR\n    protocol TCP\n"
            f"    real_server 10.10.0.2 {port} {{\n    }}\n}}\n")


def config(*services):
    return "xlb {\n    interfaces eth0\n}\n" + "".join(services)


def route_by_director(lab):
    """As NAT wants it: n2's replies to clients pass n1, which holds the virtual address."""
    lab.n1.ip("addr", "add", f"{VIP}/24", "dev", "eth0")
    lab.n2.ip("route", "replace", "default", "via", "10.10.0.1")
    for name in ("all", "eth0"):
        lab.n1.sysctl(f"net.ipv4.conf.{name}.send_redirects", 0)


def hold_vip(lab):
    """As direct routing wants it: n2 has the virtual address too, and answers past the director."""
    for name, value in (("arp_ignore", 1), ("arp_announce", 2)):
        lab.n2.sysctl(f"net.ipv4.conf.all.{name}", value)
    lab.n2.ip("addr", "add", f"{VIP}/32", "dev", "lo")
    lab.n2.ip("route", "add", "default", "via", SERVER_NET_ROUTER, "table", "100")
    lab.n2.ip("rule", "add", "from", VIP, "lookup", "100")


@pytest.fixture
def nat_lab(lab):
    route_by_director(lab)
    lab.n1.sysctl("net.ipv4.ip_forward", 0)
    return lab


def shown(director, text):
    """Forward, weight, active and inactive connections of the real server's row."""
    rows = [line.split() for line in director.ctl("show").splitlines() if text in line]
    return rows[0][2:]


def forwarding(lab):
    return lab.n1.run("cat", "/proc/sys/net/ipv4/ip_forward").strip()


def test_nat_stands_beside_direct_routing(nat_lab):
    """Ports are mapped, clients are seen, counted and kept apart from those that XDP forwards."""
    nat_lab.web("n1", port=8080)
    nat_lab.web("n2", port=8080)
    nat_lab.web("n2", port=DR_PORT, address="0.0.0.0")
    hold_vip(nat_lab)
    director = nat_lab.director("n1", config(nat(), dr()))
    director.wait_forwarding()
    assert nat_lab.n1.xdp_mode() is not None
    assert forwarding(nat_lab) == "1"
    replies = [nat_lab.client.get(source) for source in CLIENTS]
    assert sorted({reply.server for reply in replies}) == ["n1", "n2"]
    assert [reply.server for reply in replies].count("n1") == 10
    assert [reply.seen_address for reply in replies] == CLIENTS
    assert {nat_lab.client.get(source, port=DR_PORT).server for source in CLIENTS[:4]} == {"n2"}

    def counted():
        status = director.status()["virtual_servers"]
        return [server["connections"] for server in status[0]["real_servers"]] == [10, 10]

    wait_until(counted, 5, "the connections are counted")
    status = director.status()
    assert [(service["forwarding"], service["real_servers"][-1]["forward"]) for service in status["virtual_servers"]] \
        == [("NAT", "Masq"), ("DR", "Route")]
    assert status["virtual_servers"][0]["real_servers"][0]["forward"] == "Local"
    assert status["virtual_servers"][1]["real_servers"][0]["connections"] == 4
    assert shown(director, "10.10.0.2:8080")[:2] == ["Masq", "1"]
    assert director.stop() == 0
    assert forwarding(nat_lab) == "0"
    assert "xlb" not in nat_lab.n1.run("nft", "list", "tables")


def test_open_connections_are_shown_and_dead_real_servers_lose_theirs(nat_lab):
    nat_lab.web("n1", port=8080)
    failing = nat_lab.web("n2", port=8080)
    director = nat_lab.director("n1", config(nat(check=CHECK, extra="persistence_timeout 50")))
    director.wait_forwarding()
    on = {}
    for source in CLIENTS[:2]:
        connection = nat_lab.client.connect(source)
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        on[connection.recv(2)] = connection
    assert set(on) == {b"n1", b"n2"}
    wait_until(lambda: shown(director, "10.10.0.2:8080")[2] == "1", 5, "the connection is shown")
    listed = [line.split() for line in director.ctl("show", "connections").splitlines()[2:]]
    assert {(row[4], row[5]) for row in listed if row[2] == "ESTABLISHED" and row[3].startswith("10.20.1.")} \
        >= {("10.10.0.3:80", "10.10.0.2:8080"), ("10.10.0.3:80", "10.10.0.1:8080")}
    failing.mode = Mode.ERROR_500
    director.wait_real_server("10.10.0.2", "down", 10)

    def is_reset():
        try:
            on[b"n2"].sendall(b"more")
            on[b"n2"].recv(4)
        except (ConnectionResetError, BrokenPipeError):
            return True
        return False

    wait_until(is_reset, 5, "the connection is reset")
    on[b"n1"].sendall(b"more")
    assert on[b"n1"].recv(4) == b"more"
    assert {nat_lab.client.get(source).server for source in CLIENTS} == {"n1"}
    failing.mode = Mode.OK
    director.wait_real_server("10.10.0.2", "up", 10)
    assert {nat_lab.client.get(source).server for source in CLIENTS[:4]} == {"n1"}  # persistent
    for connection in on.values():
        connection.close()


def test_the_sorry_server_may_be_translated_too(nat_lab):
    failing = nat_lab.web("n1", port=8080)
    nat_lab.web("n2", port=9090)
    sorry = "sorry_server 10.10.0.2 9090"
    director = nat_lab.director("n1", config(nat(names=("n1",), check=CHECK, extra=sorry)))
    director.wait_forwarding()
    assert nat_lab.client.get(CLIENTS[0]).server == "n1"
    failing.mode = Mode.ERROR_500
    wait_until(lambda: director.status()["virtual_servers"][0]["state"] == "sorry", 10, "the sorry server is used")
    assert nat_lab.client.wait_served(CLIENTS[1]) == "n2"
    assert director.status()["virtual_servers"][0]["sorry_server"]["forward"] == "Masq"


def test_a_reload_changes_the_method_and_leaves_others_alone(nat_lab):
    nat_lab.web("n1", port=8080)
    nat_lab.web("n2", port=8080)
    nat_lab.web("n2", port=DR_PORT)
    hold_vip(nat_lab)
    director = nat_lab.director("n1", config(nat(), dr()))
    director.wait_forwarding()
    kept = nat_lab.client.connect(CLIENTS[0])
    kept.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
    kept.recv(2)
    director.config.write_text(config(nat(), dr().replace("DR", "NAT")))
    assert "TCP 10.10.0.3:81: lvs_method DR -> NAT" in director.ctl("reload", "--dry-run")
    director.ctl("reload")
    wait_until(lambda: nat_lab.client.served(CLIENTS[1], port=DR_PORT) == "n2", 5, "NAT serves")
    assert director.status()["virtual_servers"][1]["real_servers"][0]["forward"] == "Masq"
    director.apply(config(nat(), dr()))
    assert nat_lab.client.wait_served(CLIENTS[2], port=DR_PORT) == "n2"
    assert director.status()["virtual_servers"][1]["real_servers"][0]["forward"] == "Route"
    kept.sendall(b"more")
    assert kept.recv(4) == b"more"
    kept.close()
    director.apply(config(dr()))
    wait_until(lambda: forwarding(nat_lab) == "0", 5, "the host routes as before")


def test_translation_goes_on_while_the_daemon_restarts(nat_lab):
    nat_lab.web("n1", port=8080)
    nat_lab.web("n2", port=8080)
    director = nat_lab.director("n1", config(nat(), dr()))
    director.wait_forwarding()
    on = {}
    for source in CLIENTS[:2]:
        connection = nat_lab.client.connect(source)
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        on[connection.recv(2)] = connection
    director.kill()
    assert {nat_lab.client.get(source).server for source in CLIENTS[:4]} == {"n1", "n2"}
    director.start()
    director.wait_forwarding()
    for connection in on.values():
        connection.sendall(b"more")
        assert connection.recv(4) == b"more"
        connection.close()


def test_a_real_server_is_left_alone_at_its_upper_threshold(nat_lab):
    nat_lab.web("n1", port=8080)
    nat_lab.web("n2", port=8080)
    director = nat_lab.director("n1", config(nat(real_extra="uthreshold 2")))
    director.wait_forwarding()
    held = []
    for source in CLIENTS[:4]:
        held.append(nat_lab.client.connect(source))
    wait_until(lambda: "uthreshold 2" in director.real_server("10.10.0.2")["reason"], 5, "it is full")
    assert director.real_server("10.10.0.2")["state"] == "draining"
    for connection in held:
        connection.close()


def test_ipv6_is_translated_where_the_host_routes_it(nat_lab):
    lab = nat_lab
    add_ipv6(lab)
    lab.n1.ip("addr", "add", f"{VIP6}/128", "dev", "eth0", "nodad", "preferred_lft", "0")
    lab.n2.ip("-6", "route", "replace", "default", "via", ADDRESSES6["n1"])
    lab.web("n1", address="::", port=8080)
    lab.web("n2", address="::", port=8080)
    director = lab.director("n1", config(nat(vip=VIP6), dr()))
    sources = client_addresses6(10)
    wait_until(lambda: any("does not route IPv6" in text for text in director.status()["warnings"]), 5, "it is said")
    lab.n1.sysctl("net.ipv6.conf.all.forwarding", 1)
    wait_until(lambda: lab.client.served(sources[0], address=VIP6) is not None, 10, "IPv6 is served")
    replies = [lab.client.get(source, address=VIP6) for source in sources]
    assert {reply.server for reply in replies} == {"n1", "n2"}
    assert [reply.seen_address for reply in replies] == sources
    assert not [text for text in director.status()["warnings"] if "IPv6" in text]
    wait_until(lambda: director.status()["virtual_servers"][0]["real_servers"][1]["connections"] >= 5, 5,
               "they are counted")
