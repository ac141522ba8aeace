"""lb_kind TUN: real servers behind a gateway, reached by IP in IP or GUE over either family."""

import itertools
import socket
import threading

import pytest

from lab import VIP, VIP6, client_addresses6, hold_vips, wait_until
from lab.client import family_of
from lab.ipv6 import ADDRESSES6
from lab.topology import client_addresses
from lab.tunnel import GUE_PORT, TunnelEnd

FAR = {4: "10.30.0.2", 6: "2001:db8:30::2"}  # at n2, which is the gateway to it
VIPS = {4: VIP, 6: VIP6}
KINDS = {"ipip": "type ipip", "gue": f"type gue port {GUE_PORT}"}
# (virtual server's family, tunnel's family, kind): each has a port of its own
CASES = list(itertools.product((4, 6), (4, 6), KINDS))
PORTS = {case: 8000 + number for number, case in enumerate(CASES)}
NAMES = [f"v{inner}-in-{kind}-over-v{outer}" for inner, outer, kind in CASES]
ALL = pytest.mark.parametrize("case", CASES, ids=NAMES)
UPLOAD_BYTES = 200_000
LINK_MTU = 1500
_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT, _IP_PMTUDISC_DO = 10, 0, 2


def outer_bytes(case):
    _, outer, kind = case
    return (40 if outer == 6 else 20) + (12 if kind == "gue" else 0)


def config():
    text = "xlb {\n    interfaces eth0\n}\n"
    for (inner, outer, kind), protocol in itertools.product(CASES, ("TCP", "UDP")):
        port = PORTS[inner, outer, kind]
        text += f"""
virtual_server {VIPS[inner]} {port} {{
    lb_algo rr
    lb_kind TUN {KINDS[kind]}
    protocol {protocol}
    real_server {FAR[outer]} {port} {{
    }}
}}
"""
    return text


class Uploads:
    """Answers a connection with the number of bytes it got, when the client has ended."""

    def __init__(self, host, address, port):
        self._listener = host.socket(family_of(address))
        self._listener.bind((address, port))
        self._listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                received = 0
                while chunk := connection.recv(65536):
                    received += len(chunk)
                connection.sendall(f"{received}".encode())

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(scope="module")
def running(module_lab_factory):
    """(lab, director, tunnel's end)"""
    lab = module_lab_factory()
    hold_vips(lab)
    lab.n2.batch([f"addr add {FAR[4]}/32 dev lo", f"addr add {FAR[6]}/128 dev lo nodad"])
    lab.n1.batch([f"route add 10.30.0.0/24 via {lab.n2.address}",
                  f"route add 2001:db8:30::/64 via {ADDRESSES6['n2']}"])
    end = lab.own(TunnelEnd(lab.n2))
    for (inner, _, _), port in PORTS.items():
        lab.own(Uploads(lab.n2, VIPS[inner], port))
        lab.udp_echo("n2", address=VIPS[inner], port=port)
    director = lab.director("n1", config())
    director.wait_forwarding()
    return lab, director, end


@pytest.fixture(autouse=True)
def nothing_learnt(running):
    """Neither about the path's MTU nor at the tunnel's end."""
    lab, _, end = running
    lab.topology.client.ip("route", "flush", "cache")
    lab.topology.client.ip("-6", "route", "flush", "cache")
    end.wrapped = []


def sources(case, count):
    return client_addresses6(count) if case[0] == 6 else client_addresses(count)


@ALL
def test_packets_arrive_whole_in_valid_outer_headers(running, case):
    lab, _, end = running
    inner, outer, kind = case
    replies = [lab.client.udp(source, PORTS[case], VIPS[inner]) for source in sources(case, 10)]
    assert [(reply.server, reply.seen_address) for reply in replies] == [("n2", source) for source in sources(case, 10)]
    packets = end.wait_for(10)
    own = {4: lab.n1.address, 6: ADDRESSES6["n1"]}[outer]
    for packet in packets:
        assert (packet.source, packet.destination) == (own, FAR[outer])
        assert packet.length == len(packet.outer) + len(packet.inner) and packet.hop_limit == 64
        assert packet.dont_fragment and (packet.is_ipv6 or packet.header_sum == 0xFFFF)
        assert packet.inner[7 if inner == 6 else 8] == 62, "the router's hop and the director's"
    carried = socket.IPPROTO_IPV6 if inner == 6 else socket.IPPROTO_IPIP
    if kind == "ipip":
        assert {packet.protocol for packet in packets} == {carried}
        return
    assert {packet.protocol for packet in packets} == {socket.IPPROTO_UDP}
    for packet in packets:
        _, port, length, checksum, version, protocol, flags = packet.gue
        assert (port, length, checksum) == (GUE_PORT, 12 + len(packet.inner), 0)
        assert (version, protocol, flags) == (0, carried, 0)
    ports = {packet.gue[0] for packet in packets}
    assert len(ports) >= 9 and min(ports) >= 49152, "flows are told apart"


@ALL
def test_uploads_learn_what_fits_into_the_tunnel(running, case):
    """The first segments of full size do not fit: the client is told, and sends all of it in smaller ones."""
    lab, director, end = running
    before = director.count("tx_too_big")
    with lab.client.connect(sources(case, 1)[0], VIPS[case[0]], PORTS[case]) as connection:
        connection.settimeout(5)
        connection.sendall(b"x" * UPLOAD_BYTES)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(64) == f"{UPLOAD_BYTES}".encode()
    assert director.count("tx_too_big") > before
    assert max(len(packet.inner) for packet in end.wrapped) == LINK_MTU - outer_bytes(case)
    assert max(packet.length for packet in end.wrapped) == LINK_MTU


@pytest.mark.parametrize("case", CASES[:4], ids=NAMES[:4])
def test_datagrams_that_may_be_fragmented_but_do_not_fit_are_counted(running, case):
    lab, director, end = running
    fits = LINK_MTU - outer_bytes(case)
    before = director.count("drop_too_big")
    with lab.topology.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        client.bind((sources(case, 1)[0], 0))
        for inner_bytes in (fits, fits + 1):
            client.sendto(b"x" * (inner_bytes - 28), (VIP, PORTS[case]))
        wait_until(lambda: director.count("drop_too_big") == before + 1, 5, "one does not fit")
    assert [packet.length for packet in end.wait_for(1)] == [LINK_MTU]
