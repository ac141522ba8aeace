"""use_vmac with IPv6: the addresses of a virtual router live on a macvlan with 00:00:5e:00:02:VRID, neighbours learn
that MAC address alone, and the XDP program balances what is addressed to it."""

import socket
import time

import pytest

from lab import ADDRESSES6, VIP6, Capture, add_ipv6, client_addresses6, wait_until

VIRTUAL_MAC = "00:00:5e:00:02:0a"
LINK_LOCAL_VIP = "fe80::5e:100"
CLIENTS = client_addresses6(12)


def config(name, extra="use_vmac"):
    real_servers = "".join(f"    real_server {address} 80 {{\n        weight 1\n    }}\n" for address in ADDRESSES6.values())
    return f"""
vrrp_instance VI_6 {{
    interface eth0
    virtual_router_id 10
    priority {200 if name == "n1" else 100}
    advert_int 0.1
    {extra}
    virtual_ipaddress {{
        {LINK_LOCAL_VIP}/64
        {VIP6}/64
    }}
}}
virtual_server {VIP6} 80 {{
    lb_algo rr
    lb_kind DR
    protocol TCP
{real_servers}}}
"""


@pytest.fixture
def pair(lab):
    """(lab, master, standby), a web server behind each."""
    add_ipv6(lab)
    for name in ("n1", "n2"):
        lab.web(name, address=ADDRESSES6[name])
    return lab, *lab.settled([lab.director(name, config(name)) for name in ("n1", "n2")])


def addresses(host, device="vrrp.10"):
    return {entry["local"] for link in host.ip_json("-6", "addr", "show", "dev", device)
            for entry in link.get("addr_info", []) if "local" in entry}


def neighbour(host, address=VIP6):
    found = [entry.get("lladdr") for entry in host.ip_json("-6", "neigh", "show", "to", address)]
    return found[0] if found else None


def served(lab):
    return {lab.client.wait_served(source, address=VIP6) for source in CLIENTS}


def advert(frame):
    return frame.ether_type == 0x86dd and frame.raw[20] == 112 and not frame.leaving


def to_vip(frame):
    return frame.ether_type == 0x86dd and frame.raw[20] == 6 and frame.raw[38:54] == socket.inet_pton(socket.AF_INET6, VIP6)


def test_rule_84_87_neighbours_learn_the_virtual_mac_and_no_other(pair):
    lab, _, _ = pair
    assert addresses(lab.n1) >= {VIP6, LINK_LOCAL_VIP} and VIP6 not in addresses(lab.n1, "eth0")
    lab.router.ip("-6", "neigh", "flush", "all")
    with Capture(lab.switch, lab.n1, lab.n2) as capture:
        assert served(lab) == {"n1", "n2"}
    assert neighbour(lab.router) == VIRTUAL_MAC

    def advertises_vip(frame):  # a neighbour advertisement's target
        return (frame.ether_type == 0x86dd and frame.raw[20] == 58 and frame.raw[54] == 136 and not frame.leaving
                and frame.raw[62:78] == socket.inet_pton(socket.AF_INET6, VIP6))

    answers = capture.frames(advertises_vip)
    assert answers and {(frame.port, frame.source_mac) for frame in answers} == {(lab.n1.port, VIRTUAL_MAC)}


def test_rule_6_120_adverts_have_the_virtual_mac_and_balanced_frames_the_physical_one(pair):
    lab, _, _ = pair
    with Capture(lab.switch, lab.n1) as capture:
        assert served(lab) == {"n1", "n2"}
        capture.wait_for(advert, 5, "an advertisement")
    assert {frame.source_mac for frame in capture.frames(advert)} == {VIRTUAL_MAC}
    assert {frame.destination_mac for frame in capture.frames(to_vip) if frame.leaving} == {VIRTUAL_MAC}
    balanced = [frame for frame in capture.frames(to_vip) if not frame.leaving]
    assert balanced and {frame.source_mac for frame in balanced} == {lab.n1.mac()}


def test_rule_107_a_backup_says_nothing_under_the_virtual_mac(lab):
    """Or the switch would send it what is for the master. The kernel would: listener reports, router solicitations."""
    add_ipv6(lab)
    master = lab.director("n1", config("n1"))
    master.wait_vrrp("MASTER")
    with Capture(lab.switch, lab.n2) as capture:
        standby = lab.director("n2", config("n2"))
        standby.wait_master_heard()
        time.sleep(1.5)  # reports are repeated within a second
        master.stop()
        standby.wait_vrrp("MASTER")
        master.start()
        standby.wait_vrrp("BACKUP")
        backup_since = time.monotonic()
        time.sleep(1.5)
    said = capture.frames(lambda frame: not frame.leaving and frame.source_mac == VIRTUAL_MAC)
    first_advert = min(frame.at for frame in said if advert(frame))
    assert [frame for frame in said if frame.at < first_advert or frame.at > backup_since] == []


def test_rule_112_the_macvlan_has_the_interfaces_link_local_address_and_makes_none(pair):
    lab, _, _ = pair
    own = {address for address in addresses(lab.n2, "eth0") if address.startswith("fe80:")}
    assert addresses(lab.n2) == own, "of a backup"
    own = {address for address in addresses(lab.n1, "eth0") if address.startswith("fe80:")}
    assert addresses(lab.n1) == own | {VIP6, LINK_LOCAL_VIP}, "of the master"


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_failover_moves_the_virtual_mac_and_back(pair, how):
    lab, master, standby = pair
    assert served(lab) == {"n1", "n2"}
    if how == "killed":
        master.kill()
        lab.n1.ip("link", "del", "vrrp.10")
    else:
        assert master.stop() == 0
    standby.wait_vrrp("MASTER")
    assert lab.client.wait_served(CLIENTS[0], address=VIP6)
    assert neighbour(lab.router) == VIRTUAL_MAC and VIP6 in addresses(lab.n2)
    master.start()
    master.wait_vrrp("MASTER")
    standby.wait_vrrp("BACKUP")
    assert served(lab) == {"n1", "n2"}
    assert neighbour(lab.router) == VIRTUAL_MAC


def test_an_interface_that_gets_its_link_local_address_late_lends_it_to_the_macvlan(lab):
    add_ipv6(lab)
    wait_until(lambda: any(address.startswith("fe80:") for address in addresses(lab.n1, "eth0")), 5, "a link-local address")
    late = next(address for address in addresses(lab.n1, "eth0") if address.startswith("fe80:"))
    lab.n1.ip("-6", "addr", "del", f"{late}/64", "dev", "eth0")
    director = lab.director("n1", config("n1"))
    wait_until(lambda: director.vrrp_state() == "FAULT", 5, "it has nothing to speak from")
    assert "has no IPv6 link-local address of its own" in director.status()["vrrp"][0]["reason"]
    lab.n1.ip("-6", "addr", "add", f"{late}/64", "dev", "eth0", "nodad")
    director.wait_vrrp("MASTER")
    assert late in addresses(lab.n1)
