"""The tutorial's pair with its own two files: 100 clients behind a router ask twice each."""

import json
import re
from dataclasses import dataclass

import pytest

from lab import VIP, Capture, TrafficCounter, tutorial, wait_until
from lab.topology import client_addresses

CLIENTS = client_addresses(100)


def recorder(lab, name):
    """A notify script that writes its arguments down; the file it writes to."""
    script = lab.directory / f"notify-{name}.sh"
    record = lab.directory / f"notify-{name}.txt"
    script.write_text(f'#!/bin/sh\necho "$@" >>{record}\n')
    script.chmod(0o755)
    return script, record


@dataclass
class Run:
    """What was seen while the clients asked."""

    lab: object
    master: object
    standby: object
    nginx: dict
    replies: dict  # client address -> its two replies
    capture: Capture
    counted: dict  # server -> (packets, bytes) that reached it for the virtual server
    records: dict


@pytest.fixture(scope="module", params=["0.0.0.0", "own address"])
def run(request, module_lab_factory):
    lab = module_lab_factory()
    nginx, directors, records = {}, {}, {}
    for host, name in ((lab.n1, "n1"), (lab.n2, "n2")):
        nginx[name] = lab.nginx(name, listen=host.address if request.param == "own address" else "0.0.0.0")
        script, records[name] = recorder(lab, name)
        directors[name] = lab.director(name, tutorial(name, script))
    directors["n1"].wait_vrrp("MASTER")
    for director in directors.values():
        director.wait_forwarding()
    counters = {name: TrafficCounter(host, VIP, 80) for host, name in ((lab.n1, "n1"), (lab.n2, "n2"))}
    capture = Capture(lab.switch, lab.n1, lab.n2, lab.router)
    replies = {source: [lab.client.get(source)] for source in CLIENTS}
    for source in CLIENTS:
        replies[source].append(lab.client.get(source))
    capture.stop()
    counted = {name: counter.read() for name, counter in counters.items()}
    return Run(lab, directors["n1"], directors["n2"], nginx, replies, capture, counted, records)


def test_each_client_stays_on_one_real_server(run):
    assert all(first.server == second.server for first, second in run.replies.values())


def test_clients_are_spread_evenly(run):
    first = [replies[0].server for replies in run.replies.values()]
    assert abs(first.count("n1") - 50) <= 5
    assert first.count("n1") + first.count("n2") == 100


def test_web_servers_see_the_clients_own_addresses(run):
    assert all(reply.seen_address == source for source, replies in run.replies.items() for reply in replies)
    logged = sorted(run.nginx["n1"].clients() + run.nginx["n2"].clients())
    assert logged == sorted(CLIENTS * 2)


def test_master_owns_the_address_and_the_standby_does_not(run):
    assert f"{VIP}/24" in run.lab.n1.addresses()
    assert f"{VIP}/24" not in run.lab.n2.addresses()
    assert run.standby.vrrp_state() == "BACKUP"


def test_xdp_is_attached_native_on_both_and_status_says_so(run):
    for director in (run.master, run.standby):
        assert director.host.xdp_mode() == "native"
        assert [(entry["interface"], entry["mode"]) for entry in director.status()["dataplane"]] == [("eth0", "native")]


def test_no_balancing_rule_is_in_nftables(run):
    for director, other in ((run.master, run.lab.n2), (run.standby, run.lab.n1)):
        ruleset = director.host.run("nft", "list", "ruleset")
        assert not re.search(r"numgen|jhash|symhash|\brandom\b", ruleset)
        assert other.address not in ruleset


def test_replies_do_not_pass_the_director(run):
    into_director = run.capture.ipv4(
        lambda frame: frame.port == run.lab.n1.port and frame.leaving and frame.source == VIP and frame.protocol == 6)
    assert into_director == []
    straight = run.capture.ipv4(
        lambda frame: frame.port == run.lab.router.port and frame.leaving and frame.source == VIP)
    assert {frame.source_mac for frame in straight} == {run.lab.n1.mac(), run.lab.n2.mac()}


def test_forwarding_takes_one_from_the_ttl_on_the_wire_and_nothing_else(run):
    arrived = {frame.packet_identity: frame for frame in run.capture.ipv4(
        lambda frame: frame.port == run.lab.n1.port and frame.leaving and frame.destination == VIP)}
    forwarded = run.capture.ipv4(
        lambda frame: frame.port == run.lab.n1.port and not frame.leaving and frame.destination == VIP)
    assert forwarded
    for frame in forwarded:
        assert frame.ttl == arrived[frame.packet_identity].ttl - 1
        assert (frame.source_mac, frame.destination_mac) == (run.lab.n1.mac(), run.lab.n2.mac())


def test_no_packet_is_forwarded_twice(run):
    forwarded = [frame.packet_identity for frame in run.capture.ipv4(
        lambda frame: frame.port != run.lab.router.port and not frame.leaving and frame.destination == VIP)]
    assert len(forwarded) == len(set(forwarded))


def test_packets_and_bytes_in_status_are_the_independent_counters(run):
    def counted_by_master():
        return {name: tuple(run.master.real_server(host.address)[field] for field in ("packets", "bytes"))
                for host, name in ((run.lab.n1, "n1"), (run.lab.n2, "n2"))}

    wait_until(lambda: counted_by_master() == run.counted, 5,
               f"status counts {run.counted} (it counts {counted_by_master()})")
    service = run.master.status()["virtual_servers"][0]
    assert (service["packets"], service["bytes"]) == tuple(map(sum, zip(*run.counted.values())))


def test_connections_in_status_are_those_made(run):
    service = run.master.status()["virtual_servers"][0]
    made = {name: sum(reply.server == name for replies in run.replies.values() for reply in replies)
            for name in ("n1", "n2")}
    assert {"n1": service["real_servers"][0]["connections"], "n2": service["real_servers"][1]["connections"]} == made
    assert service["connections"] == 200


def listing(forward_n1, forward_n2):
    return re.compile(
        r"xlb \d+\.\d+\.\d+ \(flow table \d+\)\n"
        r"Prot LocalAddress:Port Scheduler Flags\n"
        r"  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        r"TCP  10\.10\.0\.3:80 rr persistent 50\n"
        rf"  -> 10\.10\.0\.1:80                 {forward_n1}   100    \d+ +\d+ *\n"
        rf"  -> 10\.10\.0\.2:80                 {forward_n2}   100    \d+ +\d+ *\n")


def test_listing_is_the_tutorials_with_local_and_route_swapped_between_the_hosts(run):
    on_master, on_standby = run.master.ctl("show"), run.standby.ctl("show")
    assert listing("Local", "Route").fullmatch(on_master), on_master
    assert listing("Route", "Local").fullmatch(on_standby), on_standby


def test_xlbctl_json_is_the_status_document(run):
    document = json.loads(run.master.ctl("--json", "show"))
    assert document["vrrp"][0] | {"state": "MASTER", "priority": 200, "virtual_router_id": 10} == document["vrrp"][0]
    service = document["virtual_servers"][0]
    assert (service["address"], service["port"], service["protocol"], service["scheduler"], service["forwarding"],
            service["persistence_timeout_s"], service["state"]) == (VIP, 80, "TCP", "rr", "DR", 50, "up")
    assert [real_server["forward"] for real_server in service["real_servers"]] == ["Local", "Route"]


def test_every_other_table_is_shown_and_has_a_document(run):
    for table in ("stats", "connections", "persistence", "vrrp", "checks"):
        assert run.master.ctl("show", table).strip()
        json.loads(run.master.ctl("--json", "show", table))
    assert "VI_1" in run.master.ctl("show", "vrrp")
    assert CLIENTS[0] in run.master.ctl("show", "persistence")
    assert CLIENTS[0] in run.master.ctl("show", "connections")


def test_genhash_prints_the_tutorials_digest(run):
    assert (run.master.ctl("genhash", "-s", "10.10.0.2", "-p", "80", "-u", "/check.txt").strip()
            == "MD5SUM = d41d8cd98f00b204e9800998ecf8427e")


def test_notify_scripts_ran_in_the_order_of_the_transitions(run):
    wait_until(lambda: run.records["n1"].read_text() == f"add {VIP}\ndel {VIP}\n", 10, "notify scripts on n1")
    assert run.records["n2"].read_text() == f"add {VIP}\n"


def test_own_processes_reach_the_address(run):
    for name, host in (("n1", run.lab.n1), ("n2", run.lab.n2)):
        answer = host.run("curl", "-sS", "--max-time", "2", f"http://{VIP}/who")
        assert answer.split()[0] == name


def test_health_and_readiness_are_told_over_http(run):
    assert run.master.get("/healthz")[0] == 200
    assert run.master.get("/readyz")[0] == 200
    assert run.master.get("/nothing")[0] == 404


def test_empty_digest_is_warned_about_once(run):
    # The tutorial's digest is that of nothing: any empty answer passes.
    for director in (run.master, run.standby):
        assert sum("empty" in line for line in director.log_text().splitlines()) >= 1
