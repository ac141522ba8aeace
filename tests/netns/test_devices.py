"""Devices that change or cannot do everything: MAC addresses, generic mode, a device without native XDP."""

import dataclasses
import time
from collections import Counter

import pytest

from lab import VIP, Capture, PairConfig, wait_until
from lab.topology import client_addresses

CONFIG = PairConfig(version=3, advert_int="0.1")


def assert_both_serve(lab):
    assert {lab.client.get(source).server for source in client_addresses(12)} == {"n1", "n2"}


def with_webs(lab):
    lab.web("n1")
    lab.web("n2")
    return lab


def test_generic_mode_on_request(lab):
    with_webs(lab)
    config = dataclasses.replace(CONFIG, xlb="attach_mode generic")
    directors = lab.pair(config)
    for director in directors:
        assert director.host.xdp_mode() == "generic"
        assert director.status()["dataplane"][0]["mode"] == "generic"
    assert_both_serve(lab)


def test_device_that_refuses_native_mode_gets_generic_and_says_why(make_lab):
    lab = with_webs(make_lab(macvlan_on=("n1",)))
    master, standby = lab.pair(CONFIG)
    shown = master.status()["dataplane"][0]
    assert lab.n1.xdp_mode() == "generic"
    assert shown["mode"] == "generic" and shown["reason"]
    assert "generic" in master.log_text()
    assert standby.status()["dataplane"][0]["mode"] == "native"
    assert_both_serve(lab)


def test_native_only_is_refused_where_it_cannot_be_had(make_lab):
    lab = make_lab(macvlan_on=("n1",))
    director = lab.director("n1", dataclasses.replace(CONFIG, xlb="attach_mode native").text("n1"), start=False)
    director.start(ready=False)
    wait_until(lambda: "native" in director.log_text(), 10, "xlbd says what it cannot have")
    assert lab.n1.xdp_mode() is None
    wait_until(lambda: not director.alive or director.get("/readyz")[0] == 503, 5, "xlbd ends or is not ready")


def test_real_servers_new_mac_address_is_followed_at_once_when_announced(lab):
    """As of a replaced network card: a new address, told by gratuitous ARP."""
    with_webs(lab)
    lab.pair(CONFIG)
    assert_both_serve(lab)
    lab.n2.sysctl("net.ipv4.conf.eth0.arp_notify", 1)
    started = time.monotonic()
    # The kernel ignores a change within a second of the last one (net.ipv4.neigh.*.locktime).
    wait_until(lambda: time.monotonic() > started + 1.2, 3, "the neighbours' lock time is over")
    lab.n2.ip("link", "set", "dev", "eth0", "address", "02:00:00:00:02:22")
    changed = time.monotonic()
    with Capture(lab.switch, lab.n1, lab.n2) as capture:
        wait_until(lambda: {lab.client.served(source, timeout=0.3) for source in client_addresses(8)} == {"n1", "n2"}, 10,
                   "both serve again")
    print(f"both serve again {time.monotonic() - changed:.2f} s after the change")
    assert time.monotonic() - changed < 2
    # The new address is a director's too: its frames are not balanced again.
    forwarded = Counter(frame.packet_identity for frame in capture.ipv4(
        lambda frame: not frame.leaving and frame.destination == VIP))
    assert max(forwarded.values()) == 1


def test_real_servers_new_mac_address_is_found_out_when_nobody_announces_it(lab):
    with_webs(lab)
    lab.pair(CONFIG)
    assert_both_serve(lab)
    lab.n2.ip("link", "set", "dev", "eth0", "address", "02:00:00:00:02:22")
    changed = time.monotonic()
    # Until the kernel's entry is no longer fresh (15 to 45 s) nobody doubts it; a probe that asks again does.
    lab.n1.ip("neigh", "change", "10.10.0.2", "dev", "eth0", "nud", "stale")
    wait_until(lambda: all(lab.client.served(source, timeout=0.3) for source in client_addresses(8)), 20,
               "every client is served again")
    wait_until(lambda: {lab.client.served(source, timeout=0.3) for source in client_addresses(8)} == {"n1", "n2"}, 20,
               "both serve again")
    print(f"both serve again {time.monotonic() - changed:.2f} s after the change")


def test_real_server_without_a_mac_gets_no_traffic_until_it_answers(lab):
    with_webs(lab)
    lab.n2.cut_link()
    master = lab.director("n1", CONFIG.text("n1"))
    master.wait_vrrp("MASTER")
    assert {lab.client.get(source).server for source in client_addresses(12)} == {"n1"}
    shown = master.real_server("10.10.0.2")
    assert shown["state"] == "down" and shown["reason"]
    lab.n2.mend_link()
    # n2 has no director of its own here, so nothing else delivers to its web server.
    lab.director("n2", CONFIG.text("n2"))
    master.wait_real_server("10.10.0.2", "up", 10)
    assert_both_serve(lab)


@pytest.mark.parametrize("mode", ["auto", "generic"])
def test_virtual_server_on_a_second_interface_is_redirected_to_the_first(lab, mode):
    """Client traffic arrives on one device and the real servers are behind another: frames are redirected."""
    with_webs(lab)
    # n1 gets a second cable straight to the client's router.
    lab.router.ip("link", "add", "name", "eth2", "type", "veth", "peer", "name", "eth1", "netns", lab.n1.name)
    lab.router.run("ethtool", "-K", "eth2", "tx", "off")
    lab.router.ip("addr", "add", "10.30.0.254/24", "dev", "eth2")
    lab.router.ip("link", "set", "dev", "eth2", "up")
    lab.n1.ip("addr", "add", "10.30.0.1/24", "dev", "eth1")
    lab.n1.ip("link", "set", "dev", "eth1", "up")
    config = dataclasses.replace(CONFIG, xlb=f"attach_mode {mode}\ninterfaces eth0 eth1")
    master = lab.director("n1", config.text("n1"))
    lab.director("n2", CONFIG.text("n2"))
    master.wait_vrrp("MASTER")
    master.wait_forwarding()
    lab.router.ip("route", "add", "10.10.0.3/32", "via", "10.30.0.1")
    assert_both_serve(lab)
    assert {entry["interface"] for entry in master.status()["dataplane"]} == {"eth0", "eth1"}
