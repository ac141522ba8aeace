"""Frames on the switch's ports, both directions, as an independent observer sees them.

A frame that a host's XDP program transmits is invisible on that host; here it is a frame like any other.
"""

import socket
import struct
import threading
import time
from dataclasses import dataclass

from .process import wait_until

_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_SOL_PACKET = 263
_PACKET_AUXDATA = 8
_AUXDATA = struct.Struct("IIIHHHH")  # tpacket_auxdata
_VLAN_VALID, _VLAN_TYPE_VALID = 1 << 4, 1 << 6
_SO_RCVBUFFORCE = 33


def _mac(raw):
    return ":".join(f"{byte:02x}" for byte in raw)


def _whole(raw, ancillary):
    """The frame with its outer VLAN tag, which the kernel hands over beside it."""
    for level, kind, value in ancillary:
        if (level, kind) != (_SOL_PACKET, _PACKET_AUXDATA):
            continue
        status, _, _, _, _, tag, tag_type = _AUXDATA.unpack(value)
        if status & _VLAN_VALID:
            return raw[:12] + struct.pack("!HH", tag_type if status & _VLAN_TYPE_VALID else 0x8100, tag) + raw[12:]
    return raw


@dataclass(frozen=True)
class Frame:
    """One frame on a port. `leaving`: from the switch to the host; else from the host to the switch."""

    port: str
    leaving: bool
    at: float  # time.monotonic()
    raw: bytes

    @property
    def destination_mac(self):
        return _mac(self.raw[0:6])

    @property
    def source_mac(self):
        return _mac(self.raw[6:12])

    @property
    def ether_type(self):
        return struct.unpack_from("!H", self.raw, 12)[0]

    @property
    def is_ipv4(self):
        return self.ether_type == 0x0800 and len(self.raw) >= 34

    @property
    def ip_id(self):
        return struct.unpack_from("!H", self.raw, 18)[0]

    @property
    def ttl(self):
        return self.raw[22]

    @property
    def protocol(self):
        return self.raw[23]

    @property
    def source(self):
        return socket.inet_ntoa(self.raw[26:30])

    @property
    def destination(self):
        return socket.inet_ntoa(self.raw[30:34])

    @property
    def ports(self):
        return struct.unpack_from("!HH", self.raw, 14 + 4 * (self.raw[14] & 15))

    @property
    def ip_packet(self):
        return self.raw[14:14 + struct.unpack_from("!H", self.raw, 16)[0]]

    @property
    def packet_identity(self):
        """The same for a packet wherever it is seen: all but MAC addresses, TTL and IP checksum."""
        packet = self.ip_packet
        return packet[:8] + packet[9:10] + packet[12:]


class Capture:
    """Records from start to stop; use as a context manager."""

    def __init__(self, switch, *hosts):
        self._frames = []
        self._stopping = threading.Event()
        self._threads = []
        self._sockets = []
        for host in hosts:
            tap = switch.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 32 << 20)
            tap.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            tap.settimeout(0.05)
            tap.bind((host.port, _ETH_P_ALL))
            self._sockets.append(tap)
            thread = threading.Thread(target=self._read, args=(tap, host.port), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _read(self, tap, port):
        while True:
            try:
                raw, ancillary, _, address = tap.recvmsg(65536, 64)
            except TimeoutError:
                if self._stopping.is_set():
                    return
                continue
            whole = _whole(raw, ancillary)
            self._frames.append(Frame(port, address[2] == _PACKET_OUTGOING, time.monotonic(), whole))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the capture once the ports are quiet for a moment."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for tap in self._sockets:
            tap.close()
        self._sockets = []

    def frames(self, condition=lambda frame: True):
        return [frame for frame in list(self._frames) if condition(frame)]

    def ipv4(self, condition=lambda frame: True):
        return self.frames(lambda frame: frame.is_ipv4 and condition(frame))

    def wait_for(self, condition, timeout, what):
        return wait_until(lambda: self.frames(condition), timeout, what)
