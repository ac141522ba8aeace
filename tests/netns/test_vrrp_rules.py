"""The rules of docs/vrrp.md on a real link, by their numbers: what a director says, and what it makes of forged
advertisements."""

import signal
import socket
import time

import pytest
from scapy.layers.l2 import ARP, Ether

from lab import VIP, LabError, PairConfig, wait_until
from lab.adverts import GROUP4, GROUP6, pdu, packet

VRID = 10
VIP6 = "2001:db8:10::3"
V2 = PairConfig(password="secret12")
V3 = PairConfig(version=3, advert_int="0.1")
ATTACKER = "10.10.0.66"
KEY = "hex:" + "00112233445566778899aabbccddeeff" * 2


def refused(director):
    return {entry["reason"]: entry["count"] for entry in director.status()["vrrp"][0]["adverts_refused"]}


def alarms(director):
    return {entry["reason"]: entry["count"] for entry in director.status()["vrrp"][0]["alarms"]}


def master(lab, config, name="n1"):
    director = lab.director(name, config.vrrp(name))
    director.wait_vrrp("MASTER", 10)
    return director


def holds(host):
    return any(entry.startswith(f"{VIP}/") for entry in host.addresses())


def answers(lab, host, address):
    """Whether `host` itself answers an ARP request for the address."""
    mac = host.mac()
    with lab.router.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        lab.router.call(raw.bind, ("eth0", 0x0806))
        raw.settimeout(0.3)
        own = lab.router.mac()
        request = Ether(src=own, dst=mac) / ARP(op=1, hwsrc=own, psrc="10.10.0.250", pdst=address)
        raw.send(bytes(request))
        while True:
            try:
                frame = Ether(raw.recv(2048))
            except TimeoutError:
                return False
            if ARP in frame and frame[ARP].op == 2 and frame[ARP].psrc == address and frame.src == mac:
                return True


def add_ipv6(lab):
    for host in (lab.n1, lab.n2):
        for interface in ("all", "default", "eth0"):
            host.sysctl(f"net.ipv6.conf.{interface}.accept_dad", 0)
        host.sysctl("net.ipv6.conf.all.disable_ipv6", 0)
        host.sysctl("net.ipv6.conf.eth0.disable_ipv6", 0)
        wait_until(lambda host=host: link_local(host), 5, "a link-local address")


def link_local(host):
    """The host's own, not the virtual router's."""
    for link in host.ip_json("-6", "addr", "show", "dev", "eth0", "scope", "link"):
        for entry in link.get("addr_info", []):  # `ip` leaves an empty one for each it filters out
            if entry.get("local", "fe80::3") != "fe80::3" and not entry.get("tentative"):
                return entry["local"]
    return None


def test_rule_1_2_3_5_7_10_11_13_18_an_ipv4_advertisement_leaves_as_the_rfc_says(lab):
    listener = lab.listener("n2")
    master(lab, V2)
    frame, message = listener.next()
    assert frame.dst == "01:00:5e:00:00:12"
    assert frame["IP"].dst == GROUP4 and frame["IP"].src == "10.10.0.1"
    assert frame["IP"].ttl == 255 and frame["IP"].tos == 0xc0 and frame["IP"].proto == 112
    assert message[0] == 0x21 and message[1] == VRID and message[2] == 200 and message[3] == 1
    assert message[8:12] == bytes([10, 10, 0, 3]) and message[12:20] == b"secret12"


def test_rule_52_131_malformed_advertisements_are_refused_and_counted(lab):
    director = master(lab, V2)
    forger = lab.forger("n2")
    good = pdu(VRID, 250, [VIP], password="secret12")

    def forged(message=good, **options):
        return packet(message, ATTACKER, **options)

    def of(**options):
        return pdu(VRID, 250, options.pop("addresses", [VIP]), password="secret12", **options)

    cases = {
        "ttl": [forged(ttl=254), forged(ttl=1)],
        "destination": [forged(destination="224.0.0.19"), forged(destination="10.10.0.1")],
        "version": [forged(of(version=3, interval=100)), *(forged(bytes([version << 4 | 1]) + good[1:])
                                                            for version in (0, 1, *range(4, 16)))],
        "type": [forged(of(kind=kind)) for kind in (0, *range(2, 16))],
        "length": [forged(of(count=255)), forged(of(count=0)), forged(good + b"\0" * 8), forged(good[:16])],
        "checksum": [forged(seal=False)],
        "authentication": [forged(pdu(VRID, 250, [VIP], password="secret13")), forged(pdu(VRID, 250, [VIP])),
                           forged(pdu(VRID, 250, [VIP], password="secret"))],
        "interval": [forged(of(interval=2)), forged(of(interval=255))],
        "address_count": [forged(of(addresses=[]))],
    }
    # One of another group never reaches a socket that has not joined it.
    cases["destination"] = cases["destination"][1:]
    before = director.status()["vrrp"][0]["transitions"]
    for forgeries in cases.values():
        for forgery in forgeries:
            mac = lab.n1.mac() if forgery["IP"].dst == "10.10.0.1" else None
            forger.send(forgery, mac=mac)
    expected = {reason: len(forgeries) for reason, forgeries in cases.items()}

    try:
        wait_until(lambda: refused(director) == expected, 5, "every forgery is counted")
    except LabError:
        assert refused(director) == expected
    status = director.status()["vrrp"][0]
    assert status["state"] == "MASTER" and status["transitions"] == before


def test_rule_53_130_refusals_are_logged_once_in_ten_seconds_and_shown(lab):
    director = master(lab, V2)
    forger = lab.forger("n2")
    forger.send(packet(pdu(VRID, 250, [VIP], password="wrong"), ATTACKER), times=200)
    wait_until(lambda: refused(director).get("authentication") == 200, 5, "they are counted")
    assert director.log_text().count("refused an advertisement") == 1
    assert "advertisements refused: authentication 200" in director.ctl("show", "vrrp")


def test_rule_47_48_58_125_a_forged_interval_of_40_seconds_does_not_leave_the_address_without_an_owner(lab):
    director = master(lab, V3)
    forger = lab.forger("n2")
    forger.send(packet(pdu(VRID, 254, [VIP], version=3, interval=4095), ATTACKER))
    wait_until(lambda: not holds(lab.n1), 2, "the forgery is believed, as nothing proves it is one")
    since = time.monotonic()
    wait_until(lambda: holds(lab.n1), 4 * (3 * 0.4 + 0.1) + 1, "the address is owned again")
    assert time.monotonic() - since < 4 * (3 * 0.1 + 0.1) + 1.5
    assert alarms(director)["long_interval"] == 1
    assert alarms(director)["foreign_master"] == 1


def test_rule_126_forged_farewells_cause_no_storm(lab):
    n1 = lab.director("n1", V3.vrrp("n1"))
    n2 = lab.director("n2", V3.vrrp("n2"))
    n1.wait_vrrp("MASTER")
    n2.wait_master_heard()
    forger = lab.forger("router")
    before = n2.status()["vrrp"][0]["transitions"]
    seconds = 3
    for _ in range(seconds * 10):
        forger.send(packet(pdu(VRID, 0, [VIP], version=3, interval=10), "10.10.0.1"))
        time.sleep(0.1)
    wait_until(lambda: holds(lab.n1) and not holds(lab.n2), 5, "the master is master")
    assert n1.status()["vrrp"][0]["transitions"] <= 1
    # The first costs the skew; then it is known that the master speaks on.
    assert n2.status()["vrrp"][0]["transitions"] - before <= 2


def test_rule_124_a_forged_master_is_an_alarm_and_is_gone_when_it_falls_silent(lab):
    director = master(lab, V3)
    forger = lab.forger("n2")
    for _ in range(5):
        forger.send(packet(pdu(VRID, 255, [VIP], version=3, interval=10), ATTACKER))
        time.sleep(0.05)
    wait_until(lambda: alarms(director).get("foreign_master"), 5, "it is an alarm")
    director.wait_vrrp("MASTER", 5)
    assert director.status()["vrrp"][0]["transitions"] >= 3  # to MASTER, to BACKUP, to MASTER


def test_rule_54_133_a_duplicate_of_us_is_an_alarm_and_changes_nothing(lab):
    """IPv4 from an address of this very host never comes past the kernel; IPv6 does."""
    add_ipv6(lab)
    n1 = lab.director("n1", V3.vrrp("n1") + ipv6_config("n1", 200).replace(f"router_id {VRID}", "router_id 66"))
    wait_until(lambda: [vrrp["state"] for vrrp in n1.status()["vrrp"]] == ["MASTER"] * 2, 10, "both are MASTER")
    before = [vrrp["transitions"] for vrrp in n1.status()["vrrp"]]
    forger = lab.forger("n2")
    for priority in (0, 200, 254):
        forger.send(packet(pdu(VRID, priority, [VIP], version=3, interval=10), "10.10.0.1"))
        message = pdu(66, priority, ["fe80::3", VIP6], version=3, interval=10)
        forger.send(packet(message, link_local(lab.n1)))
    wait_until(lambda: n1.status()["vrrp"][1]["alarms"] == [{"reason": "duplicate", "count": 3}], 5, "each is counted")
    assert [vrrp["transitions"] for vrrp in n1.status()["vrrp"]] == before


def test_rule_36_59_132_a_flood_of_random_virtual_routers_costs_next_to_nothing(lab):
    director = master(lab, V3)
    forger = lab.forger("n2")
    frames = []
    for vrid in range(1, 256):
        if vrid != VRID:
            ip = packet(pdu(vrid, 254, [VIP], version=3, interval=1), ATTACKER)
            frames.append(b"\x01\x00\x5e\x00\x00\x12" + b"\x02\x00\x00\x00\x00\x66" + b"\x08\x00" + bytes(ip))
    before = director.status()["vrrp"][0]
    rounds = 200
    for _ in range(rounds):
        forger.send_raw(frames)
    wait_until(lambda: director.status()["vrrp"][0]["adverts_sent"] >= before["adverts_sent"] + 10, 10, "it speaks on")
    after = director.status()["vrrp"][0]
    assert after["state"] == "MASTER" and after["transitions"] == before["transitions"]
    assert after["adverts_received"] == before["adverts_received"]
    assert after["adverts_refused"] == []


def unicast(name, extra="", version=3):
    own, other = ("10.10.0.1", "10.10.0.2") if name == "n1" else ("10.10.0.2", "10.10.0.1")
    return PairConfig(version=version, advert_int="0.1" if version == 3 else "1", vrrp_extra=f"""
    unicast_src_ip {own}
    unicast_peer {{
        {other} {extra}
    }}""").vrrp(name)


def test_rule_34_55_56_129_unicast_heeds_its_peers_alone(lab):
    n1 = lab.director("n1", unicast("n1"))
    n2 = lab.director("n2", unicast("n2"))
    n1.wait_vrrp("MASTER")
    wait_until(lambda: n2.status()["vrrp"][0]["master_address"] == "10.10.0.1", 5, "n2 hears n1")
    before = n1.status()["vrrp"][0]["transitions"]
    message = pdu(VRID, 254, [VIP], version=3, interval=10)
    forger = lab.forger("router")
    mac = lab.n1.mac()
    forger.send(packet(message, ATTACKER, "10.10.0.1"), mac=mac)
    forger.send(packet(message, "10.10.0.2", "10.10.0.1", ttl=254), mac=mac)
    forger.send(packet(message, "10.10.0.2", "10.10.0.1", ttl=64), mac=mac)
    wait_until(lambda: refused(n1).get("peer") == 1 and refused(n1).get("ttl") == 2, 5, "all are counted")
    status = n1.status()["vrrp"][0]
    assert status["state"] == "MASTER" and status["transitions"] == before
    assert status["mode"] == "unicast" and status["peers"] == ["10.10.0.2"]
    assert "VI_1: peers: 10.10.0.2" in n1.ctl("show", "vrrp")
    n1.kill()
    lab.n1.ip("addr", "del", f"{VIP}/24", "dev", "eth0")
    n2.wait_vrrp("MASTER")


def test_rule_38_a_peer_may_be_allowed_a_lower_ttl(lab):
    n1 = lab.director("n1", unicast("n1", "min_ttl 60"))
    n1.wait_vrrp("MASTER")
    forger = lab.forger("n2")
    message = pdu(VRID, 254, [VIP], version=3, interval=10)
    forger.send(packet(message, "10.10.0.2", "10.10.0.1", ttl=59), mac=lab.n1.mac())
    wait_until(lambda: refused(n1).get("ttl") == 1, 5, "59 is refused")
    assert n1.vrrp_state() == "MASTER"
    forger.send(packet(message, "10.10.0.2", "10.10.0.1", ttl=60), mac=lab.n1.mac())
    wait_until(lambda: n1.status()["vrrp"][0]["adverts_received"] == 1, 5, "60 is heeded")


def hmac(mode="enforce", key=KEY):
    return PairConfig(version=3, advert_int="0.1", vrrp_extra=f"""
    auth_hmac {{
        key 1 {key}
        mode {mode}
    }}""")


def test_rule_57_118_124_127_with_an_hmac_nobody_else_is_heeded(lab):
    n1 = lab.director("n1", hmac().vrrp("n1"))
    n2 = lab.director("n2", hmac().vrrp("n2"))
    n1.wait_vrrp("MASTER")
    wait_until(lambda: n2.status()["vrrp"][0]["master_address"] == "10.10.0.1", 5, "n2 hears n1")
    before = n2.status()["vrrp"][0]["transitions"]
    frame, message = lab.listener("router").next()
    assert len(message) == 12 + 28
    forger = lab.forger("router")
    forger.send(packet(pdu(VRID, 255, [VIP], version=3, interval=10), ATTACKER))
    forger.send(packet(pdu(VRID, 0, [VIP], version=3, interval=10), "10.10.0.1"))
    forger.send(packet(pdu(VRID, 255, [VIP], version=3, interval=10) + b"\1" * 28, ATTACKER))
    wait_until(lambda: refused(n2).get("hmac_missing", 0) >= 2, 5, "without a trailer")
    captured = bytes(frame)
    heard = n2.status()["vrrp"][0]["adverts_received"]
    wait_until(lambda: n2.status()["vrrp"][0]["adverts_received"] > heard + 5, 5, "younger ones were heard")
    forger.send_raw([captured])
    wait_until(lambda: refused(n2).get("hmac_replay") == 1, 5, "the replay is counted")
    for director, state in ((n1, "MASTER"), (n2, "BACKUP")):
        assert director.vrrp_state() == state
    assert n2.status()["vrrp"][0]["transitions"] == before


def test_rule_119_keys_are_rotated_by_reloads_without_a_flap(lab):
    new = "hex:" + "ab" * 32

    def both(active):
        return PairConfig(version=3, advert_int="0.1", vrrp_extra=f"""
    auth_hmac {{
        key 1 {KEY}
        key 2 {new}
        active_key {active}
    }}""")

    directors = [lab.director(name, hmac().vrrp(name)) for name in ("n1", "n2")]
    directors[0].wait_vrrp("MASTER")
    wait_until(lambda: directors[1].status()["vrrp"][0]["master_address"], 5, "n2 hears n1")
    before = [director.status()["vrrp"][0]["transitions"] for director in directors]
    for active in (1, 2):
        for director in directors:
            director.config.write_text(both(active).vrrp(director.name))
            director.ctl("reload")
    heard = directors[1].status()["vrrp"][0]["adverts_received"]
    wait_until(lambda: directors[1].status()["vrrp"][0]["adverts_received"] > heard + 5, 5, "n2 hears the new key")
    assert [director.status()["vrrp"][0]["transitions"] for director in directors] == before


def test_rule_67_advertisements_sent_late_are_counted(lab):
    config = PairConfig(version=3, advert_int="1")
    director = master(lab, config)
    assert director.status()["vrrp"][0]["adverts_late"] == 0
    director.signal(signal.SIGSTOP)
    time.sleep(2)  # less than its backups would wait
    director.signal(signal.SIGCONT)
    wait_until(lambda: director.status()["vrrp"][0]["adverts_late"] == 1, 5, "it is counted")
    assert director.vrrp_state() == "MASTER"


def test_rule_72_76_a_backup_neither_answers_for_the_address_nor_accepts_packets_to_it(lab):
    n1 = lab.director("n1", V3.vrrp("n1"))
    n2 = lab.director("n2", V3.vrrp("n2"))
    n1.wait_vrrp("MASTER")
    wait_until(lambda: n2.status()["vrrp"][0]["master_address"] == "10.10.0.1", 5, "n2 hears n1")
    assert answers(lab, lab.n1, VIP)
    assert not answers(lab, lab.n2, VIP)
    assert not holds(lab.n2)


def test_rule_68_69_103_a_stopped_director_listens_before_it_speaks(lab):
    n1 = lab.director("n1", V3.vrrp("n1"))
    n2 = lab.director("n2", V3.vrrp("n2"))
    n1.wait_vrrp("MASTER")
    n2.wait_master_heard()
    n1.signal(signal.SIGSTOP)
    n2.wait_vrrp("MASTER")
    time.sleep(1)  # longer than any backup would have waited
    n1.signal(signal.SIGCONT)
    wait_until(lambda: holds(lab.n1) and not holds(lab.n2), 10, "n1 preempts again")
    assert "MASTER -> BACKUP" in n1.log_text()


def ipv6_config(name, priority, extra=""):
    return f"""
vrrp_instance VI_6 {{
    interface eth0
    virtual_router_id {VRID}
    priority {priority}
    advert_int 0.1
    {extra}
    virtual_ipaddress {{
        {VIP6}/64
        fe80::3/64
    }}
}}
"""


def test_rule_2_4_5_7_19_29_ipv6_is_spoken_from_the_link_local_address(lab):
    add_ipv6(lab)
    listener = lab.listener("n2")
    n1 = lab.director("n1", ipv6_config("n1", 200))
    frame, message = listener.next()
    assert frame.dst == "33:33:00:00:00:12"
    assert frame["IPv6"].dst == GROUP6 and frame["IPv6"].src == link_local(lab.n1)
    assert frame["IPv6"].hlim == 255 and frame["IPv6"].nh == 112
    assert message[0] == 0x31 and message[3] == 2
    assert message[8:10] == b"\xfe\x80"
    n1.wait_vrrp("MASTER")
    forger = lab.forger("n2")
    bad = pdu(VRID, 254, ["fe80::3", VIP6], version=3, interval=10)
    forger.send(packet(bad, "fe80::66", ttl=254))
    forger.send(packet(bad, "fe80::66", pseudo=False))
    wait_until(lambda: refused(n1) == {"ttl": 1, "checksum": 1}, 5, "both are refused")
    assert n1.vrrp_state() == "MASTER"
    before = n1.status()["vrrp"][0]["transitions"]
    forger.send(packet(bad, "fe80::66"))
    wait_until(lambda: n1.status()["vrrp"][0]["transitions"] == before + 2, 5, "it yields and takes over again")
    assert n1.vrrp_state() == "MASTER"
    status = n1.status()["vrrp"][0]
    assert status["family"] == "IPv6" and status["version"] == 3


def test_rule_102_two_ipv6_directors_elect_one(lab):
    add_ipv6(lab)
    n1 = lab.director("n1", ipv6_config("n1", 200))
    n2 = lab.director("n2", ipv6_config("n2", 100))
    n1.wait_vrrp("MASTER")
    wait_until(lambda: n2.status()["vrrp"][0]["master_address"] == link_local(lab.n1), 5, "n2 hears n1")
    assert n2.vrrp_state() == "BACKUP"
    n1.signal(signal.SIGTERM)
    n2.wait_vrrp("MASTER")
    n1.wait_end()
    n1.start()
    n1.wait_vrrp("MASTER")
    n2.wait_vrrp("BACKUP")
