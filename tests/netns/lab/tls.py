"""A real server that speaks TLS, with a certificate nobody signed but itself."""

import contextlib
import socket
import ssl
import threading

from .process import run


def make_certificate(directory, name, password=None):
    """A key and a certificate signed by it, with the name's file names in `directory`: (key, certificate)."""
    directory.mkdir(parents=True, exist_ok=True)
    key, certificate = directory / f"{name}-key.pem", directory / f"{name}.pem"
    protection = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", *protection, "-days", "2", "-subj", f"/CN={name}.example",
         "-keyout", str(key), "-out", str(certificate)])
    return key, certificate


class TlsServer:
    """Answers every request with `body`; remembers the names that clients ask for in their hello."""

    def __init__(self, host, directory, body, port=443, only=None):
        """`only`: the certificate that a client must show."""
        key, certificate = make_certificate(directory, "nobody")
        self.body = body
        self.names = []  # None: a hello without a name
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        if only:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(only)
        self._context.sni_callback = lambda connection, name, context: self.names.append(name)
        self._listener = host.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("0.0.0.0", port))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(10)
        with connection, contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as tls:
            request = b""
            while b"\r\n\r\n" not in request:
                received = tls.recv(4096)
                if not received:
                    return
                request += received
            body = self.body
            tls.sendall(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            tls.unwrap()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)  # only this wakes the accepting thread
        self._listener.close()
