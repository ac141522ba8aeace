"""keepalived 2.2.7 and FRR 8.4 as the other director, in every form they share with xlbd: version 2 and 3, IPv4 and IPv6, by
multicast, to named peers (keepalived), and with a virtual MAC address. In each, xlbd is master and hands over, and is
backup and takes over. What test_keepalived.py times is not repeated here."""

import dataclasses
import signal
import time

import pytest

from lab import ADDRESSES6, VIP, VIP6, add_ipv6, wait_until

VRID = 10
ADDRESSES4 = {"n1": "10.10.0.1", "n2": "10.10.0.2"}
OTHER = {"n1": "n2", "n2": "n1"}
LINK_LOCAL_VIP = "fe80::5e:100"


@dataclasses.dataclass
class Form:
    """One way to speak VRRP."""

    version: int = 3
    v6: bool = False
    unicast: bool = False
    extra: str = ""

    @property
    def interval(self):
        return 0.1 if self.version == 3 else 1

    @property
    def vip(self):
        return f"{VIP6}/64" if self.v6 else f"{VIP}/24"

    def text(self, name, priority):
        own = ADDRESSES6 if self.v6 else ADDRESSES4
        peers = f"unicast_src_ip {own[name]}\n    unicast_peer {{\n        {own[OTHER[name]]}\n    }}"
        peers = peers if self.unicast else ""
        # keepalived wants the link-local address first.
        addresses = [f"{LINK_LOCAL_VIP}/64", self.vip] if self.v6 else [self.vip]
        return (f"vrrp_instance VI_1 {{\n    interface eth0\n    virtual_router_id {VRID}\n    version {self.version}\n"
                f"    priority {priority}\n    advert_int {self.interval}\n    {peers}\n    {self.extra}\n"
                "    virtual_ipaddress {\n" + "".join(f"        {address}\n" for address in addresses) + "    }\n}\n")

    def prepare(self, lab):
        if not self.v6:
            return
        add_ipv6(lab)
        for host in (lab.n1, lab.n2):
            wait_until(lambda host=host: link_local(host), 5, "a link-local address")

    def holds(self, host):
        """Whether the host has the virtual address, on whichever interface."""
        return any(f"{entry.get('local')}/{entry.get('prefixlen')}" == self.vip
                   for link in host.ip_json("addr", "show") for entry in link.get("addr_info", []))

    def listen(self):
        """Longer than a backup waits for a master that it does not hear."""
        time.sleep(4 * self.interval + 0.2)


def link_local(host):
    # `ip` leaves an empty entry for each that it filters out.
    return [entry["local"] for link in host.ip_json("-6", "addr", "show", "dev", "eth0", "scope", "link")
            for entry in link.get("addr_info", []) if "local" in entry and not entry.get("tentative")]


FORMS = {
    "v2 IPv4 multicast": Form(version=2),
    "v2 IPv4 unicast": Form(version=2, unicast=True),
    "v3 IPv4 multicast": Form(),
    "v3 IPv4 unicast": Form(unicast=True),
    "v3 IPv4 use_vmac": Form(extra="use_vmac"),
    "v3 IPv6 multicast": Form(v6=True),
    "v3 IPv6 unicast": Form(v6=True, unicast=True),
    "v3 IPv6 use_vmac": Form(v6=True, extra="use_vmac"),
}
WITH_KEEPALIVED = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
WITH_FRR = pytest.mark.parametrize("form", [Form(version=2), Form(), Form(v6=True)],
                                   ids=["v2 IPv4", "v3 IPv4", "v3 IPv6"])


def assert_undisturbed(director):
    """Nothing of what the other director said was refused or strange. A preemption is a second master for a moment."""
    vrrp = director.status()["vrrp"][0]
    assert vrrp["adverts_refused"] == []
    assert {alarm["reason"] for alarm in vrrp["alarms"]} <= {"foreign_master"}


@WITH_KEEPALIVED
def test_keepalived_as_backup_takes_over_and_gives_back(lab, form):
    form.prepare(lab)
    director = lab.director("n1", form.text("n1", 200))
    director.wait_vrrp("MASTER")
    keepalived = lab.keepalived("n2", form.text("n2", 100))
    wait_until(lambda: "BACKUP STATE" in keepalived.log_text(), 10, "keepalived is backup")
    form.listen()
    assert "MASTER STATE" not in keepalived.log_text(), "it hears xlbd"
    director.signal(signal.SIGTERM)
    wait_until(lambda: form.holds(lab.n2), 10, "keepalived owns the address")
    director.wait_end()
    assert not form.holds(lab.n1)
    director.start()
    director.wait_vrrp("MASTER")
    wait_until(lambda: not form.holds(lab.n2), 10, "keepalived gave it up")
    assert form.holds(lab.n1)
    assert_undisturbed(director)


@WITH_KEEPALIVED
def test_keepalived_as_master_is_followed_and_replaced(lab, form):
    form.prepare(lab)
    keepalived = lab.keepalived("n2", form.text("n2", 200))
    wait_until(lambda: form.holds(lab.n2), 15, "keepalived owns the address")
    director = lab.director("n1", form.text("n1", 100))
    director.wait_master_heard()
    form.listen()
    assert director.vrrp_state() == "BACKUP" and not form.holds(lab.n1)
    keepalived.signal(signal.SIGTERM)
    director.wait_vrrp("MASTER")
    keepalived.wait_end()
    keepalived.start()
    wait_until(lambda: form.holds(lab.n2) and not form.holds(lab.n1), 15, "keepalived owns the address again")
    director.wait_vrrp("BACKUP")
    keepalived.kill()
    director.wait_vrrp("MASTER")
    assert_undisturbed(director)


def start_frr(lab, form, priority):
    return lab.frr("n2", vrid=VRID, virtual=form.vip, version=form.version, priority=priority,
                   interval_ms=round(1000 * form.interval))


@WITH_FRR
def test_frr_as_backup_takes_over_and_gives_back(lab, form):
    form.prepare(lab)
    director = lab.director("n1", form.text("n1", 200))
    director.wait_vrrp("MASTER")
    frr = start_frr(lab, form, 100)
    frr.wait_state("Backup")
    form.listen()
    assert frr.state() == "Backup", "it hears xlbd"
    director.signal(signal.SIGTERM)
    frr.wait_state("Master")
    director.wait_end()
    director.start()
    director.wait_vrrp("MASTER")
    frr.wait_state("Backup")
    assert_undisturbed(director)


@WITH_FRR
def test_frr_as_master_is_followed_and_replaced(lab, form):
    form.prepare(lab)
    frr = start_frr(lab, form, 200)
    frr.wait_state("Master")
    director = lab.director("n1", form.text("n1", 100))
    director.wait_master_heard()
    form.listen()
    assert director.vrrp_state() == "BACKUP"
    frr.kill()
    director.wait_vrrp("MASTER")
    assert_undisturbed(director)
