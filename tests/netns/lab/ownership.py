"""When a host held an address: the kernel's own notifications, read in the host's namespace."""

import socket
import struct
import threading
import time

_RTM_NEWADDR = 20
_RTM_DELADDR = 21
_RTMGRP_IPV4_IFADDR = 0x10
_IFA_LOCAL = 2


def _messages(raw):
    """(type, payload) of each netlink message."""
    while len(raw) >= 16:
        length, kind = struct.unpack_from("=IH", raw)
        yield kind, raw[16:length]
        raw = raw[(length + 3) & ~3:]


def _local_address(payload):
    """The IFA_LOCAL attribute behind struct ifaddrmsg."""
    attributes = payload[8:]
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == _IFA_LOCAL:
            return socket.inet_ntoa(attributes[4:8])
        attributes = attributes[max(4, (length + 3) & ~3):]
    return None


class OwnershipWatch:
    """Records which of the hosts hold `address`, from start to stop."""

    def __init__(self, address, *hosts):
        self._address = address
        self._lock = threading.Lock()
        self._changes = []  # (time, host index, holds)
        self._stopping = threading.Event()
        self._threads = []
        for index, host in enumerate(hosts):
            netlink = host.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            netlink.bind((0, _RTMGRP_IPV4_IFADDR))
            netlink.settimeout(0.05)
            held = any(entry.startswith(address + "/") for entry in host.addresses())
            self._changes.append((time.monotonic(), index, held))
            thread = threading.Thread(target=self._read, args=(netlink, index), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _read(self, netlink, index):
        with netlink:
            while not self._stopping.is_set():
                try:
                    raw = netlink.recv(65536)
                except TimeoutError:
                    continue
                at = time.monotonic()
                for kind, payload in _messages(raw):
                    if kind in (_RTM_NEWADDR, _RTM_DELADDR) and _local_address(payload) == self._address:
                        with self._lock:
                            self._changes.append((at, index, kind == _RTM_NEWADDR))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def holder_counts(self):
        """How many hosts held the address at a time, since all were looked at."""
        with self._lock:
            changes = list(self._changes)
        holders, later, looked_at = set(), [], set()
        for change in changes:
            _, index, holds = change
            if index in looked_at:
                later.append(change)
            elif holds:
                holders.add(index)
            looked_at.add(index)
        counts = {len(holders)}
        for _, index, holds in sorted(later):
            holders = holders | {index} if holds else holders - {index}
            counts.add(len(holders))
        return counts

    def last_taken(self, host_index):
        """When (time.monotonic()) this host last got the address; None: not since the start."""
        with self._lock:
            _, *changes = [change for change in self._changes if change[1] == host_index]  # the first is how it began
        return max((at for at, _, holds in changes if holds), default=None)

    def longest_shared(self):
        """The longest time in seconds in which more than one host held the address."""
        with self._lock:
            changes = sorted(self._changes)
        holders = set()
        longest = 0.0
        shared_since = None
        for at, index, holds in [*changes, (time.monotonic(), -1, False)]:
            if holds:
                holders.add(index)
            else:
                holders.discard(index)
            if len(holders) > 1 and index >= 0:
                shared_since = shared_since if shared_since is not None else at
            elif shared_since is not None:
                longest = max(longest, at - shared_since)
                shared_since = None
        return longest
