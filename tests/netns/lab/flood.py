"""Many packets in a short time: frames made beforehand in a ring that the kernel sends from (packet(7), TX_RING)."""

import errno
import mmap
import socket
import struct
import time

_SOL_PACKET = 263
_PACKET_VERSION, _TPACKET_V2 = 10, 1
_PACKET_TX_RING = 13
_PACKET_QDISC_BYPASS = 20
_SEND_REQUEST = b"\x01"
_FRAME_BYTES = 128
_BLOCK_BYTES = 1 << 16
_HEADER_BYTES = 32  # tpacket2_hdr, rounded up to 16
_SOURCE = _HEADER_BYTES + 14 + 12  # of an IPv4 header without options
_SLOT_HEAD = struct.Struct("=II")  # tp_status, tp_len


class Flood:
    """SYNs from ever new sources, 10.A.B.C with A from 64 on; 64 rounds at most."""

    def __init__(self, host, frames):
        """`frames`: from 10.64.B.C, C >= 64; what a round sends."""
        self._count = len(frames)
        self._round = 0
        self.sent = 0  # or lost on the way
        self.seconds = 0.0
        size = (self._count * _FRAME_BYTES + _BLOCK_BYTES - 1) // _BLOCK_BYTES * _BLOCK_BYTES
        self._socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V2)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 1)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_TX_RING, struct.pack(
            "IIII", _BLOCK_BYTES, size // _BLOCK_BYTES, _FRAME_BYTES, size // _FRAME_BYTES))
        self._ring = mmap.mmap(self._socket.fileno(), size)
        slot = _FRAME_BYTES - _HEADER_BYTES
        self._ring[:self._count * _FRAME_BYTES] = b"".join(
            _SLOT_HEAD.pack(0, len(frame)).ljust(_HEADER_BYTES, b"\0") + frame.ljust(slot, b"\0")
            for frame in frames)
        self._socket.bind(("eth0", 0))
        self._first_c = self._column(_SOURCE + 3)

    def _column(self, offset):
        return self._ring[offset:self._count * _FRAME_BYTES:_FRAME_BYTES]

    def _set_column(self, offset, values):
        self._ring[offset:self._count * _FRAME_BYTES:_FRAME_BYTES] = values

    def round(self):
        """Sends all of them once. The next round's sources are others: A grows as C shrinks, so that checksums stay."""
        if self._round:
            self._set_column(_SOURCE + 1, bytes([64 + self._round]) * self._count)
            self._set_column(_SOURCE + 3, bytes(last - self._round for last in self._first_c))
        self._round += 1
        self._set_column(0, _SEND_REQUEST * self._count)
        began = time.monotonic()
        while True:
            try:
                self._socket.send(b"")
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # this one fell off a full queue; on with the next
                    raise
        self.seconds += time.monotonic() - began
        self.sent += self._count

    def close(self):
        self._ring.close()
        self._socket.close()
