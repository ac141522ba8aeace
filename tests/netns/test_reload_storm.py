"""Reload after reload under load, each with other instances, services, checks, trackers and routes around one virtual
router and one virtual server that stay as they are: these must not notice. Half of the pieces come and go each time, by
a seed that is printed; some files are broken."""

import os
import random

from lab import VIP, LongConnections, OwnershipWatch, PairConfig, Poller, UdpProbe, add_ipv6, wait_until
from lab.config import http_check
from lab.topology import client_addresses

RELOADS = 80
STAYS = PairConfig(version=3, advert_int="1", persistence=50, delay_loop=1,
                   check=http_check(path="/who", digest=None, retry=3))
UDP = PairConfig(protocol="UDP", port=5353).services()


def instance(name, number, words, addresses):
    return (f"vrrp_instance {name} {{\n interface eth0\n virtual_router_id {number}\n version 3\n advert_int 0.2\n"
            f" priority 150\n {words}\n virtual_ipaddress {{\n {addresses}\n }}\n}}\n")


def virtual_server(head, body, port=80):
    return (f"virtual_server {head} {{\n delay_loop 1\n lb_algo rr\n protocol TCP\n {body}\n"
            f" real_server 10.10.0.2 {port} {{\n weight 10\n TCP_CHECK {{\n connect_timeout 1\n }}\n }}\n}}\n")


PIECES = {
    "instance": lambda chance: instance("VI_2", 20, "", "10.10.0.20/24"),
    "ipv6": lambda chance: instance("VI_6", 21, "native_ipv6", "fe80::21/64\n fd00::21/64"),
    "vmac": lambda chance: instance("VI_M", 22, "use_vmac", "10.10.0.22/24"),
    "unicast": lambda chance: instance("VI_U", 23, "unicast_peer {\n 10.10.0.2\n }", "10.10.0.23/24"),
    "routes": lambda chance: instance("VI_R", 24, "virtual_routes {\n 198.51.100.0/24 via 10.10.0.254\n }", "10.10.0.24/24"),
    "script": lambda chance: "vrrp_script S {\n script /bin/true\n interval 1\n weight 2\n user root\n}\n"
                      + instance("VI_S", 25, "track_script {\n S\n }", "10.10.0.25/24"),
    "group": lambda chance: "vrrp_sync_group G {\n group {\n VI_A\n VI_B\n }\n}\n" + instance("VI_A", 26, "", "10.10.0.26/24")
                     + instance("VI_B", 27, "", "10.10.0.27/24"),
    "direct": lambda chance: virtual_server("10.10.0.40 80", f"lb_kind DR\n persistence_timeout {chance.randint(1, 99)}"),
    "nat": lambda chance: virtual_server("10.10.0.41 80", "lb_kind NAT", port=8080),
    "members": lambda chance: "virtual_server_group M {\n 10.10.0.42 80\n 10.10.0.43 80\n}\n"
                       + virtual_server("group M", "lb_kind DR\n sorry_server 10.10.0.1 80"),
    "fwmark": lambda chance: virtual_server("fwmark 7", "lb_kind NAT"),
    "static": lambda chance: "static_routes {\n 203.0.113.0/24 via 10.10.0.254\n}\n",
    "broken": lambda chance: "virtual_server 10.10.0.50 80 {\n real_server 10.10.0.2 80 {\n weight lots\n }\n",
}


def reload_at_random(director, chance):
    pieces = [name for name in PIECES if chance.random() < (0.1 if name == "broken" else 0.5)]
    chance.shuffle(pieces)
    extra = [PIECES[name](chance) for name in pieces]
    extra.insert(chance.randint(0, len(extra)), STAYS.text(director.name) + UDP)
    director.config.write_text("".join(extra))
    said = director.ctl("reload", check=False)
    assert (said.returncode == 0) == ("broken" not in pieces), (pieces, said.stderr)
    return pieces


def kept(director):
    """What must not change of what stays."""
    status = director.status()
    router = next(router for router in status["vrrp"] if router["instance"] == "VI_1")
    service = next(service for service in status["virtual_servers"] if service["address"] == VIP and service["port"] == 80)
    states = [real_server["state"] for real_server in service["real_servers"]]
    return router["state"], router["transitions"], states


def test_what_stays_notices_nothing_of_eighty_reloads_around_it(lab):
    add_ipv6(lab)
    for name in ("n1", "n2"):
        lab.web(name)
        lab.udp_echo(name)
    master, standby = lab.settled([lab.director(name, STAYS.text(name) + UDP) for name in ("n1", "n2")])
    seed = int(os.environ.get("XLB_STORM_SEED", random.randrange(1 << 30)))
    print(f"XLB_STORM_SEED={seed}")
    chance = random.Random(seed)
    connections = LongConnections(lab.client, 20)
    sources = client_addresses(50)
    probe = UdpProbe(lab.topology.client, sources[-1])
    before, link = kept(master), master.xdp_link()[0]
    with OwnershipWatch(VIP, lab.n1, lab.n2) as ownership, Poller(lab.client, sources[40:44], timeout=1.0) as poller:
        for number in range(RELOADS):
            pieces = reload_at_random(master, chance)
            assert kept(master) == before, (number, pieces)
        probe.stop()
        connections.stop()
    assert ownership.holder_counts() == {1}
    assert connections.failures == []
    assert poller.failures() == []
    assert probe.lost_at() == []
    assert master.xdp_link()[0] == link
    assert standby.status()["vrrp"][0]["transitions"] == 0
    # And what comes and goes has gone.
    master.apply(STAYS.text("n1") + UDP)
    wait_until(lambda: lab.n1.addresses() == ["10.10.0.1/24", f"{VIP}/24"], 5, "only the address that stays is left")
    assert "198.51.100.0" not in lab.n1.run("ip", "route") and "203.0.113.0" not in lab.n1.run("ip", "route")
