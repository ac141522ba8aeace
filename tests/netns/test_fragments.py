"""Datagrams larger than the links: all fragments reach the one real server, in whatever order they come."""

import hashlib
import random
import socket
import threading
from collections import Counter

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.packet import Raw

from lab import VIP, VIP6, client_addresses6, hold_vips, single_config, virtual_server, wait_until
from lab.client import family_of
from lab.topology import client_addresses

FAMILIES = pytest.mark.parametrize("vip", [VIP, VIP6], ids=["v4", "v6"])
PORT = 4433
SIZE = 4000


class Digests:
    """Answers every datagram with the server's name and the digest of what it got."""

    def __init__(self, host, name, address):
        self._name = name
        self._socket = host.socket(family_of(address), socket.SOCK_DGRAM)
        self._socket.bind((address, PORT))
        self._socket.settimeout(0.1)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while not self._stopping:
            try:
                received, peer = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            self._socket.sendto(answer(self._name, received), peer)

    def close(self):
        self._stopping = True
        self._thread.join()
        self._socket.close()


def answer(name, received):
    return f"{name} {len(received)} {hashlib.md5(received).hexdigest()}".encode()


def sources(vip, count):
    return client_addresses6(count) if ":" in vip else client_addresses(count)


def config(scheduler="rr"):
    return single_config(*(virtual_server(vip, PORT, "UDP", scheduler) for vip in (VIP, VIP6)))


@pytest.fixture(scope="module")
def running(module_lab_factory):
    """(lab, director)"""
    lab = module_lab_factory()
    hold_vips(lab)
    for name in ("n1", "n2"):
        for vip in (VIP, VIP6):
            lab.own(Digests(lab.topology.server(name), name, vip))
    director = lab.director("n1", config())
    director.wait_forwarding()
    return lab, director


def ask(lab, source, vip, payload):
    """Who got it whole."""
    with lab.topology.client.socket(family_of(vip), socket.SOCK_DGRAM) as connection:
        connection.settimeout(2)
        connection.bind((source, 0))
        connection.sendto(payload, (vip, PORT))
        name = connection.recv(2048)[:2].decode()
        assert name in ("n1", "n2")
    return name


def fragments_of(source, port, vip, payload, identification):
    """As the client's kernel would make them, in order."""
    datagram = UDP(sport=port, dport=PORT) / Raw(payload)
    if ":" in vip:
        whole = IPv6(src=source, dst=vip) / IPv6ExtHdrFragment(id=identification) / datagram
        return [bytes(part) for part in fragment6(whole, 1500)]
    return [bytes(part) for part in fragment(IP(src=source, dst=vip, id=identification) / datagram, fragsize=1480)]


def send_raw(lab, packets):
    for packet in packets:
        family = socket.AF_INET6 if packet[0] >> 4 == 6 else socket.AF_INET
        address = packet[24:40] if family == socket.AF_INET6 else packet[16:20]
        with lab.topology.client.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as out:
            out.sendto(packet, (socket.inet_ntop(family, address), 0))


@FAMILIES
def test_datagrams_of_several_fragments_arrive_whole(running, vip):
    """More of them at a time than a cache line of anything: half at each real server, none mixed up."""
    lab, director = running
    payloads = {source: random.Random(source).randbytes(SIZE) for source in sources(vip, 20)}
    served = Counter(ask(lab, source, vip, payload) for source, payload in payloads.items())
    assert served == {"n1": 10, "n2": 10}
    assert director.count("drop_fragment") == 0


@FAMILIES
def test_fragments_in_reverse_arrive_whole_where_a_client_has_one_server(running, vip):
    """A hash of the client's address alone decides alike for those that have no port."""
    lab, director = running
    director.apply(config("sh"))
    payload = random.Random(2).randbytes(SIZE)
    served = set()
    for number, source in enumerate(sources(vip, 12)):
        with lab.topology.client.socket(family_of(vip), socket.SOCK_DGRAM) as connection:
            connection.settimeout(2)
            connection.bind((source, 0))
            port = connection.getsockname()[1]
            packets = fragments_of(source, port, vip, payload, 1000 + number)
            assert len(packets) == 3
            send_raw(lab, reversed(packets))
            reply = connection.recv(2048)
            name = reply[:2].decode()
            assert reply == answer(name, payload)
            served.add(name)
    assert served == {"n1", "n2"}
    director.apply(config())


@FAMILIES
def test_later_fragment_alone_is_dropped_and_counted(running, vip):
    lab, director = running
    before = director.count("drop_fragment")
    packets = fragments_of(sources(vip, 1)[0], 4000, vip, b"x" * SIZE, 77)
    send_raw(lab, packets[1:])
    wait_until(lambda: director.count("drop_fragment") == before + 2, 5, "both are counted")
    # With the first one, what comes again is taken.
    forwarded = packets_of(director)
    with lab.topology.client.socket(family_of(vip), socket.SOCK_DGRAM) as connection:
        connection.bind((sources(vip, 1)[0], 4000))
        send_raw(lab, packets)
        send_raw(lab, packets[1:])
        wait_until(lambda: packets_of(director) == forwarded + 5, 5, "all five are forwarded")
    assert director.count("drop_fragment") == before + 2


def packets_of(director):
    return sum(service["packets"] for service in director.status()["virtual_servers"])
