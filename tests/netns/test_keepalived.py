"""keepalived 2.2.7 as the other director: mastership moves both ways, in both versions."""

import dataclasses
import signal
import time

import pytest

from lab import VIP, OwnershipWatch, PairConfig, wait_until

V2 = PairConfig(version=2, password="secret12")
V3 = PairConfig(version=3, advert_int="0.1")
VERSIONS = pytest.mark.parametrize("config", [V2, V3], ids=["version 2 with a password", "version 3"])


def with_first(config, name):
    """The same pair with the higher priority on `name`."""
    priorities = {"n1": 100, "n2": 100} | {name: 200}
    return dataclasses.replace(config, priorities=priorities)


def holds(host):
    return f"{VIP}/24" in host.addresses()


def bounds(config):
    advert = float(config.advert_int)
    skew = (256 - 100) / 256 * (1 if config.version == 2 else advert)
    return advert, skew


@VERSIONS
def test_xlb_as_master_hands_over_to_keepalived_and_takes_back(lab, config):
    config = with_first(config, "n1")
    advert, skew = bounds(config)
    director = lab.director("n1", config.text("n1"))
    with OwnershipWatch(VIP, lab.n1, lab.n2) as watch:
        lab.keepalived("n2", config.vrrp("n2"))
        director.wait_vrrp("MASTER")
        wait_until(lambda: holds(lab.n1) and not holds(lab.n2), 5, "xlb owns the address")
        stopped = time.monotonic()
        director.signal(signal.SIGTERM)
        wait_until(lambda: holds(lab.n2), 10, "keepalived owns the address")
        taken = time.monotonic() - stopped
        assert not holds(lab.n1)
        assert director.wait_end() == 0
        director.start()
        director.wait_vrrp("MASTER")
        wait_until(lambda: holds(lab.n1) and not holds(lab.n2), 5, "xlb owns the address again")
        director.kill()
        killed = time.monotonic()
        lab.n1.ip("addr", "del", f"{VIP}/24", "dev", "eth0")
        wait_until(lambda: holds(lab.n2), 10, "keepalived notices that xlb is gone")
        noticed = time.monotonic() - killed
    print(f"keepalived took over {taken:.2f} s after SIGTERM, {noticed:.2f} s after SIGKILL")
    assert taken <= skew + 0.3
    assert noticed <= 3 * advert + skew + 0.3
    assert watch.longest_shared() <= advert


@VERSIONS
def test_xlb_as_backup_takes_over_from_keepalived_and_gives_back(lab, config):
    config = with_first(config, "n2")
    advert, skew = bounds(config)
    with OwnershipWatch(VIP, lab.n1, lab.n2) as watch:
        keepalived = lab.keepalived("n2", config.vrrp("n2"))
        director = lab.director("n1", config.text("n1"))
        wait_until(lambda: holds(lab.n2) and not holds(lab.n1), 10, "keepalived owns the address")
        wait_until(lambda: director.status()["vrrp"][0]["adverts_received"] > 0, 5, "xlb hears keepalived")
        assert director.vrrp_state() == "BACKUP"
        stopped = time.monotonic()
        keepalived.signal(signal.SIGTERM)
        wait_until(lambda: holds(lab.n1), 10, "xlb owns the address")
        taken = time.monotonic() - stopped
        keepalived.wait_end()
        assert director.vrrp_state() == "MASTER"
        keepalived.start()
        wait_until(lambda: holds(lab.n2) and not holds(lab.n1), 10, "keepalived owns the address again")
        director.wait_vrrp("BACKUP")
        keepalived.kill()
        killed = time.monotonic()
        lab.n2.ip("addr", "del", f"{VIP}/24", "dev", "eth0")
        wait_until(lambda: holds(lab.n1), 10, "xlb notices that keepalived is gone")
        noticed = time.monotonic() - killed
    print(f"xlb took over {taken:.2f} s after SIGTERM, {noticed:.2f} s after SIGKILL")
    assert taken <= skew + 0.3
    assert noticed <= 3 * advert + skew + 0.3
    assert watch.longest_shared() <= advert


def test_wrong_password_is_refused_and_shown(lab):
    director = lab.director("n1", V2.text("n1"))
    lab.keepalived("n2", dataclasses.replace(V2, password="wrong").vrrp("n2"))
    wait_until(lambda: director.status()["vrrp"][0]["adverts_refused"], 10, "xlb refuses the wrong password")
    refused = director.status()["vrrp"][0]["adverts_refused"]
    assert [entry["reason"] for entry in refused] == ["authentication"]
    assert refused[0]["count"] >= 1
    assert "authentication" in director.ctl("show", "vrrp")


def test_other_virtual_routers_on_the_wire_change_nothing(lab):
    director = lab.director("n1", V3.text("n1"))
    director.wait_vrrp("MASTER")
    other = V3.vrrp("n2").replace("virtual_router_id 10", "virtual_router_id 77").replace(VIP, "10.10.0.77")
    other = other.replace("priority 100", "priority 250")
    lab.keepalived("n2", other)
    wait_until(lambda: "10.10.0.77/24" in lab.n2.addresses(), 10, "keepalived is master of the other router")
    transitions = director.status()["vrrp"][0]["transitions"]
    started = time.monotonic()
    wait_until(lambda: time.monotonic() > started + 1, 3, "ten advertisements")
    assert director.vrrp_state() == "MASTER"
    assert director.status()["vrrp"][0]["transitions"] == transitions
    assert director.status()["vrrp"][0]["adverts_refused"] == []
