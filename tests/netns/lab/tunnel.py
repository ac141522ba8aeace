"""The far end of tunnels, without the kernel's help: unwraps IP in IP and GUE, remembers the outer headers and hands
what was inside to the host's own stack."""

import fcntl
import os
import socket
import struct
import threading
from dataclasses import dataclass

from .process import wait_until

GUE_PORT = 6080
_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_INSIDE = (socket.IPPROTO_IPIP, socket.IPPROTO_IPV6)


@dataclass(frozen=True)
class Wrapped:
    """A packet as it came: its outer header with what belongs to it, and the packet inside."""

    outer: bytes
    inner: bytes

    @property
    def is_ipv6(self):
        return self.outer[0] >> 4 == 6

    @property
    def source(self):
        return self._address(8 if self.is_ipv6 else 12)

    @property
    def destination(self):
        return self._address(24 if self.is_ipv6 else 16)

    def _address(self, offset):
        family, size = (socket.AF_INET6, 16) if self.is_ipv6 else (socket.AF_INET, 4)
        return socket.inet_ntop(family, self.outer[offset:offset + size])

    @property
    def protocol(self):
        return self.outer[6 if self.is_ipv6 else 9]

    @property
    def length(self):
        """As the outer IP header tells it."""
        if self.is_ipv6:
            return 40 + struct.unpack_from("!H", self.outer, 4)[0]
        return struct.unpack_from("!H", self.outer, 2)[0]

    @property
    def hop_limit(self):
        return self.outer[7 if self.is_ipv6 else 8]

    @property
    def dont_fragment(self):
        return self.is_ipv6 or struct.unpack_from("!H", self.outer, 6)[0] == 0x4000

    @property
    def header_sum(self):
        """0xffff for a valid IPv4 header."""
        total = sum(struct.unpack("!10H", self.outer[:20]))
        return (total & 0xFFFF) + (total >> 16)

    @property
    def gue(self):
        """(UDP source, destination, length, checksum, GUE's version and length, protocol, flags)"""
        return struct.unpack("!HHHHBBH", self.outer[-12:])


def unwrap(packet):
    """A Wrapped, or None for what is no tunnel's."""
    if packet[0] >> 4 == 6:
        header, protocol, end = 40, packet[6], 40 + struct.unpack_from("!H", packet, 4)[0]
    else:
        header, protocol, end = 20, packet[9], struct.unpack_from("!H", packet, 2)[0]
    if protocol == socket.IPPROTO_UDP and struct.unpack_from("!H", packet, header + 2)[0] == GUE_PORT:
        header += 12
    elif protocol not in _INSIDE:
        return None
    return Wrapped(packet[:header], packet[header:end])


class TunnelEnd:
    def __init__(self, host):
        self._host = host
        self.wrapped = []
        self._device = host.call(self._open_device)
        host.ip("link", "set", "dev", "tun0", "mtu", "9000", "up")
        self._sockets = [self._silence(*kind) for kind in (
            (socket.AF_INET, socket.SOCK_RAW, _INSIDE[0]), (socket.AF_INET, socket.SOCK_RAW, _INSIDE[1]),
            (socket.AF_INET6, socket.SOCK_RAW, _INSIDE[0]), (socket.AF_INET6, socket.SOCK_RAW, _INSIDE[1]),
            (socket.AF_INET, socket.SOCK_DGRAM, 0), (socket.AF_INET6, socket.SOCK_DGRAM, 0))]
        self._tap = host.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self._tap.settimeout(0.05)
        self._tap.bind(("eth0", _ETH_P_ALL))
        self._stopping = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @staticmethod
    def _open_device():
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"tun0", _IFF_TUN | _IFF_NO_PI))
        return device

    def _silence(self, family, kind, protocol):
        """Somebody takes the outer packets, so that the kernel does not refuse them."""
        taker = self._host.socket(family, kind, protocol)
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        if kind == socket.SOCK_DGRAM:
            if family == socket.AF_INET6:
                taker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            taker.bind(("", GUE_PORT))
        return taker

    def _read(self):
        while not self._stopping:
            try:
                packet, address = self._tap.recvfrom(65536)
            except TimeoutError:
                continue
            wrapped = unwrap(packet) if address[1] in (0x0800, 0x86DD) and address[2] != _PACKET_OUTGOING else None
            if wrapped is not None:
                os.write(self._device, wrapped.inner)
                self.wrapped.append(wrapped)

    def wait_for(self, count):
        """The packets so far, at least `count`; forgets them."""
        wait_until(lambda: len(self.wrapped) >= count, 5, f"{count} packets at the tunnel's end")
        taken, self.wrapped = self.wrapped, []
        return taken

    def close(self):
        self._stopping = True
        self._thread.join()
        os.close(self._device)
        for taker in (self._tap, *self._sockets):
            taker.close()
