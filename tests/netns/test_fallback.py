"""Directors that cannot use XDP, or are told not to: the nat table balances, alone, on both, and beside a native peer."""

import json
import re
from collections import Counter

import pytest

from lab import VIP, Capture, Mode, PairConfig, TrafficCounter, wait_until
from lab.config import http_check
from lab.topology import client_addresses, pass_object
from lab.traffic import assert_transfers_arrive_whole

NONE = "attach_mode none"
FAST = {"version": 3, "advert_int": "0.1"}
DELAY_LOOP = 1
CHECK = http_check(connect_timeout=1, retry=1, before_retry=1)
OUT_WITHIN = DELAY_LOOP + 2 * 1 + 1 + 1
BACK_WITHIN = DELAY_LOOP + 1 + 1 + 1
CLIENTS = client_addresses(100)
BOTH, MASTER, STANDBY = ("n1", "n2"), ("n1",), ("n2",)
WHERE = pytest.mark.parametrize("fallback_on", [BOTH, MASTER, STANDBY], ids=["both", "master", "standby"])


def start(lab, fallback_on, **fields):
    """(master, standby)"""
    directors = {}
    for name in ("n1", "n2"):
        config = PairConfig(**{**FAST, **fields}, xlb=NONE if name in fallback_on else "")
        directors[name] = lab.director(name, config.text(name))
    directors["n1"].wait_vrrp("MASTER")
    directors["n2"].wait_vrrp("BACKUP")
    for director in directors.values():
        director.wait_forwarding()
    return directors["n1"], directors["n2"]


def webs(lab):
    return lab.web("n1"), lab.web("n2")


def shared(lab, clients=CLIENTS, each=1):
    return Counter(lab.client.get(source).server for source in clients for _ in range(each))


@WHERE
def test_requests_are_spread_evenly(lab, fallback_on):
    webs(lab)
    start(lab, fallback_on)
    assert shared(lab) == {"n1": 50, "n2": 50}


@WHERE
def test_wrr_gives_three_to_one(lab, fallback_on):
    webs(lab)
    start(lab, fallback_on, scheduler="wrr", weights={"n1": 3, "n2": 1})
    servers = shared(lab, each=2)
    assert abs(servers["n1"] - 150) <= 2 and servers.total() == 200, servers


@WHERE
def test_each_client_stays_on_one_real_server(lab, fallback_on):
    webs(lab)
    start(lab, fallback_on, persistence=50)
    first = {source: lab.client.get(source).server for source in CLIENTS}
    assert abs(Counter(first.values())["n1"] - 50) <= 5
    assert {source: lab.client.get(source).server for source in CLIENTS} == first


@WHERE
def test_dead_real_server_is_left_out_and_taken_back(lab, fallback_on):
    _, failing = webs(lab)
    master, standby = start(lab, fallback_on, delay_loop=DELAY_LOOP, check=CHECK, persistence=50)
    stuck = [source for source in CLIENTS[:20] if lab.client.get(source).server == "n2"]
    assert stuck
    failing.mode = Mode.ERROR_500
    for director in (master, standby):
        director.wait_real_server("10.10.0.2", "down", OUT_WITHIN)
    assert {lab.client.get(source).server for source in stuck} == {"n1"}
    assert shared(lab, CLIENTS[40:60]) == {"n1": 20}
    failing.mode = Mode.OK
    for director in (master, standby):
        director.wait_real_server("10.10.0.2", "up", BACK_WITHIN)
    assert shared(lab, CLIENTS[60:80]) == {"n1": 10, "n2": 10}


def test_persistence_survives_a_change_of_the_rules(lab):
    failing, _ = webs(lab)
    master, _ = start(lab, BOTH, delay_loop=DELAY_LOOP, check=CHECK, persistence=50)
    before = {source: lab.client.get(source).server for source in CLIENTS[:20]}
    failing.mode = Mode.ERROR_500
    master.wait_real_server("10.10.0.1", "down", OUT_WITHIN)
    failing.mode = Mode.OK
    master.wait_real_server("10.10.0.1", "up", BACK_WITHIN)
    on_living = [source for source, server in before.items() if server == "n2"]
    assert len(on_living) == 10
    assert {lab.client.get(source).server for source in on_living} == {"n2"}


def test_persistence_is_shown_and_ends_after_its_timeout(lab):
    webs(lab)
    master, _ = start(lab, BOTH, persistence=3)
    lab.client.get("10.20.1.1")
    wait_until(lambda: "10.20.1.1" in master.ctl("show", "persistence"), 5, "the client is shown")
    wait_until(lambda: "10.20.1.1" not in master.ctl("show", "persistence"), 10, "the client is forgotten")


def test_connection_to_a_real_server_taken_out_hears_a_reset(lab):
    """As with XDP: the client need not wait for a timeout of its own; others go on."""
    _, failing = webs(lab)
    master, _ = start(lab, BOTH, delay_loop=DELAY_LOOP, check=CHECK)
    on = {}
    for source in CLIENTS[:2]:
        connection = lab.client.connect(source)
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        on[connection.recv(2)] = connection
    failing.mode = Mode.ERROR_500
    master.wait_real_server("10.10.0.2", "down", OUT_WITHIN)

    def is_reset():
        try:
            on[b"n2"].sendall(b"more")
            on[b"n2"].recv(4)
        except (ConnectionResetError, BrokenPipeError):
            return True
        return False

    wait_until(is_reset, 5, "the connection is reset")
    on[b"n1"].sendall(b"more")
    assert on[b"n1"].recv(4) == b"more"
    for connection in on.values():
        connection.close()


def test_udp_client_with_one_port_moves_when_its_real_server_dies(lab):
    echoes = {"n1": lab.udp_echo("n1"), "n2": lab.udp_echo("n2")}
    web = {"n1": lab.web("n1"), "n2": lab.web("n2")}
    check = CHECK.replace("connect_timeout", "connect_port 80\n            connect_timeout")
    master, _ = start(lab, BOTH, protocol="UDP", port=5353, delay_loop=DELAY_LOOP, check=check)
    first = lab.client.udp("10.20.1.1", local_port=40001).server
    assert lab.client.udp("10.20.1.1", local_port=40001).server == first
    other = {"n1": "n2", "n2": "n1"}[first]
    web[first].mode = Mode.ERROR_500
    master.wait_real_server({"n1": "10.10.0.1", "n2": "10.10.0.2"}[first], "down", OUT_WITHIN)

    def who_answers():
        try:
            return lab.client.udp("10.20.1.1", local_port=40001).server
        except TimeoutError:  # sent before the table was changed
            return None

    wait_until(lambda: who_answers() == other, 5, "the other one answers")
    assert echoes


def test_replies_return_from_the_virtual_address_and_the_real_server_sees_the_director(lab):
    webs(lab)
    start(lab, BOTH)
    replies = [lab.client.get(source) for source in CLIENTS[:20]]
    # The director's own real server needs no translation of the client's address.
    assert {reply.seen_address for reply in replies if reply.server == "n1"} <= set(CLIENTS)
    assert {reply.seen_address for reply in replies if reply.server == "n2"} == {"10.10.0.1"}


def test_clients_on_the_directors_own_network_are_not_sent_past_it(lab):
    webs(lab)
    start(lab, BOTH)
    with Capture(lab.switch, lab.router) as capture:
        for _ in range(4):
            assert lab.router.run("curl", "-sS", "--max-time", "2", f"http://{VIP}/who").split()[0] in ("n1", "n2")
    redirects = capture.ipv4(lambda frame: frame.protocol == 1 and frame.ip_packet[20] == 5)
    assert redirects == []


def test_own_processes_reach_the_address(lab):
    webs(lab)
    start(lab, BOTH)
    for host in (lab.n1, lab.n2):
        answers = Counter(host.run("curl", "-sS", "--max-time", "2", f"http://{VIP}/who").split()[0] for _ in range(10))
        assert answers == {"n1": 5, "n2": 5}


def test_packets_bytes_and_connections_are_counted_per_real_server(lab):
    webs(lab)
    master, _ = start(lab, BOTH)
    counters = {"n1": TrafficCounter(lab.n1, VIP, 80), "n2": TrafficCounter(lab.n2, "10.10.0.2", 80)}
    shared(lab, CLIENTS[:40])
    lab.n1.run("curl", "-sS", "--max-time", "2", f"http://{VIP}/who")
    lab.n1.run("curl", "-sS", "--max-time", "2", f"http://{VIP}/who")

    def told():
        return [real_server["connections"] for real_server in master.status()["virtual_servers"][0]["real_servers"]]

    wait_until(lambda: told() == [21, 21], 5, "42 connections are told")
    service = master.status()["virtual_servers"][0]
    to_n2 = counters["n2"].read()
    wait_until(lambda: (master.real_server("10.10.0.2")["packets"], master.real_server("10.10.0.2")["bytes"]) == to_n2, 5,
               f"what reached n2 is told: {to_n2}")
    # All that arrived for the address, and what the own process sent its own real server; n2's share is the rest.
    arrived = counters["n1"].read()
    own = (master.real_server("10.10.0.1")["packets"], master.real_server("10.10.0.1")["bytes"])
    assert all(21 * 4 <= count for count in own[:1]) and own[0] + to_n2[0] >= arrived[0], (own, to_n2, arrived, service)


def test_connections_are_shown_while_they_live_and_after(lab):
    webs(lab)
    master, _ = start(lab, BOTH)
    connections = []
    for source in CLIENTS[:6]:
        connection = lab.client.connect(source)
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        connection.recv(2)
        connections.append(connection)

    def active():
        return [real_server["active_connections"] for real_server in
                master.status()["virtual_servers"][0]["real_servers"]]

    wait_until(lambda: active() == [3, 3], 10, "three active connections on each real server")
    shown = master.ctl("show", "connections")
    assert all(f"{source}:" in shown for source in CLIENTS[:6]) and "ESTABLISHED" in shown
    for connection in connections:
        connection.close()
    wait_until(lambda: active() == [0, 0], 10, "no active connection is left")


def test_status_and_listing_say_that_the_nat_table_balances_and_why(lab):
    webs(lab)
    master, standby = start(lab, MASTER)
    assert master.status()["dataplane"] == [{"interface": "eth0", "mode": "nat", "reason": "attach_mode none"}]
    assert [entry["mode"] for entry in standby.status()["dataplane"]] == ["native"]
    assert lab.n1.xdp_mode() is None
    assert re.search(r"-> 10\.10\.0\.1:80 +Local .*\n +-> 10\.10\.0\.2:80 +Masq ", master.ctl("show"))
    assert re.search(r"-> 10\.10\.0\.1:80 +Route .*\n +-> 10\.10\.0\.2:80 +Local ", standby.ctl("show"))
    assert master.get("/readyz")[0] == 200


def test_another_program_on_the_interface_leads_to_the_fallback_with_its_name(lab):
    webs(lab)
    lab.n1.ip("link", "set", "dev", "eth0", "xdpdrv", "obj", str(pass_object()), "sec", "xdp.frags")
    master, _ = start(lab, ())
    entry, = master.status()["dataplane"]
    assert entry["mode"] == "nat" and "attached there already" in entry["reason"], entry
    assert sum("balances instead" in line for line in master.log_text().splitlines()) == 1
    assert shared(lab, CLIENTS[:20]) == {"n1": 10, "n2": 10}
    assert lab.n1.xdp_mode() == "native"  # the other program's


@pytest.mark.parametrize("end", ["stop", "kill and purge"])
def test_forwarding_is_switched_on_and_put_back(lab, end):
    webs(lab)
    for host in (lab.n1, lab.n2):
        host.sysctl("net.ipv4.ip_forward", 0)
    master, _ = start(lab, BOTH)
    assert lab.n1.run("sysctl", "-n", "net.ipv4.ip_forward").strip() == "1"
    assert shared(lab, CLIENTS[:10]) == {"n1": 5, "n2": 5}
    if end == "stop":
        master.stop()
    else:
        master.kill()
        master.purge()
    assert lab.n1.run("sysctl", "-n", "net.ipv4.ip_forward").strip() == "0"


def test_stop_leaves_local_delivery_alone_and_purge_nothing(lab):
    webs(lab)
    master, standby = start(lab, BOTH, persistence=50)
    lab.client.get("10.20.1.1")
    master.stop()
    rules = lab.n1.run("nft", "list", "table", "ip", "xlb")
    assert "dnat to 10.10.0.1:80" in rules
    assert not re.search(r"numgen|masquerade|10\.10\.0\.2|\bset\b|vmap", rules), rules
    standby.wait_vrrp("MASTER")
    lab.client.wait_served("10.20.1.2")
    master.purge()
    assert "xlb" not in lab.n1.run("nft", "list", "tables")


def test_killed_director_goes_on_balancing_and_its_successor_keeps_clients_and_counters(lab):
    webs(lab)
    master, _ = start(lab, BOTH, persistence=50)
    first = {source: lab.client.get(source).server for source in CLIENTS[:20]}
    wait_until(lambda: master.real_server("10.10.0.2")["connections"] == 10, 5, "connections are counted")
    master.kill()
    ruleset = lab.n1.run("nft", "list", "table", "ip", "xlb")
    assert "numgen" in ruleset
    master.start()
    master.wait_vrrp("MASTER")
    assert {source: lab.client.get(source).server for source in first} == first
    wait_until(lambda: master.real_server("10.10.0.2")["connections"] == 20, 5, "counting went on")


def test_long_connections_and_transfers_go_through_the_translation(lab):
    assert_transfers_arrive_whole(lab, lambda: start(lab, BOTH), CLIENTS[:2])


def test_native_standby_takes_over_from_a_fallback_master(lab):
    webs(lab)
    master, standby = start(lab, MASTER)
    master.stop()
    standby.wait_vrrp("MASTER")
    lab.client.wait_served("10.20.1.1")
    json.loads(standby.ctl("--json", "show"))


def config_of(name, **fields):
    return PairConfig(**{**FAST, **fields}, xlb=NONE).text(name)


def open_connections(lab, count):
    """Open connections, by the server that holds them."""
    result = {}
    for source in CLIENTS[:count]:
        connection = lab.client.connect(source)
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        result.setdefault(connection.recv(2).decode(), []).append(connection)
    return result


def assert_alive(connections):
    for connection in connections:
        connection.sendall(b"ping")
        assert connection.recv(4) == b"ping"


def test_weights_and_real_servers_change_by_reload_without_touching_other_connections(lab):
    webs(lab)
    master, _ = start(lab, BOTH)
    before = open_connections(lab, 4)
    assert set(before) == {"n1", "n2"}
    master.config.write_text(config_of("n1", weights={"n1": 100, "n2": 0}))
    master.ctl("reload")
    wait_until(lambda: shared(lab, CLIENTS[:10]) == {"n1": 10}, 5, "n2 gets no new connection")
    assert_alive(before["n1"] + before["n2"])
    master.config.write_text(config_of("n1", real_servers=("n1",)))
    master.ctl("reload")
    wait_until(lambda: "10.10.0.2" not in lab.n1.run("nft", "list", "table", "ip", "xlb"), 5, "n2's rules are gone")
    assert_alive(before["n1"])
    master.config.write_text(config_of("n1"))
    master.ctl("reload")
    wait_until(lambda: shared(lab, CLIENTS[:10]) == {"n1": 5, "n2": 5}, 5, "n2 is back")
    assert_alive(before["n1"])
    for connections in before.values():
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("command", ["delete table ip xlb", "flush ruleset", "flush chain ip xlb postrouting"])
def test_rules_changed_by_root_are_written_again(lab, command):
    webs(lab)
    master, _ = start(lab, BOTH)
    lab.n1.run("nft", *command.split())
    wait_until(lambda: "masquerade" in lab.n1.run("nft", "list", "table", "ip", "xlb", check=False).stdout, 1.1,
               "the rules are there again")
    assert shared(lab, CLIENTS[:10]) == {"n1": 5, "n2": 5}
    assert "written again" in master.log_text()


def test_with_the_address_on_the_loopback_interface(lab):
    webs(lab)
    directors = [lab.director(name, PairConfig(**FAST, xlb=f"{NONE}\nlocal_delivery loopback").text(name))
                 for name in ("n1", "n2")]
    directors[0].wait_vrrp("MASTER")
    for director in directors:
        director.wait_forwarding()
    assert shared(lab, CLIENTS[:20]) == {"n1": 10, "n2": 10}
    connections = open_connections(lab, 4)
    wait_until(lambda: [server["active_connections"] for server in
                        directors[0].status()["virtual_servers"][0]["real_servers"]] == [2, 2], 5, "they are counted")
    assert_alive(connections["n1"] + connections["n2"])
    wait_until(lambda: directors[0].real_server("10.10.0.1")["packets"] > 40, 5, "packets are counted")
    for some in connections.values():
        for connection in some:
            connection.close()


@pytest.mark.parametrize("sorry", ["10.10.0.1 80", "127.0.0.1 80"], ids=["own_address", "loopback_address"])
def test_sorry_server_stands_in_and_is_counted(lab, sorry):
    _, failing = webs(lab)
    fields = dict(delay_loop=DELAY_LOOP, check=CHECK, real_servers=("n2",), service_extra=f"sorry_server {sorry}")
    master, _ = start(lab, BOTH, **fields)
    assert shared(lab, CLIENTS[:4]) == {"n2": 4}
    failing.mode = Mode.ERROR_500
    master.wait_real_server("10.10.0.2", "down", OUT_WITHIN)
    wait_until(lambda: shared(lab, CLIENTS[:4]) == {"n1": 4}, 10, "the sorry server answers")
    connection = lab.client.connect(CLIENTS[0])
    connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
    connection.recv(2)

    def told():
        entry = master.status()["virtual_servers"][0]["sorry_server"]
        return entry["forward"] == "Local" and entry["active_connections"] == 1 and entry["packets"] > 4 * 4

    wait_until(told, 5, "its connection and packets are told")
    failing.mode = Mode.OK
    master.wait_real_server("10.10.0.2", "up", BACK_WITHIN)
    wait_until(lambda: shared(lab, CLIENTS[:4]) == {"n2": 4}, 10, "the real server answers again")
    assert_alive([connection])  # what the sorry server began, it finishes
    connection.close()
