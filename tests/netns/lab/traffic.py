"""Clients that are under way all the time and notice the least disturbance: long connections, and a UDP probe."""

import contextlib
import datetime
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .config import VIP
from .topology import client_addresses
from .web import SO_RCVBUFFORCE


class LongConnections:
    """Open connections that ask and are answered again and again, from start to stop."""

    def __init__(self, client, count, interval=0.05):
        self.servers = {}  # how many connections each server holds
        self.failures = []
        self.rounds = 0
        self._interval = interval
        self._stopping = threading.Event()
        self._connections = []
        for source in client_addresses(count):
            connection = client.connect(source, timeout=5.0)
            connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
            server = connection.recv(2).decode()
            self.servers[server] = self.servers.get(server, 0) + 1
            self._connections.append(connection)
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()

    def _talk(self):
        alive = list(self._connections)
        while not self._stopping.wait(self._interval):
            for connection in list(alive):
                try:
                    connection.sendall(b"ping")
                    if connection.recv(4) != b"ping":
                        raise ConnectionError("ended")
                except OSError as error:
                    self.failures.append(f"{connection.getsockname()}: {error}")
                    alive.remove(connection)
            self.rounds += 1

    def stop(self):
        self._stopping.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()


class UdpProbe:
    """A datagram a millisecond on one flow, whether the last one was answered or not; each is numbered."""

    PERIOD_S = 0.001

    def __init__(self, namespace, source, port=5353):
        self._socket = namespace.socket(kind=socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        self._socket.settimeout(0.1)
        self._socket.bind((source, 0))
        self._socket.connect((VIP, port))
        self._stopping = threading.Event()
        self._all_sent = threading.Event()
        self._deadline = 0.0
        self._sent_at = []  # time.time() of each
        self._answered = set()
        self.seconds = 0.0
        self._sender, self._receiver = [threading.Thread(target=work, daemon=True) for work in (self._send, self._receive)]
        self._receiver.start()
        self._sender.start()

    def _send(self):
        began = time.monotonic()
        while not self._stopping.is_set():
            ahead = began + self.sent * self.PERIOD_S - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            with contextlib.suppress(OSError):  # a port that is closed: no answer, thus lost
                self._socket.send(f"{self.sent}\n".encode())
            self._sent_at.append(time.time())
        self.seconds = time.monotonic() - began

    def _receive(self):
        while not self._all_sent.is_set() or self.lost > 0:
            try:
                self._answered.add(int(self._socket.recv(2048).split()[2]))
            except TimeoutError:
                if self._all_sent.is_set() and time.monotonic() > self._deadline:
                    return
            except OSError:
                continue

    def stop(self, patience=2.0):
        """What is not answered by then is lost."""
        self._stopping.set()
        self._sender.join()
        self._deadline = time.monotonic() + patience
        self._all_sent.set()
        self._receiver.join()
        self._socket.close()

    @property
    def sent(self):
        return len(self._sent_at)

    @property
    def lost(self):
        return self.sent - len(self._answered)

    def lost_at(self):
        """When those that were lost were sent, as logs have it."""
        return [datetime.datetime.fromtimestamp(at).isoformat(sep=" ", timespec="milliseconds")
                for number, at in enumerate(self._sent_at) if number not in self._answered]


def _take_and_give(listener, size):
    connection, _ = listener.accept()
    with connection:
        received = 0
        while received < size:
            received += len(connection.recv(65536))
        connection.sendall(b"y" * received)


def assert_transfers_arrive_whole(lab, start, sources, size=3_000_000):
    """Segments of full size, in both directions, for a client of each server; start() makes the directors."""
    listeners = []
    for host in (lab.n1, lab.n2):
        listener = host.socket()
        listener.bind(("0.0.0.0", 80))
        listener.listen(4)
        listeners.append(listener)
    start()
    with ThreadPoolExecutor(len(listeners)) as threads:
        served = [threads.submit(_take_and_give, listener, size) for listener in listeners]
        for source in sources:
            with lab.client.connect(source, timeout=10) as connection:
                connection.sendall(b"x" * size)
                connection.shutdown(socket.SHUT_WR)
                got = 0
                while chunk := connection.recv(65536):
                    got += len(chunk)
                assert got == size
        for future in served:
            future.result(5)
    for listener in listeners:
        listener.close()
