"""Addresses, routes and rules: what xlbd puts on a host is what keepalived 2.2.7 puts there from the same file, and what
somebody else removes comes back."""

import signal

from lab import wait_until

_LATER = ("ifindex", "valid_life_time", "preferred_life_time", "dynamic")

NETWORK = """
static_ipaddress {
    10.77.0.1/24 brd + dev eth0 label eth0:st
    2001:db8:77::1/64 dev eth0
}
static_routes {
    192.168.100.0/24 via 10.77.0.9 dev eth0
    192.168.101.0/24 via 10.77.0.9 dev eth0 table 100 metric 7 mtu 1400 src 10.77.0.1
    2001:db8:100::/48 via 2001:db8:77::9 dev eth0 metric 55
    blackhole 192.168.102.0/24 no_track
}
static_rules {
    from 192.168.100.0/24 table 100 priority 500
    from 2001:db8:100::/48 table 100 priority 501
    not to 192.168.103.0/24 fwmark 0x10/0xff iif eth0 lookup 101 priority 502
}
"""

INSTANCE = """
vrrp_instance VI_1 {
    state BACKUP
    interface eth0
    virtual_router_id %d
    version 3
    priority 200
    advert_int 0.1
    virtual_ipaddress {
        10.10.0.77/24
        10.10.0.78 dev eth0 scope link label eth0:vip
        10.10.0.79/24 peer 10.66.0.1
    }
    virtual_ipaddress_excluded {
        10.10.0.80/32 noprefixroute
        2001:db8:10::80/64
        2001:db8:10::81
    }
    virtual_routes {
        192.168.110.0/24 via 10.77.0.10 dev eth0
        192.168.111.0/24 dev eth0 scope link tos 0x04 advmss 1300 initcwnd 11 hoplimit 7
        192.168.112.0/24 nexthop via 10.77.0.11 dev eth0 weight 2 nexthop via 10.77.0.12 dev eth0
        default via 10.77.0.10 dev eth0 table 102
        unreachable 192.168.113.0/24 metric 5
    }
    virtual_rules {
        from 192.168.110.0/24 to 192.168.111.0/24 table 102 preference 600 no_track
        iif eth0 ipproto tcp dport 20-30 blackhole preference 601
        from 192.168.112.0/24 goto 700 preference 602
    }
}
"""


def config(virtual_router_id):
    return NETWORK + INSTANCE % virtual_router_id


def addresses(host):
    """Everything `ip addr` says of eth0's addresses but the host's own and how long they have been there."""
    result = []
    for link in host.ip_json("addr", "show", "dev", "eth0"):
        for entry in link["addr_info"]:
            own = entry["local"].startswith("fe80") or entry["local"] in ("10.10.0.1", "10.10.0.2")
            kept = {key: value for key, value in entry.items() if key not in _LATER}
            kept["deprecated"] = entry.get("preferred_life_time") == 0
            kept.pop("protocol", None)
            if not own:
                result.append(sorted(kept.items()))
    return sorted(result, key=str)


def routes(host):
    result = []
    for family in ("-4", "-6"):
        for line in host.ip(family, "route", "show", "table", "all", "proto", "keepalived").splitlines():
            result.append(" ".join(line.split()))
    return sorted(result)


def rules(host):
    return sorted(line for family in ("-4", "-6") for line in host.ip(family, "rule").splitlines()
                  if line.split(":")[0] not in ("0", "32766", "32767"))


def start(lab):
    for host in (lab.n1, lab.n2):
        for device in ("all", "default", "eth0"):
            host.sysctl(f"net.ipv6.conf.{device}.disable_ipv6", 0)
    director = lab.director("n1", config(51))
    director.wait_vrrp("MASTER")
    return director


def test_what_keepalived_puts_on_a_host_is_what_xlbd_puts_there(lab):
    director = start(lab)
    lab.keepalived("n2", config(52))
    wait_until(lambda: len(rules(lab.n2)) == 6, 15, "keepalived is master")
    assert addresses(lab.n1) == addresses(lab.n2)
    assert routes(lab.n1) == routes(lab.n2)
    assert rules(lab.n1) == rules(lab.n2)
    assert director.stop() == 0
    assert addresses(lab.n1) == [] and routes(lab.n1) == [] and rules(lab.n1) == []


def test_what_somebody_removes_comes_back_unless_it_is_not_tracked(lab):
    director = start(lab)
    before = addresses(lab.n1), routes(lab.n1), rules(lab.n1)
    lab.n1.ip("route", "del", "192.168.110.0/24", "proto", "keepalived")
    lab.n1.ip("route", "del", "192.168.101.0/24", "table", "100")
    lab.n1.ip("rule", "del", "priority", "601")
    lab.n1.ip("rule", "del", "priority", "500")
    lab.n1.ip("addr", "del", "10.77.0.1/24", "dev", "eth0")
    wait_until(lambda: (addresses(lab.n1), routes(lab.n1), rules(lab.n1)) == before, 5, "all is back")
    assert director.vrrp_state() == "MASTER"
    lab.n1.ip("rule", "del", "priority", "600")
    lab.n1.ip("rule", "del", "priority", "601")
    wait_until(lambda: any("601:" in rule for rule in rules(lab.n1)), 5, "the tracked rule is back")
    assert not any("600:" in rule for rule in rules(lab.n1))


def test_a_killed_daemons_routes_go_with_the_next_start_and_with_purge(lab):
    director = start(lab)
    director.kill()
    assert routes(lab.n1) and rules(lab.n1)
    director.config.write_text(INSTANCE.split("virtual_routes")[0] % 51 + "}\n")
    director.start()
    director.wait_vrrp("MASTER")
    assert routes(lab.n1) == [] and rules(lab.n1) == []
    director.config.write_text(config(51))
    director.ctl("reload")
    assert routes(lab.n1) and rules(lab.n1)
    director.kill()
    director.purge()
    assert routes(lab.n1) == [] and rules(lab.n1) == [] and addresses(lab.n1) == []


def test_a_reload_changes_what_changed_and_nothing_else(lab):
    director = start(lab)
    before = addresses(lab.n1), routes(lab.n1), rules(lab.n1)
    with lab.n1.monitor() as monitor:
        director.config.write_text(config(51).replace("192.168.110.0/24 via 10.77.0.10", "192.168.120.0/24 via 10.77.0.10")
                                   .replace("10.10.0.80/32 noprefixroute", "10.10.0.81/32"))
        changes = director.ctl("reload", "--dry-run")
        assert "+ vrrp_instance VI_1: route 192.168.120.0/24 via 10.77.0.10 dev eth0" in changes
        assert "- vrrp_instance VI_1: excluded address 10.10.0.80/32 noprefixroute" in changes
        assert (addresses(lab.n1), routes(lab.n1), rules(lab.n1)) == before
        director.ctl("reload")
        wait_until(lambda: "10.10.0.81" in monitor.text() and "192.168.120.0" in monitor.text(), 5, "the changes")
        touched = monitor.text()
    assert director.vrrp_state() == "MASTER" and director.status()["vrrp"][0]["transitions"] == 1
    for kept in ("10.10.0.77", "10.77.0.1/", "192.168.111.0", "192.168.100.0", "2001:db8:10::8"):
        assert kept not in touched
    assert any("192.168.120.0/24" in route for route in routes(lab.n1))


def test_a_backup_has_none_of_it(lab):
    director = start(lab)
    lab.director("n2", config(51).replace("priority 200", "priority 250"))
    director.wait_vrrp("BACKUP")
    wait_until(lambda: not any("192.168.11" in route for route in routes(lab.n1)), 5, "the routes are gone")
    assert not any(rule.startswith("6") for rule in rules(lab.n1))
    assert any("192.168.100.0" in route for route in routes(lab.n1))
    director.signal(signal.SIGTERM)
    assert director.wait_end() == 0
