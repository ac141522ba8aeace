"""Which real server new connections get, and that existing ones stay where they are."""

from collections import Counter

import pytest

from lab import PairConfig, end_with_reset, wait_until
from lab.topology import client_addresses
from lab.traffic import assert_transfers_arrive_whole

FAST = {"version": 3, "advert_int": "0.1"}


def test_wrr_gives_three_to_one(lab):
    lab.web("n1")
    lab.web("n2")
    lab.pair(PairConfig(**FAST, scheduler="wrr", weights={"n1": 3, "n2": 1}))
    servers = Counter(lab.client.get(source).server for source in client_addresses(100) * 2)
    assert abs(servers["n1"] - 150) <= 2 and servers["n1"] + servers["n2"] == 200, servers


def test_rr_ignores_weights_other_than_zero(lab):
    lab.web("n1")
    lab.web("n2")
    lab.pair(PairConfig(**FAST, weights={"n1": 7, "n2": 1}))
    servers = Counter(lab.client.get("10.20.1.1").server for _ in range(40))
    assert servers == {"n1": 20, "n2": 20}


def test_weight_zero_gets_no_new_connection(lab):
    lab.web("n1")
    quiet = lab.web("n2")
    master, _ = lab.pair(PairConfig(**FAST, weights={"n1": 1, "n2": 0}))
    servers = Counter(lab.client.get(source).server for source in client_addresses(40))
    assert servers == {"n1": 40}
    assert quiet.served == []
    assert [line.split()[3] for line in master.ctl("show").splitlines()[4:]] == ["1", "0"]


def test_without_persistence_each_connection_is_scheduled_anew(lab):
    lab.web("n1")
    lab.web("n2")
    lab.pair(PairConfig(**FAST))
    assert Counter(lab.client.get("10.20.1.1").server for _ in range(20)) == {"n1": 10, "n2": 10}


def test_persistence_ends_after_its_timeout(lab):
    lab.web("n1")
    lab.web("n2")
    master, _ = lab.pair(PairConfig(**FAST, persistence=1))
    first = lab.client.get("10.20.1.1").server
    assert lab.client.get("10.20.1.1").server == first
    # Another client takes the next turn, so that the turn after it is again the first server's.
    other = lab.client.get("10.20.1.2").server
    assert other != first

    fresh = iter(client_addresses(100)[2:])

    def exchanged():
        """Each gets the other's server. The director's clock for this is coarse: asked too early one of them takes no
        turn, and then a fresh client takes it, so that the turns are as before."""
        wait_until(lambda: "10.20.1." not in master.ctl("show", "persistence"), 10, "every client is forgotten")
        if [lab.client.get(source).server for source in ("10.20.1.2", "10.20.1.1")] == [first, other]:
            return True
        lab.client.get(next(fresh))
        return False

    wait_until(exchanged, 30, "both clients are scheduled anew")


@pytest.mark.parametrize("listen", ["0.0.0.0", "own address"])
def test_udp_is_balanced_and_answered_from_the_virtual_address(lab, listen):
    for host, name in ((lab.n1, "n1"), (lab.n2, "n2")):
        lab.udp_echo(name, address=host.address if listen == "own address" else "0.0.0.0")
    lab.pair(PairConfig(**FAST, protocol="UDP", port=5353))
    replies = [lab.client.udp(source) for source in client_addresses(40)]
    assert Counter(reply.server for reply in replies) == {"n1": 20, "n2": 20}
    assert [reply.seen_address for reply in replies] == client_addresses(40)


def test_udp_flow_stays_on_its_real_server(lab):
    lab.udp_echo("n1")
    lab.udp_echo("n2")
    lab.pair(PairConfig(**FAST, protocol="UDP", port=5353))
    for port in (40001, 40002):
        assert len({lab.client.udp("10.20.1.1", local_port=port).server for _ in range(5)}) == 1


def test_large_uploads_and_downloads_arrive_whole(lab):
    """Over the forwarding real server and the local one."""
    assert_transfers_arrive_whole(lab, lambda: lab.pair(PairConfig(**FAST)), ("10.20.1.1", "10.20.1.2"))


def test_connections_are_shown_while_they_live_and_after(lab):
    lab.web("n1")
    lab.web("n2")
    master, _ = lab.pair(PairConfig(**FAST))
    connections = []
    for source in client_addresses(6):
        connection = lab.client.connect(source)
        connection.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
        connection.recv(10)
        connections.append(connection)

    def active():
        return [real_server["active_connections"] for real_server in
                master.status()["virtual_servers"][0]["real_servers"]]

    wait_until(lambda: active() == [3, 3], 10, "three active connections on each real server")
    shown = master.ctl("show", "connections")
    assert all(f"{source}:" in shown for source in client_addresses(6)) and "ESTABLISHED" in shown
    for connection in connections:
        end_with_reset(connection)
    wait_until(lambda: active() == [0, 0], 10, "no active connection is left")
