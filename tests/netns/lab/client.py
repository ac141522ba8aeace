"""Clients: single requests, and a crowd that asks all the time and remembers when it was served."""

import socket
import struct
import threading
import time
from dataclasses import dataclass

from .config import VIP
from .process import LabError, wait_until


@dataclass(frozen=True)
class Reply:
    server: str  # the first word of the answer: who served it
    seen_address: str  # the client's address as the server saw it
    local_port: int


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Client:
    def __init__(self, namespace):
        self._namespace = namespace

    def connect(self, source, address=VIP, port=80, timeout=2.0):
        connection = self._namespace.socket(family_of(address))
        try:
            connection.settimeout(timeout)
            connection.bind((source, 0))
            connection.connect((address, port))
        except OSError:
            connection.close()
            raise
        return connection

    def get(self, source, path="/who", address=VIP, port=80, timeout=2.0):
        """One HTTP request; OSError when it is not answered in time."""
        deadline = time.monotonic() + timeout
        with self.connect(source, address, port, timeout) as connection:
            local_port = connection.getsockname()[1]
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
            answer = b""
            while True:
                connection.settimeout(max(0.001, deadline - time.monotonic()))
                received = connection.recv(4096)
                if not received:
                    break
                answer += received
        head, _, body = answer.partition(b"\r\n\r\n")
        words = body.decode().split()
        if b" 200 " not in head.split(b"\r\n")[0] + b" " or len(words) != 2:
            raise ConnectionError(f"unexpected answer {answer[:80]!r}")
        return Reply(words[0], words[1], local_port)

    def udp(self, source, port=5353, address=VIP, timeout=1.0, local_port=0):
        """One datagram and its answer."""
        with self._namespace.socket(family_of(address), socket.SOCK_DGRAM) as connection:
            connection.settimeout(timeout)
            connection.bind((source, local_port))
            connection.connect((address, port))
            connection.send(b"who\n")
            words = connection.recv(2048).decode().split()
            return Reply(words[0], words[1], connection.getsockname()[1])

    def served(self, source, **options):
        """Who serves this client, or None."""
        try:
            return self.get(source, **options).server
        except OSError:
            return None

    def wait_served(self, source, timeout=10, **options):
        return wait_until(lambda: self.served(source, timeout=0.5, **options), timeout, f"{source} is served")


def end_with_reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@dataclass(frozen=True)
class Attempt:
    started: float
    ended: float
    server: str | None  # None: not served

    @property
    def served(self):
        return self.server is not None


class Poller:
    """Every client address asks again and again from its own thread, from start to stop."""

    def __init__(self, client, sources, timeout=0.2, interval=0.04):
        self._client = client
        self._timeout = timeout
        self._interval = interval
        self._stopping = threading.Event()
        self.attempts = {source: [] for source in sources}
        self._threads = [threading.Thread(target=self._ask, args=(source,), daemon=True) for source in sources]
        for thread in self._threads:
            thread.start()

    def _ask(self, source):
        while not self._stopping.is_set():
            started = time.monotonic()
            server = self._client.served(source, timeout=self._timeout)
            self.attempts[source].append(Attempt(started, time.monotonic(), server))
            self._stopping.wait(self._interval)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def failures(self):
        return [(source, attempt) for source, attempts in self.attempts.items() for attempt in list(attempts)
                if not attempt.served]

    def outage(self, since):
        """Seconds from `since` until the last client was served by a request begun after it; None: not all yet.

        A client counts as served again only if nothing fails after that.
        """
        latest = since
        for attempts in self.attempts.values():
            good = None
            for attempt in list(attempts):
                if attempt.started < since:
                    continue
                if not attempt.served:
                    good = None
                elif good is None:
                    good = attempt
            if good is None:
                return None
            latest = max(latest, good.ended)
        return latest - since

    def wait_all_served(self, since, timeout):
        try:
            return wait_until(lambda: self.outage(since), timeout, "every client is served again")
        except LabError as error:
            raise LabError(f"{error}\n{self.timeline(since)}") from None

    def timeline(self, since):
        """A line a client, a character an attempt: . served, X not."""
        return "\n".join(
            f"{source:12} " + "".join("." if attempt.served else "X" for attempt in attempts if attempt.started >= since)
            for source, attempts in self.attempts.items())
