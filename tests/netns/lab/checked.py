"""Servers that checks ask, beside web servers: mail, names, plain TCP. Each answers well or as its `mode` says."""

import contextlib
import socket
import struct
import threading
import time

from .client import family_of


class StreamServer:
    """A TCP server whose answer to a connection is a function of it; run in a thread for each."""

    def __init__(self, host, port, serve, address="0.0.0.0"):
        self._serve = serve
        self.clients = []  # (address, port) of each connection
        self._listener = host.socket(family_of(address))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(512)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            self.clients.append(peer[:2])
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(30)
            self._serve(connection)

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class MailServer(StreamServer):
    """mode: ok, busy (says 421), stall (says nothing), flood (greets for ever)."""

    def __init__(self, host, port=25):
        self.mode = "ok"
        self.heard = []  # lines
        super().__init__(host, port, self._talk)

    def _talk(self, connection):
        if self.mode == "stall":
            connection.recv(1)
        while self.mode == "flood":
            connection.sendall(b"220-" + b"welcome " * 100 + b"\r\n")
        if self.mode == "busy":
            connection.sendall(b"421 too busy\r\n")
            return
        connection.sendall(b"220 mail.example.org ESMTP\r\n")
        for line in connection.makefile("rb"):
            self.heard.append(line.decode().strip())
            if line.startswith(b"QUIT"):
                connection.sendall(b"221 bye\r\n")
                return
            connection.sendall(b"250 hello\r\n")


class NameServer:
    """mode: ok, refuse, silent, garbage (junk, cut off and wrongly numbered answers only)."""

    def __init__(self, host, port=53, address="0.0.0.0"):
        self.mode = "ok"
        self.questions = []  # (name, type)
        self.clients = []
        self._socket = host.socket(family_of(address), socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                query, peer = self._socket.recvfrom(4096)
            except OSError:
                return
            if peer is None:  # shut down
                return
            self.clients.append(peer[:2])
            self.questions.append(self._question(query))
            for answer in self._answers(query):
                self._socket.sendto(answer, peer)

    @staticmethod
    def _question(query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        return ".".join(labels), struct.unpack("!H", query[at + 1:at + 3])[0]

    def _answers(self, query):
        def answer(code=0, number=query[:2]):
            return number + bytes([0x81, 0x80 | code]) + query[4:]

        if self.mode == "ok":
            return [answer()]
        if self.mode == "refuse":
            return [answer(5)]
        if self.mode == "garbage":
            other = bytes([query[0] ^ 1, query[1]])
            return [b"", b"junk", query, answer(number=other), answer()[:9]]
        return []

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def drip(connection):
    """An answer of one byte a second's tenth, for ever."""
    connection.sendall(b"HTTP/1.0 200 OK\r\n")
    while True:
        connection.sendall(b"X")
        time.sleep(0.1)


def many_headers(connection):
    connection.sendall(b"HTTP/1.0 200 OK\r\n")
    for number in range(100_000):
        connection.sendall(b"X-%d: x\r\n" % number)
    connection.sendall(b"\r\n")


def endless_body(connection):
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


def bad_chunks(connection):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello")


def half_closed(connection):
    """Ends its side before it has answered, and reads on."""
    connection.shutdown(socket.SHUT_WR)
    connection.recv(65536)
    time.sleep(10)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang(connection):
    connection.recv(65536)
    time.sleep(30)


def other_protocol(connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    time.sleep(1)


def interim_answers(connection):
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


def huge_length(connection):
    connection.recv(4096)
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nhello")


def zero_bytes(connection):
    connection.recv(4096)
    connection.sendall(b"\0" * 1000)


def one_long_header(connection):
    connection.sendall(b"HTTP/1.0 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x" * 65536)


HOSTILE = {function.__name__: function for function in (
    drip, many_headers, endless_body, bad_chunks, half_closed, reset, hang, other_protocol, interim_answers,
    huge_length, zero_bytes, one_long_header)}
