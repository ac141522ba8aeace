"""What virtual routers need of their host: no ICMP redirects past them, links that may be down for a while, no strangers
on the link unknown, and somebody who balances."""

import dataclasses
import subprocess
import time

import pytest

from lab import VIP, Capture, PairConfig, wait_until
from lab.process import run
from lab.topology import pass_object

V3 = PairConfig(version=3, advert_int="0.1")
V3_SLOW = PairConfig(version=3, advert_int="1")
REDIRECTS = ("all", "default", "eth0", "lo")


def redirects(host):
    return {name: host.run("cat", f"/proc/sys/net/ipv4/conf/{name}/send_redirects").strip() for name in REDIRECTS}


def vrrp(director):
    return director.status()["vrrp"][0]


def provoke_redirect(lab):
    """The router sends what is for n2 by way of n1, although n2 is on the same link; whether n1 says so."""
    lab.router.sysctl("net.ipv4.conf.all.accept_redirects", 0)
    lab.router.sysctl("net.ipv4.conf.eth0.accept_redirects", 0)
    lab.n2.ip("addr", "replace", "10.77.0.2/32", "dev", "lo")
    lab.n1.ip("route", "replace", "10.77.0.2/32", "via", "10.10.0.2")
    lab.router.ip("route", "replace", "10.77.0.2/32", "via", "10.10.0.1")

    def is_redirect(frame):
        return frame.is_ipv4 and not frame.leaving and frame.protocol == 1 and frame.raw[34] == 5

    with Capture(lab.switch, lab.n1) as capture:
        answered = lab.router.run("ping", "-c", "2", "-i", "0.2", "-W", "2", "10.77.0.2")
    assert " 0% packet loss" in answered
    return bool(capture.frames(is_redirect))


def test_rule_114_nobody_is_redirected_past_a_virtual_router(lab):
    before = redirects(lab.n1)
    assert before["all"] == before["eth0"] == "1"
    assert provoke_redirect(lab)
    director = lab.director("n1", V3.vrrp("n1"))
    director.wait_vrrp("MASTER")
    assert redirects(lab.n1) == before | {"all": "0", "eth0": "0"}
    assert not provoke_redirect(lab)
    assert director.stop() == 0
    assert redirects(lab.n1) == before
    assert provoke_redirect(lab)


@pytest.mark.parametrize("end", ["next start", "purge"])
def test_rule_114_the_setting_outlives_a_kill_and_is_put_back_after_all(lab, end):
    lab.n1.sysctl("net.ipv4.conf.lo.send_redirects", 0)
    before = redirects(lab.n1)
    director = lab.director("n1", V3.vrrp("n1"))
    director.wait_vrrp("MASTER")
    director.kill()
    # What the setting for all no longer says each interface says for itself.
    assert redirects(lab.n1) == {"all": "0", "default": "1", "eth0": "0", "lo": "1"}
    if end == "purge":
        director.purge()
    else:
        director.start()
        assert redirects(lab.n1)["eth0"] == "0"
        assert director.stop() == 0
    assert redirects(lab.n1) == before


def test_rule_114_a_reload_without_virtual_routers_puts_the_setting_back(lab):
    before = redirects(lab.n1)
    director = lab.director("n1", "xlb {\n interfaces eth0\n}\n" + V3.vrrp("n1") + V3.services())
    director.wait_vrrp("MASTER")
    assert redirects(lab.n1)["eth0"] == "0"
    director.config.write_text("xlb {\n interfaces eth0\n}\n" + V3.services())
    director.ctl("reload")
    assert redirects(lab.n1) == before


def operstate(host):
    return host.ip_json("link", "show", "dev", "eth0")[0]["operstate"]


def delays(text, config=V3_SLOW, name="n1"):
    return f"interface_up_down_delays {{\n    {text}\n}}\n" + config.vrrp(name)


def test_a_link_that_is_down_for_less_than_its_delay_changes_nothing(lab):
    director = lab.director("n1", delays("eth0 1.9 0.5"))
    director.wait_vrrp("MASTER")
    before = vrrp(director)["transitions"]
    lab.n1.cut_link()
    wait_until(lambda: operstate(lab.n1) != "UP", 5, "the kernel says that the link is down")
    lab.n1.mend_link()
    wait_until(lambda: operstate(lab.n1) == "UP", 5, "the link is up")
    time.sleep(2)
    assert vrrp(director)["transitions"] == before and vrrp(director)["state"] == "MASTER"
    assert f"{VIP}/24" in lab.n1.addresses()


def test_a_link_that_stays_down_counts_after_its_delay_and_so_does_one_that_is_back(lab):
    director = lab.director("n1", delays("eth0 0.7 1.5"))
    director.wait_vrrp("MASTER")
    lab.n1.cut_link()
    cut = time.monotonic()
    wait_until(lambda: vrrp(director)["state"] == "FAULT", 5, "it is in FAULT")
    assert time.monotonic() - cut >= 0.65
    assert vrrp(director)["reason"] == "interface eth0 is down"
    lab.n1.mend_link()
    mended = time.monotonic()
    wait_until(lambda: vrrp(director)["state"] != "FAULT", 8, "it has left FAULT")
    assert time.monotonic() - mended >= 1.45
    director.wait_vrrp("MASTER")


def test_a_tracked_link_has_its_delay_too_and_others_have_none(lab):
    lab.n1.ip("link", "add", "name", "up0", "up", "type", "veth", "peer", "name", "up1")
    lab.n1.ip("link", "set", "dev", "up1", "up")
    config = dataclasses.replace(V3, vrrp_extra="track_interface {\n        up0 weight -50\n    }")
    director = lab.director("n1", delays("up0 1", config))
    director.wait_vrrp("MASTER")
    lab.n1.ip("link", "set", "dev", "up1", "down")
    down = time.monotonic()
    wait_until(lambda: vrrp(director)["effective_priority"] == 150, 5, "the weight counts")
    assert time.monotonic() - down >= 0.95
    lab.n1.ip("link", "set", "dev", "up1", "up")
    wait_until(lambda: vrrp(director)["effective_priority"] == 200, 5, "it counts no more")
    lab.n1.cut_link()
    wait_until(lambda: vrrp(director)["state"] == "FAULT", 5, "its own link has no delay")


def test_a_macvlan_has_the_delay_of_the_link_below_it(lab):
    director = lab.director("n1", delays("eth0 1.9", dataclasses.replace(V3_SLOW, vrrp_extra="use_vmac")))
    director.wait_vrrp("MASTER")
    before = vrrp(director)["transitions"]
    lab.n1.cut_link()
    wait_until(lambda: operstate(lab.n1) != "UP", 5, "the kernel says that the link is down")
    assert vrrp(director)["state"] == "MASTER"
    lab.n1.mend_link()
    wait_until(lambda: operstate(lab.n1) == "UP", 5, "the link is up")
    time.sleep(2)
    assert vrrp(director)["transitions"] == before
    lab.n1.cut_link()
    wait_until(lambda: vrrp(director)["state"] == "FAULT", 5, "it counts")


def test_virtual_routers_that_are_not_configured_are_logged_when_asked_for(lab):
    lab.director("n2", V3.vrrp("n2").replace("virtual_router_id 10", "virtual_router_id 77").replace(VIP, "10.10.0.77"))
    quiet = lab.director("n1", V3.vrrp("n1"))
    quiet.wait_vrrp("MASTER")
    time.sleep(1.5)
    assert "not configured here" not in quiet.log_text()
    quiet.config.write_text("global_defs {\n    log_unknown_vrids\n}\n" + V3.vrrp("n1"))
    quiet.ctl("reload")
    wait_until(lambda: "eth0: virtual routers that are not configured here are advertised: 77 by 10.10.0.2\n"
               in quiet.log_text(), 5, "it is logged")
    time.sleep(1.5)
    assert quiet.log_text().count("not configured here") == 1, "not with each advertisement"
    assert vrrp(quiet)["adverts_refused"] == []


def occupy(host, director):
    """Takes XDP from a director and keeps it from being put back."""
    pin = director.run_dir / "bpf" / "link_eth0"
    for _ in range(50):
        shown = run(["bpftool", "link", "show", "pinned", str(pin)], check=False).stdout
        if shown:
            run(["bpftool", "link", "detach", "id", shown.split(":")[0]], check=False)
        host.ip("link", "set", "dev", "eth0", "xdpdrv", "obj", str(pass_object()), "sec", "xdp.frags", check=False)
        name = host.ip_json("link", "show", "dev", "eth0")[0].get("xdp", {}).get("prog", {}).get("name", "")
        if name and "xlb" not in name:
            return
    pytest.fail("the daemon was quicker each time")


def test_rule_123_a_master_whose_xdp_is_taken_away_leaves_to_one_that_balances(lab):
    lab.web("n1")
    lab.web("n2")
    config = dataclasses.replace(V3, xlb="attach_mode native")
    master, standby = lab.pair(config)
    occupy(lab.n1, master)
    standby.wait_vrrp("MASTER", 10)
    master.wait_vrrp("FAULT")
    reason = vrrp(master)["reason"]
    assert reason.startswith(f"virtual server TCP {VIP}:80 is not balanced: cannot attach XDP to eth0")
    assert reason in master.ctl("show", "vrrp")
    assert master.get("/readyz")[0] == 503
    assert lab.client.wait_served("10.20.1.1")
    lab.n1.ip("link", "set", "dev", "eth0", "xdpdrv", "off")
    master.wait_vrrp("MASTER", 10)
    standby.wait_vrrp("BACKUP")
    assert lab.n1.xdp_mode() == "native"


def test_rule_123_a_virtual_router_without_virtual_servers_stays_master(lab):
    other = V3.vrrp("n1").replace("VI_1", "VI_2").replace("_id 10", "_id 11").replace(VIP, "10.10.0.9")
    config = dataclasses.replace(V3, xlb="attach_mode native")
    director = lab.director("n1", config.text("n1") + other)
    wait_until(lambda: [one["state"] for one in director.status()["vrrp"]] == ["MASTER"] * 2, 10, "both are MASTER")
    occupy(lab.n1, director)
    wait_until(lambda: vrrp(director)["state"] == "FAULT", 10, "the one with a virtual server is in FAULT")
    assert director.status()["vrrp"][1]["state"] == "MASTER"


def test_rule_123_xdp_that_is_soon_put_back_moves_nothing(lab):
    director = lab.director("n1", dataclasses.replace(V3, xlb="attach_mode native").text("n1"))
    director.wait_vrrp("MASTER")
    before = vrrp(director)["transitions"]
    run(["bpftool", "link", "detach", "id", str(director.xdp_link()[0])])
    wait_until(lambda: lab.n1.xdp_mode() == "native", 3, "it is attached again")
    time.sleep(2.5)
    assert vrrp(director)["transitions"] == before


class OwnedTable:
    """Somebody who makes the table his own: the kernel lets nobody else change it until he ends."""

    def __init__(self, host):
        self._process = subprocess.Popen(host.command("nft", "-i"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, text=True)
        self._process.stdin.write("delete table ip xlb; add table ip xlb { flags owner; }\n")
        self._process.stdin.flush()

    def end(self):
        self._process.stdin.close()
        self._process.wait(10)


@pytest.mark.parametrize("why", ["attach_mode none", "lb_kind NAT"])
def test_rule_123_a_master_whose_nat_table_cannot_be_put_back_is_in_fault(lab, why):
    config = dataclasses.replace(V3, xlb="attach_mode none" if why == "attach_mode none" else "attach_mode native")
    text = config.text("n1")
    director = lab.director("n1", text.replace("lb_kind DR", why) if why == "lb_kind NAT" else text)
    director.wait_vrrp("MASTER")
    owned = OwnedTable(lab.n1)
    try:
        director.wait_vrrp("FAULT", 10)
        assert f"virtual server TCP {VIP}:80 is not balanced: " in vrrp(director)["reason"]
    finally:
        owned.end()
    director.wait_vrrp("MASTER", 10)
    assert "prerouting" in lab.n1.run("nft", "list", "table", "ip", "xlb")
