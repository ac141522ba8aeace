"""What ICMP does for clients: path MTU discovery through direct routing, traceroute, echo; IPv4 and IPv6."""

import contextlib
import hashlib
import os
import socket
import struct
import threading
import time

import pytest

from lab import VIP, VIP6, Capture, PairConfig, client_addresses6, hold_vips, single_config, virtual_server, wait_until
from lab.client import family_of
from lab.ipv6 import ADDRESSES6
from lab.topology import client_addresses

FAMILIES = pytest.mark.parametrize("vip", [VIP, VIP6], ids=["v4", "v6"])
DOWNLOAD_BYTES = 400_000
NARROW = 1400  # MTU of the router's link towards the clients
PROBES = 33434
ICMP_ERRORS_PER_SECOND = 100  # of each CPU
_IP_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
_TTL = {socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TTL),
        socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
_MSG_ERRQUEUE = 0x2000
_TIME_EXCEEDED = {socket.AF_INET: 11, socket.AF_INET6: 3}


class Downloads:
    """Sends its name and many bytes to whoever connects, then ends."""

    def __init__(self, host, name, address):
        self._name = name.encode()
        self._listener = host.socket(family_of(address))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, 80))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.sendall(self._name + b"x" * DOWNLOAD_BYTES)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def config(udp_scheduler="rr"):
    services = [virtual_server(vip, port, protocol, scheduler) for vip in (VIP, VIP6)
                for port, protocol, scheduler in ((80, "TCP", "rr"), (PROBES, "UDP", udp_scheduler))]
    return single_config(*services)


@pytest.fixture(scope="module")
def running(module_lab_factory):
    """(lab, director)"""
    lab = module_lab_factory()
    hold_vips(lab)
    for name in ("n1", "n2"):
        for vip in (VIP, VIP6):
            lab.own(Downloads(lab.topology.server(name), name, vip))
            lab.udp_echo(name, address=vip, port=PROBES)
    director = lab.director("n1", config())
    director.wait_forwarding()
    return lab, director


def sources(vip, count):
    return client_addresses6(count) if ":" in vip else client_addresses(count)


def download(lab, source, vip, timeout):
    """The server that sent all of it; TimeoutError when it comes to a halt."""
    with lab.client.connect(source, vip) as connection:
        connection.settimeout(timeout)
        received = b""
        while chunk := connection.recv(1 << 20):
            received += chunk
    assert hashlib.md5(received[2:]).digest() == hashlib.md5(b"x" * DOWNLOAD_BYTES).digest()
    return received[:2].decode()


@FAMILIES
def test_path_mtu_discovery_reaches_the_real_server_that_sends(running, vip):
    """The router's complaint goes to the VIP, thus to the director, whoever sent the packet that was too big."""
    lab, director = running
    lab.router.ip("link", "set", "dev", "eth1", "mtu", NARROW)
    try:
        # Without the router's complaints: that they are needed.
        for family, message in (("ip", "icmp type destination-unreachable"), ("ip6", "icmpv6 type packet-too-big")):
            lab.router.nft(f"""add table {family} silence
                add chain {family} silence out {{ type filter hook output priority 0; policy accept; }}
                add rule {family} silence out {message} drop""")
        with pytest.raises(TimeoutError):
            for source in sources(vip, 2):
                download(lab, source, vip, 0.5)
        lab.router.nft("delete table ip silence\ndelete table ip6 silence")
        served = [download(lab, source, vip, 5) for source in sources(vip, 6)]
        assert sorted(served) == ["n1"] * 3 + ["n2"] * 3
    finally:
        lab.router.ip("link", "set", "dev", "eth1", "mtu", 1500)
    assert director.count("drop_malformed") == 0


def test_path_mtu_discovery_works_where_local_delivery_translates(lab):
    """The ordinary pair: the complaint finds its way through the other director's translation too."""
    for name in ("n1", "n2"):
        lab.own(Downloads(lab.topology.server(name), name, "0.0.0.0"))
    lab.pair(PairConfig(version=3, advert_int="0.1"))
    lab.router.ip("link", "set", "dev", "eth1", "mtu", NARROW)
    served = [download(lab, source, VIP, 5) for source in client_addresses(6)]
    assert sorted(served) == ["n1"] * 3 + ["n2"] * 3


def hops(lab, source, vip, most=4):
    """Who answers a UDP probe of one flow with a TTL of 1, 2, ...; ends with the virtual server's own answer."""
    family = family_of(vip)
    seen = []
    with lab.topology.client.socket(family, socket.SOCK_DGRAM) as probe:
        probe.settimeout(2)
        probe.setsockopt(*_IP_RECVERR[family], 1)
        probe.bind((source, 0))
        probe.connect((vip, PROBES))
        for ttl in range(1, most + 1):
            probe.setsockopt(*_TTL[family], ttl)
            probe.send(b"probe")
            try:
                probe.recv(2048)
            except OSError:
                offender, kind = time_exceeded_by(probe, family)
                assert kind == _TIME_EXCEEDED[family]
                seen.append(offender)
                continue
            seen.append(vip)
            break
    return seen


def time_exceeded_by(probe, family):
    """(address, ICMP type) of the error at hand."""
    _, ancillary, _, _ = probe.recvmsg(2048, 512, _MSG_ERRQUEUE)
    raw = next(value for level, kind, value in ancillary if (level, kind) == _IP_RECVERR[family])
    icmp_type = raw[5]
    offender = raw[16 + 4:16 + 8] if family == socket.AF_INET else raw[16 + 8:16 + 24]
    return socket.inet_ntop(family, offender), icmp_type


@FAMILIES
def test_traceroute_shows_the_director_before_another_host(running, vip):
    lab, director = running
    first = sources(vip, 1)[0]
    router = "2001:db8:20::fe" if ":" in vip else "10.20.0.254"
    directors_own = ADDRESSES6["n1"] if ":" in vip else lab.n1.address
    before = director.count("tx_time_exceeded")
    traces = sorted((hops(lab, first, vip) for _ in range(4)), key=len)
    # This host's own real server is one hop nearer.
    assert traces == [[router, vip]] * 2 + [[router, directors_own, vip]] * 2
    assert director.count("tx_time_exceeded") == before + 2


@FAMILIES
def test_time_exceeded_is_bounded_in_rate_and_the_rest_counted(running, vip):
    lab, director = running
    family = family_of(vip)
    director.apply(single_config(virtual_server(vip, PROBES, "UDP", names=("n2",))))
    reasons = ("tx_time_exceeded", "drop_ttl")
    before = [director.count(reason) for reason in reasons]
    began = time.monotonic()
    sent = 0

    def told_and_dropped():
        return tuple(director.count(reason) - was for reason, was in zip(reasons, before))

    with lab.topology.client.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((sources(vip, 1)[0], 0))
        probe.setsockopt(*_TTL[family], 2)

        def burst():
            nonlocal sent
            for _ in range(500):
                probe.sendto(b"probe", (vip, PROBES))
                sent += 1
            return min(told_and_dropped()) >= ICMP_ERRORS_PER_SECOND

        # What earlier tests left of this second's budget is not known.
        wait_until(burst, 5, "some are told, more are not")
    wait_until(lambda: sum(told_and_dropped()) == sent, 5, "every probe is counted")
    seconds = int(time.monotonic() - began) + 2  # begun, of the clock
    assert told_and_dropped()[0] <= seconds * os.cpu_count() * ICMP_ERRORS_PER_SECOND
    director.apply(config())


def echo_request(vip, sequence):
    """An ICMP or ICMPv6 echo request; the kernel fills ICMPv6's checksum in."""
    if ":" in vip:
        return struct.pack("!BBHHH", 128, 0, 0, 77, sequence)
    message = struct.pack("!BBHHH", 8, 0, 0, 77, sequence)
    total = sum(struct.unpack("!4H", message))
    return message[:2] + struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + message[4:]


@FAMILIES
def test_echo_is_answered_by_the_owner_alone(running, vip):
    lab, _ = running
    family = family_of(vip)
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    reply_type = 129 if family == socket.AF_INET6 else 0
    with Capture(lab.switch, lab.n2) as capture, \
            lab.topology.client.socket(family, socket.SOCK_RAW, protocol) as ping:
        ping.settimeout(2)
        ping.bind((sources(vip, 1)[0], 0))
        for sequence in range(8):
            ping.sendto(echo_request(vip, sequence), (vip, 0))
            while True:
                raw, peer = ping.recvfrom(2048)
                message = raw if family == socket.AF_INET6 else raw[20:]
                if message[0] == reply_type:
                    break
            assert peer[0] == vip and struct.unpack("!HH", message[4:8]) == (77, sequence)
    next_header = 20 if family == socket.AF_INET6 else 23
    kinds = {(frame.raw[54] if family == socket.AF_INET6 else frame.raw[34]) for frame in capture.frames(
        lambda frame: frame.raw[next_header] == protocol and len(frame.raw) > 54)}
    assert not kinds & ({128, 129} if family == socket.AF_INET6 else {0, 8}), "n2 saw none of it"
