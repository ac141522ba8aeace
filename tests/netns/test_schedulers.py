"""What each scheduler means to those who use it: connections are opened, held and closed, and who got them is seen."""

from collections import Counter

import pytest

from lab import (VIP, VIP6, PairConfig, client_addresses6, end_with_reset, hold_vips, single_config, virtual_server,
                 wait_until)
from lab.topology import client_addresses

LEAST = ("lc", "wlc", "sed", "nq")
HASHED = ("sh", "mh", "dh")
PORTS = {name: 8000 + number for number, name in enumerate((*LEAST, *HASHED))}
FAMILIES = pytest.mark.parametrize("vip", [VIP, VIP6], ids=["v4", "v6"])


def config():
    """Both families, n1 with three times the weight of n2."""
    return single_config(*(virtual_server(vip, port, scheduler=scheduler, weights={"n1": 3, "n2": 1})
                           for vip in (VIP, VIP6) for scheduler, port in PORTS.items()))


@pytest.fixture(scope="module")
def running(module_lab_factory):
    """(lab, director)"""
    lab = module_lab_factory()
    hold_vips(lab)
    for name in ("n1", "n2"):
        for address in ("0.0.0.0", "::"):
            for port in PORTS.values():
                lab.web(name, address=address, port=port)
    director = lab.director("n1", config())
    director.wait_forwarding()
    return lab, director


def sources(vip, count):
    return client_addresses6(count) if ":" in vip else client_addresses(count)


class Held:
    """Connections that stay open."""

    def __init__(self, lab, director, vip, scheduler):
        self._lab = lab
        self._director = director
        self._vip = vip
        self._port = PORTS[scheduler]
        self._open = []  # (server, connection)

    def open(self, count):
        """One after the other, each as the director knows of those before; the servers they went to."""
        for _ in range(count):
            connection = self._lab.client.connect(sources(self._vip, 1)[0], self._vip, self._port)
            connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
            self._open.append((connection.recv(2).decode(), connection))
        return "".join(server[1] for server, _ in self._open[-count:])

    def close_at(self, server):
        for name, connection in self._open:
            if name == server:
                connection.close()
        self._open = [(name, connection) for name, connection in self._open if name != server]
        wait_until(lambda: self.active()[server] == 0, 5, f"{server} has no active connection")

    def active(self):
        service = next(item for item in self._director.status()["virtual_servers"]
                       if (item["address"], item["port"]) == (self._vip, self._port))
        return {name: real_server["active_connections"] for name, real_server in
                zip(("n1", "n2"), service["real_servers"])}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _, connection in self._open:
            end_with_reset(connection)


@FAMILIES
def test_lc_goes_to_whoever_has_the_fewest(running, vip):
    lab, director = running
    with Held(lab, director, vip, "lc") as held:
        assert Counter(held.open(8)) == {"1": 4, "2": 4}
        assert held.active() == {"n1": 4, "n2": 4}
        held.close_at("n2")
        # What has just ended counts a little (256 of it are one connection), as with IPVS.
        assert held.open(4) == "2222"
        assert Counter(held.open(2)) == {"1": 1, "2": 1}


@FAMILIES
def test_wlc_goes_to_whoever_has_the_fewest_for_its_weight(running, vip):
    lab, director = running
    with Held(lab, director, vip, "wlc") as held:
        assert Counter(held.open(16)) == {"1": 12, "2": 4}
        held.close_at("n1")
        assert held.open(12) == "1" * 12
        assert held.active() == {"n1": 12, "n2": 4}


@FAMILIES
def test_sed_prefers_the_strong_one_also_when_both_are_idle(running, vip):
    """(0 + 1) / 3 < (0 + 1) / 1, until three are there: then a draw, which the first wins."""
    lab, director = running
    with Held(lab, director, vip, "sed") as held:
        assert held.open(8) == "11121112"


@FAMILIES
def test_nq_lets_nobody_be_idle(running, vip):
    lab, director = running
    with Held(lab, director, vip, "nq") as held:
        assert held.open(2) == "12"
        assert Counter(held.open(6)) == {"1": 5, "2": 1}


@pytest.mark.parametrize("scheduler", ["sh", "mh"])
@FAMILIES
def test_same_client_same_server_by_weight(running, vip, scheduler):
    lab, _ = running
    crowd = sources(vip, 40)

    def ask():
        return {source: lab.client.get(source, address=vip, port=PORTS[scheduler]).server for source in crowd}

    first = ask()
    assert ask() == first
    shares = Counter(first.values())
    assert set(shares) == {"n1", "n2"} and shares["n1"] > shares["n2"], shares


@FAMILIES
def test_dh_goes_to_one_server_for_the_one_address(running, vip):
    lab, _ = running
    assert len({lab.client.get(source, address=vip, port=PORTS["dh"]).server for source in sources(vip, 20)}) == 1


@pytest.mark.parametrize("scheduler", ["sh", "mh", "dh"])
def test_both_directors_decide_alike(lab, scheduler):
    """The other director takes over: everybody finds the same server."""
    lab.web("n1")
    lab.web("n2")
    config = PairConfig(version=3, advert_int="0.1", scheduler=scheduler, weights={"n1": 2, "n2": 1})
    master, standby = lab.pair(config)
    crowd = client_addresses(60)
    first = {source: lab.client.get(source).server for source in crowd}
    master.stop()
    standby.wait_vrrp("MASTER")
    assert {source: lab.client.get(source).server for source in crowd} == first
