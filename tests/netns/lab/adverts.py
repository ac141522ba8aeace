"""VRRP advertisements made by hand, octet for octet, independently of the daemon's own code; and a look at those
that others send."""

import ipaddress
import socket
import struct
import time

from scapy.layers.inet import IP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

PROTOCOL = 112
GROUP4, GROUP6 = "224.0.0.18", "ff02::12"


def _sum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def pdu(vrid, priority, addresses, version=2, interval=1, kind=1, count=None, password=None, reserved=0):
    """Without its checksum. `interval`: seconds in version 2, centiseconds in version 3."""
    packed = b"".join(ipaddress.ip_address(address).packed for address in addresses)
    count = len(addresses) if count is None else count
    head = struct.pack("!BBBB", version << 4 | kind, vrid, priority, count)
    if version == 3:
        return head + struct.pack("!HH", reserved << 12 | interval, 0) + packed
    secret = (password or "").encode()[:8].ljust(8, b"\0")
    return head + struct.pack("!BBH", 1 if password else 0, interval, 0) + packed + secret


def sealed(message, source, destination, pseudo=None):
    """With its checksum; a pseudo header in version 3 unless told otherwise."""
    if pseudo is None:
        pseudo = message[0] >> 4 == 3
    head = b""
    if pseudo:
        head = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
        head += struct.pack("!HH", PROTOCOL, len(message))
    total = 0xffff ^ _sum(head + message)
    return message[:6] + struct.pack("!H", total) + message[8:]


def packet(message, source, destination=None, ttl=255, pseudo=None, seal=True, **ip_options):
    v6 = ":" in source
    destination = destination or (GROUP6 if v6 else GROUP4)
    if seal:
        message = sealed(message, source, destination, pseudo)
    if v6:
        return IPv6(src=source, dst=destination, hlim=ttl, nh=PROTOCOL) / Raw(message)
    return IP(src=source, dst=destination, ttl=ttl, proto=PROTOCOL, tos=0xc0, **ip_options) / Raw(message)


def group_mac(v6):
    return "33:33:00:00:00:12" if v6 else "01:00:5e:00:00:12"


class Forger:
    """Sends any frame from a host, under any address."""

    def __init__(self, host, device="eth0"):
        self._mac = host.mac(device)
        self._socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        host.call(self._socket.bind, (device, 0))

    def send(self, ip_packet, mac=None, times=1):
        frame = bytes(Ether(src=self._mac, dst=mac or group_mac(isinstance(ip_packet, IPv6))) / ip_packet)
        for _ in range(times):
            self._socket.send(frame)

    def send_fragments(self, ip_packet, size=8):
        for piece in fragment(ip_packet, fragsize=size):
            self.send(piece)

    def send_raw(self, frames):
        for frame in frames:
            self._socket.send(frame)

    def close(self):
        self._socket.close()


class Listener:
    """The advertisements that arrive at a host's interface."""

    def __init__(self, host, device="eth0"):
        self._socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        host.call(self._socket.bind, (device, 3))
        self._socket.settimeout(0.2)

    def next(self, timeout=10, wanted=lambda frame: True):
        """The next advertisement as (Ether frame, VRRP message)."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                raw = self._socket.recv(4096)
            except TimeoutError:
                continue
            frame = Ether(raw)
            if IP in frame and frame[IP].proto == PROTOCOL and wanted(frame):
                return frame, bytes(frame[IP].payload)
            if IPv6 in frame and frame[IPv6].nh == PROTOCOL and wanted(frame):
                return frame, bytes(frame[IPv6].payload)
        raise AssertionError(f"no advertisement in {timeout} s")

    def close(self):
        self._socket.close()
