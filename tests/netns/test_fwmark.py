"""virtual_server fwmark: the user's own rules mark packets, whatever marks them is balanced together."""

import pytest

from lab import VIP, wait_until
from lab.topology import client_addresses

CLIENTS = client_addresses(12)
MARKS = """
table ip users {
    chain prerouting {
        type filter hook prerouting priority mangle;
        ip daddr 10.10.0.3 tcp dport { 80, 443 } meta mark set 7
    }
}
"""


def service(method="NAT", extra="", port=""):
    servers = "".join(f"    real_server 10.10.0.{last} {port} {{\n    }}\n" for last in (1, 2))
    return (f"virtual_server fwmark 7 {{\n    lb_algo rr\n    lvs_method {method}\n    {extra}\n{servers}}}\n")


@pytest.fixture
def marking(lab):
    lab.n1.ip("addr", "add", f"{VIP}/24", "dev", "eth0")
    lab.n1.nft(MARKS)
    for name in ("n1", "n2"):
        for port in (80, 443):
            lab.web(name, port=port)
    return lab


def test_ports_are_grouped_for_a_client(marking):
    """What fwmark services are made for: http and https of a client go to one real server."""
    marking.n2.ip("route", "replace", "default", "via", "10.10.0.1")
    director = marking.director("n1", service(extra="persistence_timeout 50"))
    director.wait_forwarding()
    for source in CLIENTS:
        first = marking.client.get(source, port=80)
        assert marking.client.get(source, port=443).server == first.server
        assert first.seen_address == source
    assert {marking.client.get(source).server for source in CLIENTS} == {"n1", "n2"}
    assert "\nFWM  7 rr persistent 50\n" in director.ctl("show")
    document = director.status()["virtual_servers"][0]
    assert (document["protocol"], document["fwmark"], document["forwarding"]) == ("FWM", 7, "NAT")
    wait_until(lambda: sum(server["connections"] for server in director.status()["virtual_servers"][0]["real_servers"])
               == 3 * len(CLIENTS), 5, "the connections are counted")
    wait_until(lambda: all(server["persistent_clients"] == 6 and server["packets"] > 0 for server in
                           director.status()["virtual_servers"][0]["real_servers"]), 5, "the clients are counted")


def test_what_is_not_marked_is_left_alone(marking):
    marking.web("n1", port=8080)
    director = marking.director("n1", service())
    director.wait_forwarding()
    assert {marking.client.get(source, port=8080).server for source in CLIENTS[:4]} == {"n1"}


def test_direct_routing_by_mark_is_done_by_translation_and_said(marking):
    """n2 answers past the director as direct routing has it; it sees the director's address instead."""
    director = marking.director("n1", service(method="DR"))
    director.wait_forwarding()
    replies = [marking.client.get(source) for source in CLIENTS]
    assert sorted(reply.server for reply in replies) == ["n1"] * 6 + ["n2"] * 6
    assert {reply.seen_address for reply in replies if reply.server == "n2"} == {"10.10.0.1"}
    assert any("XDP sees no firewall marks" in text for text in director.status()["warnings"])
    assert "Masq" in director.ctl("show")
