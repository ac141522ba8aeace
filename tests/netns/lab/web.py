"""What runs on the real servers: nginx as users have it, and a web server that misbehaves on request.

Both answer /index.php and /check.txt with an empty body, as the tutorial's checks want, and /who with the server's
name and the client's address as the server sees it.
"""

import contextlib
import enum
import signal
import socket
import threading
import time

from .client import family_of
from .process import Process, wait_until

SO_RCVBUFFORCE = 33

_NGINX = """
daemon off;
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
    log_format clients '$remote_addr $uri';
    access_log {directory}/access.log clients;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen {listen}:80;
        default_type text/html;
        location = /index.php {{ return 200 ""; }}
        location = /check.txt {{ return 200 ""; }}
        location = /who {{ return 200 "{name} $remote_addr\\n"; }}
    }}
}}
"""


def _listens(host, address, port):
    """Whether something accepts connections there; asked of the kernel, so that no log knows of it."""
    return f"{address}:{port}" in host.run("ss", "-Hltn")


class Nginx:
    def __init__(self, host, name, directory, listen="0.0.0.0"):
        self._host = host
        self._listen = listen
        self.directory = directory
        directory.mkdir(parents=True)
        self._config = directory / "nginx.conf"
        self._config.write_text(_NGINX.format(directory=directory, listen=listen, name=name))
        self.log = directory / "nginx.log"
        self._process = None
        self.start()

    def start(self):
        self._process = Process(self._host.command("nginx", "-c", self._config, "-e", self.directory / "error.log"),
                                self.log)
        wait_until(lambda: _listens(self._host, self._listen, 80) or not self._process.alive, 5, "nginx listens")

    def stop(self):
        """Connections are refused from now on."""
        self._process.signal(signal.SIGTERM)
        self._process.wait(5)

    def kill(self):
        self._process.kill()

    def close(self):
        if self._process.alive:
            self._process.kill()

    def clients(self, uri="/who"):
        """The client addresses of the requests for `uri`, as nginx logged them."""
        lines = (self.directory / "access.log").read_text().splitlines()
        return [line.split()[0] for line in lines if line.split()[1] == uri]


class Mode(enum.Enum):
    OK = "ok"
    ERROR_500 = "500"
    OTHER_BODY = "other body"
    HANG = "hang"
    DRIP = "drip"
    ENDLESS = "endless body"


class WebServer:
    """Misbehaves on the checks' paths only; /who is always answered, so that a lost request is the director's fault."""

    def __init__(self, host, name, address="0.0.0.0", port=80):
        self._host = host
        self._name = name
        self._endpoint = (address, port)
        self._listener = None
        self._open = set()
        self._lock = threading.Lock()
        self.mode = Mode.OK
        self.checks = []  # time.monotonic() of each check seen
        self.served = []  # client addresses of /who
        self.start()

    def start(self):
        listener = self._host.socket(family_of(self._endpoint[0]))
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self._endpoint)
        listener.listen(512)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self):
        """Connections are refused from now on, and those that are open are reset."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Only shutdown wakes the accepting thread.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    close = stop

    def _accept(self, listener):
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection, peer), daemon=True).start()

    def _serve(self, connection, peer):
        try:
            connection.settimeout(60)
            request = b""
            while b"\r\n\r\n" not in request:
                received = connection.recv(4096)
                if not received:
                    return
                request += received
            path = request.split()[1].decode()
            if path == "/who":
                self.served.append(peer[0])
                self._answer(connection, "200 OK", f"{self._name} {peer[0]}\n".encode())
            elif path == "/slow":
                self._slow(connection)
            elif path == "/quiet":
                self._quiet(connection)
            else:
                self.checks.append(time.monotonic())
                self._answer_check(connection)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    @staticmethod
    def _answer(connection, status, body):
        head = f"HTTP/1.0 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    @staticmethod
    def _slow(connection):
        """A download that goes on until either side ends it."""
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.02)

    def _quiet(self, connection):
        """Says its name, then waits for the client to end or to send more, which it answers."""
        connection.sendall(self._name.encode())
        while received := connection.recv(4096):
            connection.sendall(received)

    def _answer_check(self, connection):
        mode = self.mode
        if mode is Mode.OK:
            self._answer(connection, "200 OK", b"")
        elif mode is Mode.ERROR_500:
            self._answer(connection, "500 Internal Server Error", b"")
        elif mode is Mode.OTHER_BODY:
            self._answer(connection, "200 OK", b"something else\n")
        elif mode is Mode.HANG:
            connection.recv(1)  # until the checker gives up
        elif mode is Mode.DRIP:
            for byte in b"HTTP/1.0 200 OK\r\nX-Drip: " + b"." * 600:
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        elif mode is Mode.ENDLESS:
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
            while True:
                connection.sendall(b"x" * 65536)


class UdpEcho:
    """Answers every datagram with the server's name, the client's address, and how what it said begins."""

    def __init__(self, host, name, address="0.0.0.0", port=5353):
        self._name = name
        self._socket = host.socket(family_of(address), socket.SOCK_DGRAM)
        # A laboratory that has no CPU for a moment must not lose what waits here.
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        self._socket.bind((address, port))
        self._socket.settimeout(0.1)
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while not self._stopping:
            try:
                said, peer = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            self._socket.sendto(f"{self._name} {peer[0]} ".encode() + said[:10], peer)

    def close(self):
        self._stopping = True
        self._thread.join()
        self._socket.close()
