"""What is said about addresses on the link, and what is not accepted for them."""

import socket
import struct
import time

from lab import VIP, Capture, PairConfig, wait_until

ARP = 0x0806
IPV6 = 0x86dd


def instance(words="", addresses=f"{VIP}/24", excluded=""):
    block = f"virtual_ipaddress_excluded {{\n {excluded}\n }}" if excluded else ""
    return f"""
vrrp_instance VI_1 {{
    state BACKUP
    interface eth0
    virtual_router_id 10
    version 3
    priority 200
    advert_int 0.1
    {words}
    virtual_ipaddress {{
        {addresses}
    }}
    {block}
}}
"""


def gratuitous(frame, address=VIP):
    wanted = socket.inet_aton(address)
    return frame.ether_type == ARP and not frame.leaving and frame.raw[28:32] == wanted == frame.raw[38:42]


def unsolicited(frame, address):
    return (frame.ether_type == IPV6 and not frame.leaving and frame.raw[20] == 58 and frame.raw[54] == 136
            and frame.raw[62:78] == socket.inet_pton(socket.AF_INET6, address))


def test_rule_105_and_108_two_blocks_of_as_many_announcements_as_configured(lab):
    with Capture(lab.switch, lab.n1) as capture:
        lab.director("n1", instance("garp_master_repeat 3\n garp_master_delay 1")).wait_vrrp("MASTER")
        wait_until(lambda: len(capture.frames(gratuitous)) >= 6, 5, "the second block")
    frames = capture.frames(gratuitous)
    assert len(frames) == 6 and frames[3].at - frames[2].at > 0.5
    for frame in frames:
        assert frame.raw[0:6] == frame.raw[32:38] == b"\xff" * 6
        assert frame.source_mac == frame.raw[22:28].hex(":") == lab.n1.mac()


def test_announcements_are_spaced_and_repeated_while_master(lab):
    words = "garp_master_repeat 2\n garp_master_delay 0\n garp_master_refresh 1\n garp_master_refresh_repeat 2"
    with Capture(lab.switch, lab.n1) as capture:
        lab.director("n1", "global_defs {\n vrrp_garp_interval 0.1\n}\n" + instance(words)).wait_vrrp("MASTER")
        wait_until(lambda: len(capture.frames(gratuitous)) >= 6, 10, "two refreshes")
    at = [frame.at for frame in capture.frames(gratuitous)]
    assert all(later - earlier > 0.05 for earlier, later in zip(at, at[1:]))


def test_rule_78_ipv6_addresses_are_announced_by_unsolicited_advertisements(lab):
    for name in ("all", "default", "eth0"):
        lab.n1.sysctl(f"net.ipv6.conf.{name}.disable_ipv6", 0)
    with Capture(lab.switch, lab.n1) as capture:
        lab.director("n1", instance(excluded="2001:db8:10::3/64")).wait_vrrp("MASTER")
        capture.wait_for(lambda frame: unsolicited(frame, "2001:db8:10::3"), 5, "the advertisement")
    frame = capture.frames(lambda frame: unsolicited(frame, "2001:db8:10::3"))[0]
    assert frame.raw[0:6].hex() == "333300000001" and frame.raw[21] == 255
    assert frame.raw[58] == 0xa0  # router, not solicited, override
    assert frame.raw[80:86].hex(":") == lab.n1.mac()
    # Rule 113: no duplicate address detection, or the address would be tentative now.
    entry = next(entry for link in lab.n1.ip_json("-6", "addr", "show", "dev", "eth0") for entry in link["addr_info"]
                 if entry["local"] == "2001:db8:10::3")
    assert entry.get("nodad") and not entry.get("tentative")


def claim(host, address):
    """A gratuitous ARP of another machine for that address."""
    mac = bytes.fromhex("020000000099")
    frame = (b"\xff" * 6 + mac + struct.pack("!HHHBBH", ARP, 1, 0x0800, 6, 4, 1) + mac + socket.inet_aton(address)
             + bytes(6) + socket.inet_aton(address))
    raw = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.bind(("eth0", ARP))
    raw.send(frame)
    raw.close()


def test_rule_134_a_foreign_claim_of_the_address_is_answered_and_counted(lab):
    director = lab.director("n1", instance("garp_master_repeat 1\n garp_master_delay 0"))
    director.wait_vrrp("MASTER")
    with Capture(lab.switch, lab.n1) as capture:
        claim(lab.router, VIP)
        capture.wait_for(gratuitous, 5, "the address is announced again")
        for _ in range(50):
            claim(lab.router, VIP)
            time.sleep(0.002)
    assert len(capture.frames(gratuitous)) <= 3  # not one for each
    assert director.vrrp_state() == "MASTER"
    alarms = {alarm["reason"]: alarm["count"] for alarm in director.status()["vrrp"][0]["alarms"]}
    assert alarms["vip_conflict"] >= 1
    assert "02:00:00:00:00:99" in director.log_text()


def test_an_interface_made_anew_is_fault_until_it_appears(lab):
    director = lab.director("n1", instance().replace("interface eth0", "interface dum0"))
    wait_until(lambda: director.vrrp_state() == "FAULT", 5, "the interface does not exist")
    for name in ("a", "b"):
        lab.n1.ip("link", "add", "dum0", "up", "type", "veth", "peer", "name", f"far{name}")
        lab.n1.ip("link", "set", "dev", f"far{name}", "up")
        lab.n1.ip("addr", "add", "10.99.0.1/24", "dev", "dum0")
        director.wait_vrrp("MASTER")
        assert f"{VIP}/24" in lab.n1.addresses("dum0")
        lab.n1.ip("link", "set", "dev", "dum0", "down")
        lab.n1.ip("link", "set", "dev", "dum0", "name", f"x{name}")
        wait_until(lambda: director.vrrp_state() == "FAULT", 5, "the interface has another name")


def test_rule_91_no_accept_leaves_the_virtual_servers_and_nothing_else(lab):
    config = PairConfig(version=3, advert_int="0.1", vrrp_extra="no_accept")
    lab.web("n1")
    lab.web("n2")
    lab.web("n1", port=81)
    lab.pair(config)
    assert lab.client.wait_served("10.20.1.1") in ("n1", "n2")

    def reaches(port):
        client = lab.topology.client.socket()
        client.settimeout(1)
        try:
            client.connect((VIP, port))
            return True
        except OSError:
            return False
        finally:
            client.close()

    assert reaches(80) and not reaches(81)
    assert lab.router.run("ping", "-c", "1", "-W", "1", VIP, check=False).returncode != 0
    assert lab.router.run("ping", "-c", "1", "-W", "1", "10.10.0.1", check=False).returncode == 0
