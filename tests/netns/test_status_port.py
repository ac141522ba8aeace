"""The status port under clients that mean harm: others are answered, memory stays bounded, the pair does not notice."""

import contextlib
import socket
import threading
import time

import pytest

from lab import PairConfig, wait_until

SLOW_CLIENTS = 64
ENDLESS_LINE_BYTES = 512 << 20
MEMORY_BOUND_KIB = 16 << 10
PORT = ("127.0.0.1", 9780)
CONFIG = PairConfig(version=3, advert_int="0.1")


class Attack:
    """Clients in their own threads, from start to stop."""

    def __init__(self, host):
        self._host = host
        self._stopping = threading.Event()
        self._threads = []
        self.connections = 0
        self.bytes_sent = 0

    def _start(self, function):
        thread = threading.Thread(target=function, daemon=True)
        thread.start()
        self._threads.append(thread)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _connect(self, timeout=5):
        connection = self._host.socket()
        connection.settimeout(timeout)
        connection.connect(PORT)
        self.connections += 1
        return connection

    def slow_clients(self, count):
        """Each sends its request a byte at a time, never ends it, and comes again when it is sent away."""
        for _ in range(count):
            self._start(self._be_slow)

    def _be_slow(self):
        while not self._stopping.is_set():
            with contextlib.suppress(OSError), self._connect() as connection:
                connection.sendall(b"GET /v1/status HTTP/1.1\r\nX-Slow: ")
                while not self._stopping.wait(0.2):
                    connection.sendall(b"x")
            self._stopping.wait(0.05)

    def endless_line(self, total):
        """One header line of `total` bytes; cut off, it begins another one."""
        self._start(lambda: self._send_line(total))

    def _send_line(self, total):
        block = b"x" * (1 << 20)
        while not self._stopping.is_set() and self.bytes_sent < total:
            with contextlib.suppress(OSError), self._connect() as connection:
                connection.sendall(b"GET /v1/status HTTP/1.1\r\nX-Long: ")
                while not self._stopping.is_set() and self.bytes_sent < total:
                    self.bytes_sent += connection.send(block)

    def greedy_readers(self, count):
        """Ask for everything and read nothing."""
        for _ in range(count):
            self._start(self._ask_and_wait)

    def _ask_and_wait(self):
        while not self._stopping.is_set():
            with contextlib.suppress(OSError), self._connect() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                connection.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self._stopping.wait(2)


def memory_kib(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(field + ":"))


@pytest.fixture
def pair(lab):
    lab.web("n1")
    lab.web("n2")
    return lab.pair(CONFIG)


def transitions(director):
    return director.status()["vrrp"][0]["transitions"]


def ask(director, answers):
    """One healthy request on a connection of its own."""
    began = time.monotonic()
    code, _ = director.get("/v1/status", timeout=5)
    answers.append((code, time.monotonic() - began))


def test_slow_clients_and_an_endless_header_line_cost_only_themselves(pair):
    master, backup = pair
    before = transitions(master), transitions(backup)
    memory_before = memory_kib(master.pid, "VmHWM")
    answers = []
    with Attack(master.host) as attack:
        attack.slow_clients(SLOW_CLIENTS)
        attack.greedy_readers(8)
        attack.endless_line(ENDLESS_LINE_BYTES)
        wait_until(lambda: attack.connections > SLOW_CLIENTS, 10, "every slow client is there")
        deadline = time.monotonic() + 60
        while len(answers) < 50 or attack.bytes_sent < ENDLESS_LINE_BYTES:
            assert time.monotonic() < deadline, f"{len(answers)} answers, {attack.bytes_sent} bytes of the line sent"
            ask(master, answers)
        memory_after = memory_kib(master.pid, "VmHWM")
        assert (transitions(master), transitions(backup)) == before
    assert {code for code, _ in answers} == {200}
    assert max(seconds for _, seconds in answers) < 1
    assert memory_after - memory_before < MEMORY_BOUND_KIB
    assert master.vrrp_state() == "MASTER"
    assert backup.vrrp_state() == "BACKUP"


def test_a_foreign_host_is_refused_and_a_loopback_one_answered(pair):
    director = pair[0]

    def code(host):
        reply = director.host.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {host}",
                                  "http://127.0.0.1:9780/v1/status")
        return int(reply)

    assert code("attacker.example") == 421
    assert code("10.10.0.1") == 421
    assert code("localhost:9780") == 200
    assert code("127.0.0.1") == 200


def test_the_port_is_closed_to_other_hosts_unless_told_otherwise(pair):
    with pair[1].host.socket() as connection:
        connection.settimeout(2)
        with pytest.raises(ConnectionRefusedError):
            connection.connect(("10.10.0.1", 9780))
