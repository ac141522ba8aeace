"""A flood of SYNs, many times the flow table, beside connections that are established: none of those is lost."""

import resource
import selectors
import socket
import struct
import threading

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from lab import VIP, VIP6, client_addresses6, hold_vips, single_config, virtual_server, wait_until
from lab.client import family_of
from lab.flood import Flood
from lab.topology import client_addresses

FLOW_TABLE = 16384
ESTABLISHED = 1500  # of each family
PER_ROUND = 32768
SYNS = 320_000  # balanced, besides what was lost on the way
SOURCE_NETWORK = "10.64.0.0/10"


class Echo:
    """Says its name to whoever connects and returns what it gets; thousands at a time."""

    def __init__(self, host, name, addresses):
        self._name = name.encode()
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        for address in addresses:
            listener = host.socket(family_of(address))
            listener.bind((address, 80))
            listener.listen(4096)
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while not self._stopping:
            for key, _ in self._selector.select(0.05):
                key.data(key.fileobj)

    def _accept(self, listener):
        connection, _ = listener.accept()
        connection.sendall(self._name)
        self._selector.register(connection, selectors.EVENT_READ, self._answer)

    def _answer(self, connection):
        try:
            received = connection.recv(4096)
        except OSError:
            received = b""
        if received:
            connection.sendall(received)
        else:
            self._selector.unregister(connection)
            connection.close()

    def close(self):
        self._stopping = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()


def connect(lab, source, vip):
    """(connection, the name of its server)"""
    connection = lab.client.connect(source, vip, timeout=5)
    name = connection.recv(2)
    assert name in (b"n1", b"n2")
    return connection, name


def lost(connections):
    """Those that are not answered any more."""
    failed = []
    for number, (connection, _) in enumerate(connections):
        word = struct.pack("!I", number)
        try:
            connection.sendall(word)
            if connection.recv(4) != word:
                failed.append((connection.getsockname(), "ended"))
        except OSError as error:
            failed.append((connection.getsockname(), error))
    return failed


def syns(lab):
    """From as many sources: 512 addresses, 64 ports of each. What one field adds another takes away, so that
    checksums stay valid: IP's identification for the address, TCP's sequence number for that and the port."""
    first = bytes(Ether(src=lab.router.mac(), dst=lab.n1.mac()) / IP(src="10.64.0.128", dst=VIP, ttl=63, id=20000) /
                  TCP(sport=1024, dport=80, flags="S", seq=50000, window=64240))
    word = struct.Struct("!H").pack
    frames = []
    for number in range(512):
        more = number // 128 << 8 | number % 128
        start = first[:18] + word(20000 - more) + first[20:28] + word(128 + more) + first[30:34]
        frames += [start + word(1024 + port) + first[36:40] + word(50000 - more - port) + first[42:]
                   for port in range(64)]
    assert len({frame[26:36] for frame in frames}) == PER_ROUND
    return frames


def test_no_established_connection_is_lost_in_a_flood_of_syns(lab):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hold_vips(lab)
    for name in ("n1", "n2"):
        host = lab.topology.server(name)
        lab.own(Echo(host, name, (VIP, VIP6)))
        host.sysctl("net.ipv4.tcp_max_syn_backlog", 4096)
        # How the real servers bear it is not asked here: what is forwarded counts.
        host.nft(f"""add table ip flood
            add chain ip flood raw {{ type filter hook prerouting priority -310; policy accept; }}
            add rule ip flood raw ip saddr {SOURCE_NETWORK} counter drop""")
    director = lab.director("n1", single_config(*(virtual_server(vip) for vip in (VIP, VIP6)),
                                                xlb=f"flow_table_size {FLOW_TABLE}"))
    director.wait_forwarding()
    crowd = [(vip, sources[number % 40]) for vip, sources in
             ((VIP, client_addresses(40)), (VIP6, client_addresses6(40))) for number in range(ESTABLISHED)]
    connections = [connect(lab, source, vip) for vip, source in crowd]
    flood = lab.own(Flood(lab.router, syns(lab)))
    failed, newcomers, turned_away = [], [], []

    def talk():
        """One part is idle all the time, one talks all the time, and new clients come."""
        while flooding.is_set():
            failed.extend(lost(connections[::10]))
            for source, vip in ((client_addresses(120)[-1], VIP), (client_addresses6(40)[-1], VIP6)):
                try:
                    newcomers.append(connect(lab, source, vip))
                except OSError as error:
                    turned_away.append(error)

    flooding = threading.Event()
    flooding.set()
    talker = threading.Thread(target=talk, daemon=True)
    talker.start()

    def balanced():
        return director.status()["virtual_servers"][0]["connections"]

    while balanced() < SYNS:
        flood.round()
    flooding.clear()
    talker.join()
    rate = f"{flood.sent / flood.seconds / 1000:.0f} kpps"
    assert failed == [], rate
    assert lost(connections) == [] and lost(newcomers) == [], rate
    # Half open ones are equals: one may be displaced before it is established.
    assert len(turned_away) * 5 <= len(newcomers), turned_away
    table = wait_until(lambda: (table := director.status()["flow_table"])["flows"] > FLOW_TABLE and table, 5,
                       "the sweep has seen the table")
    assert table["flows"] <= 2 * table["size"]
    active = [real_server["active_connections"] for service in director.status()["virtual_servers"]
              for real_server in service["real_servers"]]
    assert len(connections) <= sum(active) <= len(connections) + len(newcomers)
    for connection, _ in connections + newcomers:
        connection.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
