"""Virtual servers of IPv6 as their clients see them: balancing, persistence, health and neighbours."""

from collections import Counter

import pytest

from lab import ADDRESSES6, VIP6, add_ipv6, client_addresses6, hold_vips, single_config, virtual_server, wait_until

CHECK = """TCP_CHECK {
            delay_loop 0.2
            connect_timeout 1
            retry 0
        }"""
HTTP = 80
PERSISTENT = 8080
UDP = 5353
TCP_PORTS = (HTTP, PERSISTENT)


def config(extra=""):
    return single_config(
        virtual_server(f"[{VIP6}]", HTTP, real_server_extra=CHECK),
        virtual_server(VIP6, PERSISTENT, extra="persistence_timeout 50\n    persistence_granularity 126"),
        virtual_server(VIP6, UDP, "UDP"), extra)


@pytest.fixture(scope="module")
def running(module_lab_factory):
    """(lab, director, web servers of port 80 by name)"""
    lab = module_lab_factory()
    hold_vips(lab)
    servers = {}
    for name in ("n1", "n2"):
        servers[name] = lab.web(name, address="::")
        lab.web(name, address="::", port=PERSISTENT)
        lab.udp_echo(name, address=VIP6, port=UDP)
    director = lab.director("n1", config())
    director.wait_forwarding()
    return lab, director, servers


def ask(lab, source, port=HTTP, **options):
    return lab.client.get(source, address=VIP6, port=port, **options)


def test_requests_spread_and_the_servers_see_the_clients(running):
    lab, _, _ = running
    replies = [ask(lab, source) for source in client_addresses6(20)]
    assert Counter(reply.server for reply in replies) == {"n1": 10, "n2": 10}
    assert [reply.seen_address for reply in replies] == client_addresses6(20)


def test_udp_spreads_and_a_flow_stays(running):
    lab, _, _ = running
    replies = [lab.client.udp(source, UDP, VIP6) for source in client_addresses6(20)]
    assert Counter(reply.server for reply in replies) == {"n1": 10, "n2": 10}
    assert [reply.seen_address for reply in replies] == client_addresses6(20)
    assert len({lab.client.udp(client_addresses6(1)[0], UDP, VIP6, local_port=4000).server for _ in range(5)}) == 1


def test_failed_real_server_leaves_and_returns(running):
    lab, director, servers = running
    servers["n2"].stop()
    director.wait_real_server(ADDRESSES6["n2"], "down", 5)
    assert {ask(lab, source).server for source in client_addresses6(6)} == {"n1"}
    servers["n2"].start()
    director.wait_real_server(ADDRESSES6["n2"], "up", 5)
    assert {ask(lab, source).server for source in client_addresses6(6)} == {"n1", "n2"}


def test_reload_takes_a_real_server_out_and_back(running):
    lab, director, _ = running
    whole = director.config.read_text()
    director.apply(single_config(virtual_server(VIP6, HTTP, names=("n2",))))
    assert {ask(lab, source).server for source in client_addresses6(6)} == {"n2"}
    director.apply(whole)
    assert {ask(lab, source).server for source in client_addresses6(6)} == {"n1", "n2"}


def test_clients_of_one_prefix_stay_together(running):
    """Prefixes of 126 bits: ::4 to ::7, ::8 to ::b, ..."""
    lab, director, _ = running
    crowd = client_addresses6(40)[3:35]
    networks = [{ask(lab, source, PERSISTENT).server for source in crowd[first:first + 4]} for first in range(0, 32, 4)]
    assert all(len(network) == 1 for network in networks), networks
    assert Counter(server for network in networks for server in network) == {"n1": 4, "n2": 4}
    shown = director.ctl("show", "persistence")
    assert "2001:db8:20:1::4" in shown and "2001:db8:20:1::5" not in shown


def test_connections_are_shown_with_their_clients(running):
    lab, director, _ = running
    connections = [lab.client.connect(source, VIP6) for source in client_addresses6(4)]
    for connection in connections:
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        assert connection.recv(2) in (b"n1", b"n2")

    def shown():
        lines = director.ctl("show", "connections").splitlines()
        return all(any(f"[{connection.getsockname()[0]}]:{connection.getsockname()[1]}" in line and
                       f"[{VIP6}]:{HTTP}" in line and "ESTABLISHED" in line for line in lines)
                   for connection in connections)

    wait_until(shown, 5, "the connections are shown")
    for connection in connections:
        connection.close()


def test_neighbour_discovery_goes_on(running):
    """The router forgets everybody, and finds them again: the VIP at n1 alone, n2 by its own address."""
    lab, _, _ = running
    lab.router.ip("-6", "neigh", "flush", "dev", "eth0")
    assert {ask(lab, source).server for source in client_addresses6(4)} == {"n1", "n2"}
    found = {entry["dst"]: entry.get("lladdr") for entry in lab.router.ip_json("-6", "neigh", "show", "dev", "eth0")}
    assert found[VIP6] == lab.n1.mac()
    lab.n1.ip("-6", "neigh", "flush", "dev", "eth0")
    assert {ask(lab, source).server for source in client_addresses6(4)} == {"n1", "n2"}
    assert lab.client.wait_served(client_addresses6(1)[0], address=VIP6)


def test_two_directors_serve_by_translation(lab):
    """The classic pair: each host's web server on its own address, the VIP nowhere but where clients look for it."""
    add_ipv6(lab)
    lab.n1.ip("addr", "add", f"{VIP6}/128", "dev", "eth0", "nodad", "preferred_lft", 0)
    directors = []
    for name, other in (("n1", "n2"), ("n2", "n1")):
        lab.web(name, address=ADDRESSES6[name])
        text = f"xlb {{\n    interfaces eth0\n    peers {lab.topology.server(other).address}\n}}\n" + virtual_server(VIP6)
        directors.append(lab.director(name, text))
    for director in directors:
        director.wait_forwarding()
    replies = [ask(lab, source) for source in client_addresses6(20)]
    assert Counter(reply.server for reply in replies) == {"n1": 10, "n2": 10}
    assert [reply.seen_address for reply in replies] == client_addresses6(20)
    assert directors[1].count("pass_peer_local") > 0 and directors[1].count("tx") == 0
    lab.n1.ip("addr", "del", f"{VIP6}/128", "dev", "eth0")
    lab.n2.ip("addr", "add", f"{VIP6}/128", "dev", "eth0", "nodad", "preferred_lft", 0)
    lab.router.ip("-6", "neigh", "flush", "dev", "eth0")
    assert {ask(lab, source).server for source in client_addresses6(20)} == {"n1", "n2"}, "after the other took over"
