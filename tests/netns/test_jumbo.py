"""Jumbo frames: links of MTU 9000, frames of several buffers."""

import hashlib
import random
import socket
import threading

import pytest

from lab import VIP, VIP6, Capture, client_addresses6, hold_vips, single_config, virtual_server
from lab.client import family_of
from lab.topology import client_addresses

MTU = 9000
SIZE = 5_000_000
CONTENT = random.Random(9000).randbytes(SIZE)


class Mirror:
    """Returns all that a connection sent, once it has ended, after the server's name."""

    def __init__(self, host, name, address):
        self._name = name.encode()
        self._listener = host.socket(family_of(address))
        self._listener.bind((address, 80))
        self._listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                received = b""
                while chunk := connection.recv(1 << 20):
                    received += chunk
                connection.sendall(self._name + received)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture(scope="module")
def running(module_lab_factory):
    """(lab, director)"""
    lab = module_lab_factory(mtu=MTU)
    hold_vips(lab)
    for name in ("n1", "n2"):
        for vip in (VIP, VIP6):
            lab.own(Mirror(lab.topology.server(name), name, vip))
    director = lab.director("n1", single_config(virtual_server(VIP), virtual_server(VIP6), xlb="attach_mode native"))
    director.wait_forwarding()
    return lab, director


def test_attaches_natively(running):
    lab, _ = running
    assert lab.n1.xdp_mode() == "native"
    assert lab.n1.ip_json("link", "show", "dev", "eth0")[0]["mtu"] == MTU


@pytest.mark.parametrize("vip", [VIP, VIP6], ids=["v4", "v6"])
def test_large_uploads_and_downloads_arrive_whole_in_large_frames(running, vip):
    lab, director = running
    served = set()
    with Capture(lab.switch, lab.n2) as capture:
        for source in (client_addresses6 if ":" in vip else client_addresses)(2):
            with lab.client.connect(source, vip, timeout=10) as connection:
                connection.sendall(CONTENT)
                connection.shutdown(socket.SHUT_WR)
                received = b""
                while chunk := connection.recv(1 << 20):
                    received += chunk
            served.add(received[:2])
            assert hashlib.md5(received[2:]).digest() == hashlib.md5(CONTENT).digest()
    assert served == {b"n1", b"n2"}
    mac = lab.n1.mac()
    assert max(len(frame.raw) for frame in capture.frames(lambda frame: frame.source_mac == mac)) == MTU + 14
    assert director.count("drop_malformed") == 0
