"""virtual_server_group: several addresses with one set of real servers, which are checked once."""

import pytest

from lab import VIP, Mode, wait_until
from lab.config import http_check
from lab.topology import client_addresses

CLIENTS = client_addresses(8)
MEMBERS = [f"10.10.0.{last}" for last in range(100, 104)]


def group(members, method="NAT", extra=""):
    servers = "".join(f"    real_server {address} 8080 {{\n        {http_check(retry=0)}\n    }}\n"
                      for address in ("10.10.0.1", "10.10.0.2"))
    return (f"xlb {{\n    interfaces eth0\n}}\nvirtual_server group web {{\n    delay_loop 1\n    lb_algo rr\n"
            f"    lvs_method {method}\n    protocol TCP\n    {extra}\n{servers}}}\n"
            f"virtual_server_group web {{\n{members}\n}}\n")


@pytest.fixture
def group_lab(lab):
    for address in (VIP, *MEMBERS):
        lab.n1.ip("addr", "add", f"{address}/32", "dev", "eth0")
    lab.n2.ip("route", "replace", "default", "via", "10.10.0.1")
    return lab


def test_members_share_real_servers_and_checks_and_count_for_themselves(group_lab):
    group_lab.web("n1", port=8080)
    failing = group_lab.web("n2", port=8080)
    director = group_lab.director("n1", group("10.10.0.100-102 80\n10.10.0.103 81"))
    director.wait_forwarding()
    for address, port in [(member, 80) for member in MEMBERS[:3]] + [(MEMBERS[3], 81)]:
        servers = [group_lab.client.get(source, address=address, port=port).server for source in CLIENTS]
        assert sorted(servers) == ["n1"] * 4 + ["n2"] * 4
    status = director.status()["virtual_servers"]
    assert [(row["address"], row["port"], row["group"]) for row in status] == \
        [("10.10.0.100", 80, "web"), ("10.10.0.101", 80, "web"), ("10.10.0.102", 80, "web"), ("10.10.0.103", 81, "web")]
    wait_until(lambda: all(server["connections"] == 4 for row in director.status()["virtual_servers"]
                           for server in row["real_servers"]), 5, "each member has its own connections")
    # delay_loop 1: four members that checked for themselves would ask four times as often.
    seen = len(failing.checks)
    wait_until(lambda: len(failing.checks) >= seen + 3, 10, "checks go on")
    gaps = [later - earlier for earlier, later in zip(failing.checks[-3:], failing.checks[-2:])]
    assert min(gaps) > 0.5
    failing.mode = Mode.ERROR_500
    wait_until(lambda: all(row["real_servers"][1]["state"] == "down" for row in director.status()["virtual_servers"]),
               10, "it is down for every member")
    assert director.log_text().count("HTTP_GET of real server 10.10.0.2:8080 fails") == 1


def test_a_member_that_comes_leaves_the_others_alone(group_lab):
    group_lab.web("n1", port=8080)
    group_lab.web("n2", port=8080)
    director = group_lab.director("n1", group("10.10.0.100 80", extra="persistence_timeout 50"))
    director.wait_forwarding()
    before = {source: group_lab.client.get(source, address=MEMBERS[0]).server for source in CLIENTS}
    kept = group_lab.client.connect(CLIENTS[0], address=MEMBERS[0])
    kept.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
    kept.recv(2)
    director.config.write_text(group("10.10.0.100-101 80", extra="persistence_timeout 50"))
    assert "+ TCP group web: member TCP 10.10.0.101:80" in director.ctl("reload", "--dry-run")
    director.apply(group("10.10.0.100-101 80", extra="persistence_timeout 50"))
    wait_until(lambda: group_lab.client.served(CLIENTS[0], address=MEMBERS[1]), 5, "the new member is served")
    assert {source: group_lab.client.get(source, address=MEMBERS[0]).server for source in CLIENTS} == before
    kept.sendall(b"more")
    assert kept.recv(4) == b"more"
    kept.close()


def test_a_whole_network_is_forwarded_by_xdp(group_lab):
    """254 addresses, direct routing: n2 holds them on its loopback interface."""
    group_lab.web("n2", port=8080)
    group_lab.n1.batch([f"addr add 10.77.0.{last}/32 dev lo" for last in range(1, 255)])
    group_lab.router.ip("route", "add", "10.77.0.0/24", "via", "10.10.0.1")
    group_lab.n2.ip("route", "replace", "default", "via", "10.10.0.250")
    group_lab.n2.ip("route", "add", "local", "10.77.0.0/24", "dev", "lo")
    config = group("10.77.0.1-254 8080", "DR").replace("    real_server 10.10.0.1 8080", "    real_server 10.10.0.9 8080")
    director = group_lab.director("n1", config)
    wait_until(lambda: all(row["real_servers"][1]["state"] == "up" for row in director.status()["virtual_servers"]),
               10, "n2 is up")
    assert len(director.status()["virtual_servers"]) == 254
    for last in (1, 77, 254):
        assert group_lab.client.wait_served(CLIENTS[0], address=f"10.77.0.{last}", port=8080) == "n2"
        row = director.status()["virtual_servers"][last - 1]
        assert row["real_servers"][1]["forward"] == "Route" and row["packets"] > 0
