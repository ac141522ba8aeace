"""use_vmac: the addresses live on a macvlan with the virtual router's MAC address, and only that MAC is ever heard of them.
The XDP program balances frames to it on the interface below while this host is master."""

import dataclasses
import time

import pytest

from lab import VIP, Capture, PairConfig, wait_until
from lab.topology import client_addresses

CONFIG = PairConfig(version=3, advert_int="0.1", vrrp_extra="use_vmac")
VIRTUAL_MAC = "00:00:5e:00:01:0a"
CLIENTS = client_addresses(12)


def start(lab, config=CONFIG):
    lab.web("n1")
    lab.web("n2")
    directors = lab.pair(config)
    assert {lab.client.wait_served(source) for source in CLIENTS} == {"n1", "n2"}
    return directors


def macvlan(host, name="vrrp.10"):
    found = [link for link in host.ip_json("link", "show") if link["ifname"] == name]
    return found[0] if found else None


def setting(host, name):
    return host.run("cat", f"/proc/sys/net/{name}").strip()


def neighbour_of(host, address=VIP):
    found = [entry.get("lladdr") for entry in host.ip_json("neigh", "show", "to", address)]
    return found[0] if found else None


def test_rule_84_arp_for_the_vip_is_answered_with_the_virtual_mac(lab):
    start(lab)
    link = macvlan(lab.n1)
    assert link["address"] == VIRTUAL_MAC and link["linkinfo"]["info_data"]["mode"] == "private"
    assert f"{VIP}/24" in lab.n1.addresses("vrrp.10") and f"{VIP}/24" not in lab.n1.addresses()
    with Capture(lab.switch, lab.n1, lab.n2, lab.router) as capture:
        lab.router.ip("neigh", "flush", "all")
        lab.client.get(CLIENTS[0])
    assert neighbour_of(lab.router) == VIRTUAL_MAC
    answers = [frame for frame in capture.frames(lambda frame: frame.ether_type == 0x0806 and not frame.leaving)
               if frame.raw[28:32] == bytes([10, 10, 0, 3])]
    assert answers and {frame.raw[22:28].hex(":") for frame in answers} == {VIRTUAL_MAC}  # rules 85 and 107


def test_rule_6_adverts_have_the_virtual_mac_and_rule_120_balanced_frames_the_physical_one(lab):
    start(lab)
    with Capture(lab.switch, lab.n1) as capture:
        for source in CLIENTS:
            lab.client.get(source)
        capture.wait_for(lambda frame: frame.is_ipv4 and frame.protocol == 112, 5, "an advertisement")
    adverts = capture.ipv4(lambda frame: frame.protocol == 112 and not frame.leaving)
    assert {frame.source_mac for frame in adverts} == {VIRTUAL_MAC}
    assert {frame.source for frame in adverts} == {"10.10.0.1"}
    balanced = capture.ipv4(lambda frame: frame.destination == VIP and not frame.leaving)
    assert balanced and {frame.source_mac for frame in balanced} == {lab.n1.mac()}
    arriving = capture.ipv4(lambda frame: frame.destination == VIP and frame.leaving)
    assert {frame.destination_mac for frame in arriving} == {VIRTUAL_MAC}  # rule 121


def test_rule_75_a_backup_forwards_nothing_that_a_switch_floods_to_the_virtual_mac(lab):
    start(lab)
    assert setting(lab.n2, "ipv4/conf/vrrp.10/forwarding") == "0"
    assert setting(lab.n1, "ipv4/conf/vrrp.10/forwarding") == "1"
    assert macvlan(lab.n2)["address"] == VIRTUAL_MAC and lab.n2.addresses("vrrp.10") == []


def test_rule_107_a_backup_says_nothing_under_the_virtual_mac(lab):
    """Or the switch would send it what is for the master. The kernel would: IGMP when the group is joined."""
    master = lab.director("n1", CONFIG.text("n1"))
    master.wait_vrrp("MASTER")
    with Capture(lab.switch, lab.n2) as capture:
        standby = lab.director("n2", CONFIG.text("n2"))
        standby.wait_master_heard()
        time.sleep(1.5)  # reports are repeated within a second
    assert [frame for frame in capture.frames() if not frame.leaving and frame.source_mac == VIRTUAL_MAC] == []
    assert capture.ipv4(lambda frame: not frame.leaving and frame.protocol == 2), "the interface below joins"
    assert master.stop() == 0
    standby.wait_vrrp("MASTER")
    with Capture(lab.switch, lab.n2) as capture:
        capture.wait_for(lambda frame: not frame.leaving and frame.source_mac == VIRTUAL_MAC, 5, "it speaks as master")
        master.start()
        standby.wait_vrrp("BACKUP")
        backup_since = time.monotonic()
        time.sleep(1.5)
    late = capture.frames(lambda frame: not frame.leaving and frame.source_mac == VIRTUAL_MAC and frame.at > backup_since)
    assert late == []


def test_rule_112_no_ipv6_address_is_made_of_the_virtual_mac(lab):
    for name in ("all", "default", "eth0"):
        lab.n1.sysctl(f"net.ipv6.conf.{name}.disable_ipv6", 0)
    lab.director("n1", CONFIG.text("n1")).wait_vrrp("MASTER")
    assert lab.n1.ip_json("-6", "addr", "show", "dev", "vrrp.10") in ([], [{}])
    assert macvlan(lab.n1)["inet6_addr_gen_mode"] == "none"


def test_failover_moves_the_virtual_mac_at_once(lab):
    master, standby = start(lab)
    assert neighbour_of(lab.router) == VIRTUAL_MAC
    master.kill()
    lab.n1.ip("link", "del", "vrrp.10")
    standby.wait_vrrp("MASTER")
    assert lab.client.wait_served(CLIENTS[0]) in ("n1", "n2")
    assert neighbour_of(lab.router) == VIRTUAL_MAC and f"{VIP}/24" in lab.n2.addresses("vrrp.10")


@pytest.mark.parametrize("how", ["stop", "purge"])
def test_the_macvlan_and_its_settings_go_with_the_daemon(lab, how):
    arp = setting(lab.n1, "ipv4/conf/eth0/arp_ignore"), setting(lab.n1, "ipv4/conf/eth0/arp_announce")
    director = lab.director("n1", CONFIG.text("n1"))
    director.wait_vrrp("MASTER")
    assert setting(lab.n1, "ipv4/conf/eth0/arp_ignore") == "1"
    if how == "stop":
        assert director.stop() == 0
    else:
        director.kill()
        assert macvlan(lab.n1)
        director.purge()
    assert macvlan(lab.n1) is None
    assert (setting(lab.n1, "ipv4/conf/eth0/arp_ignore"), setting(lab.n1, "ipv4/conf/eth0/arp_announce")) == arp


def test_a_crashed_daemons_macvlan_is_adopted(lab):
    director = lab.director("n1", CONFIG.text("n1"))
    director.wait_vrrp("MASTER")
    index = macvlan(lab.n1)["ifindex"]
    director.restart(killed=True)
    director.wait_vrrp("MASTER")
    assert macvlan(lab.n1)["ifindex"] == index
    assert f"{VIP}/24" in lab.n1.addresses("vrrp.10")


def test_a_name_and_a_mac_of_its_own_and_adverts_from_the_interface_below(lab):
    config = dataclasses.replace(CONFIG, vrrp_extra="use_vmac vip0 02:00:5e:00:77\n    vmac_xmit_base")
    lab.director("n1", config.text("n1")).wait_vrrp("MASTER")
    assert macvlan(lab.n1, "vip0")["address"] == "02:00:5e:00:77:0a"
    assert f"{VIP}/24" in lab.n1.addresses("vip0")
    with Capture(lab.switch, lab.n1) as capture:
        capture.wait_for(lambda frame: frame.is_ipv4 and frame.protocol == 112, 5, "an advertisement")
    adverts = capture.ipv4(lambda frame: frame.protocol == 112 and not frame.leaving)
    assert {frame.source_mac for frame in adverts} == {lab.n1.mac()}


def test_a_mac_that_xdp_does_not_know_is_warned_about_and_the_rfcs_are_not(lab):
    director = lab.director("n1", dataclasses.replace(CONFIG, vrrp_extra="use_vmac vip0 02:00:5e:00:77").text("n1"))
    warning = ("use_vmac 02:00:5e:00:77:0a: XDP balances nothing that is addressed to this MAC address, so virtual server "
               f"TCP {VIP}:80 is served by this host alone")
    assert warning in director.log_text() and any(warning in text for text in director.status()["warnings"])
    director.apply(dataclasses.replace(CONFIG, vrrp_extra="use_vmac vip0 00:00:5e:00:01").text("n1"))
    director.wait_vrrp("MASTER")
    assert macvlan(lab.n1, "vip0")["address"] == VIRTUAL_MAC and director.status()["warnings"] == []


def test_a_reload_makes_and_removes_the_macvlan(lab):
    director = lab.director("n1", dataclasses.replace(CONFIG, vrrp_extra="").text("n1"))
    director.wait_vrrp("MASTER")
    director.config.write_text(CONFIG.text("n1"))
    director.ctl("reload")
    director.wait_vrrp("MASTER")
    wait_until(lambda: f"{VIP}/24" in lab.n1.addresses("vrrp.10"), 5, "the address is on the macvlan")
    assert f"{VIP}/24" not in lab.n1.addresses()
    director.config.write_text(dataclasses.replace(CONFIG, vrrp_extra="").text("n1"))
    director.ctl("reload")
    director.wait_vrrp("MASTER")
    wait_until(lambda: f"{VIP}/24" in lab.n1.addresses(), 5, "the address is on the interface")
    assert macvlan(lab.n1) is None


def test_an_interface_of_that_name_that_is_no_macvlan_is_left_alone(lab):
    lab.n1.ip("link", "add", "vrrp.10", "type", "veth", "peer", "name", "other0")
    director = lab.director("n1", CONFIG.text("n1"))
    wait_until(lambda: director.vrrp_state() == "FAULT", 5, "the instance says why it cannot")
    assert "there is an interface of that name" in director.status()["vrrp"][0]["reason"]
    lab.n1.ip("link", "del", "vrrp.10")
    director.wait_vrrp("MASTER")
