"""keepalived 2.2.7 and FRR 8.4 as the other director, in the forms test_keepalived.py does not have: unicast, IPv6,
and FRR in both versions. Mastership moves both ways."""

import signal

import pytest

from lab import VIP, wait_until
from test_vrrp_rules import VIP6, add_ipv6, ipv6_config, link_local, unicast

VRID = 10


def instance(priority, version, advert_int="0.1"):
    return f"""
vrrp_instance VI_1 {{
    interface eth0
    virtual_router_id {VRID}
    version {version}
    priority {priority}
    advert_int {advert_int if version == 3 else 1}
    virtual_ipaddress {{
        {VIP}/24
    }}
}}
"""


def hears(director, address):
    wait_until(lambda: director.status()["vrrp"][0]["master_address"] == address, 10, f"it hears {address}")


def test_unicast_with_keepalived_moves_both_ways(lab):
    director = lab.director("n1", unicast("n1"))
    director.wait_vrrp("MASTER")
    keepalived = lab.keepalived("n2", unicast("n2"))
    wait_until(lambda: "BACKUP STATE" in keepalived.log_text(), 10, "keepalived is backup")
    director.signal(signal.SIGTERM)
    wait_until(lambda: f"{VIP}/24" in lab.n2.addresses(), 10, "keepalived owns the address")
    director.wait_end()
    director.start()
    director.wait_vrrp("MASTER")
    wait_until(lambda: f"{VIP}/24" not in lab.n2.addresses(), 10, "keepalived gave it up")
    assert director.status()["vrrp"][0]["adverts_refused"] == []


def test_ipv6_with_keepalived_moves_both_ways(lab):
    add_ipv6(lab)
    director = lab.director("n1", ipv6_config("n1", 100))
    director.wait_vrrp("MASTER")
    keepalived = lab.keepalived("n2", ipv6_config("n2", 200, "version 3").replace(
        f"{VIP6}/64\n        fe80::3/64", f"fe80::3/64\n        {VIP6}/64"))
    director.wait_vrrp("BACKUP")
    hears(director, link_local(lab.n2))
    keepalived.signal(signal.SIGTERM)
    director.wait_vrrp("MASTER")
    keepalived.wait_end()
    assert director.status()["vrrp"][0]["adverts_refused"] == []


@pytest.mark.parametrize("version", [2, 3])
def test_frr_as_backup_takes_over_and_gives_back(lab, version):
    director = lab.director("n1", instance(200, version))
    director.wait_vrrp("MASTER")
    frr = lab.frr("n2", vrid=VRID, virtual=f"{VIP}/24", version=version, priority=100,
                  interval_ms=100 if version == 3 else 1000)
    frr.wait_state("Backup")
    director.signal(signal.SIGTERM)
    frr.wait_state("Master")
    director.wait_end()
    director.start()
    director.wait_vrrp("MASTER")
    frr.wait_state("Backup")


@pytest.mark.parametrize("version", [2, 3])
def test_frr_as_master_is_followed_and_replaced(lab, version):
    frr = lab.frr("n2", vrid=VRID, virtual=f"{VIP}/24", version=version, priority=200,
                  interval_ms=100 if version == 3 else 1000)
    frr.wait_state("Master")
    director = lab.director("n1", instance(100, version))
    hears(director, "10.10.0.2")
    assert director.vrrp_state() == "BACKUP"
    frr.kill()
    director.wait_vrrp("MASTER")


def test_ipv6_with_frr_moves_both_ways(lab):
    add_ipv6(lab)
    director = lab.director("n1", ipv6_config("n1", 200).replace("fe80::3/64", "fe80::5e:100/64"))
    director.wait_vrrp("MASTER")
    frr = lab.frr("n2", vrid=VRID, virtual=f"{VIP6}/64", version=3, priority=100, interval_ms=100)
    frr.wait_state("Backup")
    director.signal(signal.SIGTERM)
    frr.wait_state("Master")
    director.wait_end()
    director.start()
    director.wait_vrrp("MASTER")
    frr.wait_state("Backup")
