"""local_delivery loopback: the VIP on lo instead of translation, with the interfaces quiet about it."""

import dataclasses

from lab import VIP, OwnershipWatch, PairConfig, Poller, wait_until
from lab.topology import client_addresses

CONFIG = PairConfig(version=3, advert_int="0.1", persistence=50, xlb="local_delivery loopback")
CLIENTS = client_addresses(12)
SOON = 1.1  # a second, and what looking takes
SETTINGS = ("arp_ignore", "arp_announce")


def settings(host, interface="eth0"):
    return {name: int(host.run("cat", f"/proc/sys/net/ipv4/conf/{interface}/{name}")) for name in SETTINGS}


def on_loopback(host):
    return [address for address in host.addresses("lo") if not address.startswith("127.")]


def start(lab, config=CONFIG, **web):
    lab.web("n1", **web)
    lab.web("n2", **web)
    directors = lab.pair(config)
    assert {lab.client.wait_served(source) for source in CLIENTS} == {"n1", "n2"}
    return directors


def is_untranslated(host):
    ruleset = host.run("nft", "list", "ruleset")
    return "hook" not in ruleset and "xlb" not in ruleset



def test_both_serve_without_translation_and_only_the_master_answers_arp(lab):
    start(lab)
    for host in (lab.n1, lab.n2):
        assert on_loopback(host) == [f"{VIP}/32"]
        assert settings(host) == {"arp_ignore": 1, "arp_announce": 2}
        assert is_untranslated(host)
    assert f"{VIP}/24" in lab.n1.addresses() and f"{VIP}/24" not in lab.n2.addresses()
    lab.router.ip("neigh", "flush", "dev", "eth0")
    assert lab.client.served(CLIENTS[0])
    neighbour = lab.router.ip_json("neigh", "show", VIP)[0]
    assert neighbour["lladdr"] == lab.n1.mac()


def test_web_server_bound_to_the_vip_itself_serves_in_either_role(lab):
    """It starts before xlbd: the address is not there yet."""
    for host in (lab.n1, lab.n2):
        host.sysctl("net.ipv4.ip_nonlocal_bind", 1)
    start(lab, address=VIP)


def test_connections_outlive_the_election(lab):
    """To the one real server, so that no director's choice matters: it is on the host that stops and comes back."""
    lab.web("n1")
    master, standby = lab.pair(dataclasses.replace(CONFIG, real_servers=("n1",)))
    connections = []
    for source in CLIENTS:
        connection = lab.client.connect(source)
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        assert connection.recv(2) == b"n1"
        connections.append(connection)

    def assert_alive():
        for connection in connections:
            connection.sendall(b"ping")
            assert connection.recv(4) == b"ping"

    with Poller(lab.client, CLIENTS, timeout=1.0) as poller, OwnershipWatch(VIP, lab.n1, lab.n2) as watch:
        wait_until(lambda: all(len(attempts) > 5 for attempts in poller.attempts.values()), 5, "requests before")
        master.stop()
        standby.wait_vrrp("MASTER")
        assert on_loopback(lab.n1) == [f"{VIP}/32"], "its frames still find their server"
        assert settings(lab.n1) == {"arp_ignore": 1, "arp_announce": 2}
        assert_alive()
        master.start()
        master.wait_vrrp("MASTER")
        standby.wait_vrrp("BACKUP")
        asked = {source: len(attempts) for source, attempts in poller.attempts.items()}
        wait_until(lambda: all(len(attempts) > asked[source] + 5 for source, attempts in poller.attempts.items()), 5,
                   "requests after")
        assert_alive()
    assert poller.failures() == []
    assert watch.longest_shared() <= 0.1
    assert on_loopback(lab.n1) == [f"{VIP}/32"] and on_loopback(lab.n2) == []
    for connection in connections:
        connection.close()


def test_purge_puts_back_what_was_there_also_after_a_crash(lab):
    lab.n1.sysctl("net.ipv4.conf.eth0.arp_announce", 1)
    lab.n2.sysctl("net.ipv4.conf.eth0.arp_ignore", 2)
    master, standby = start(lab)
    assert settings(lab.n2) == {"arp_ignore": 2, "arp_announce": 2}
    master.kill()
    master.start()
    master.wait_vrrp("MASTER")
    master.kill()
    master.purge()
    assert on_loopback(lab.n1) == []
    assert settings(lab.n1) == {"arp_ignore": 0, "arp_announce": 1}
    assert standby.stop() == 0
    assert "virtual addresses on lo" in standby.log_text()
    standby.purge()
    assert on_loopback(lab.n2) == []
    assert settings(lab.n2) == {"arp_ignore": 2, "arp_announce": 0}
    assert not any(master.run_dir.glob("loopback*")) and not any(standby.run_dir.glob("interface*"))


def test_address_that_was_there_before_stays(lab):
    lab.n2.ip("addr", "add", f"{VIP}/32", "dev", "lo")
    _, standby = start(lab)
    standby.stop()
    standby.purge()
    assert on_loopback(lab.n2) == [f"{VIP}/32"]


def test_what_root_undoes_is_done_again(lab):
    _, standby = start(lab)
    said = len(standby.log_text())
    lab.n2.ip("addr", "del", f"{VIP}/32", "dev", "lo")
    wait_until(lambda: on_loopback(lab.n2) == [f"{VIP}/32"], SOON, "the address is back")
    lab.n2.sysctl("net.ipv4.conf.eth0.arp_ignore", 0)
    wait_until(lambda: settings(lab.n2)["arp_ignore"] == 1, SOON, "the interface is quiet again")
    lines = [line for line in standby.log_text()[said:].splitlines() if "again" in line]
    assert len(lines) == 2 and VIP in lines[0] and "arp_ignore" in lines[1]
    assert {lab.client.wait_served(source) for source in CLIENTS} == {"n1", "n2"}


def test_reload_changes_the_way_of_delivery(lab):
    directors = start(lab)
    translated = dataclasses.replace(CONFIG, xlb="local_delivery nat")
    for director in directors:
        director.config.write_text(translated.text(director.name))
        director.ctl("reload")
        wait_until(lambda host=director.host: on_loopback(host) == [] and not is_untranslated(host), 3, "the address is off lo")
        assert settings(director.host) == {"arp_ignore": 0, "arp_announce": 0}
    assert {lab.client.wait_served(source) for source in CLIENTS} == {"n1", "n2"}
    for director in directors:
        director.config.write_text(CONFIG.text(director.name))
        director.ctl("reload")
        wait_until(lambda host=director.host: on_loopback(host) and is_untranslated(host), 3, "the address is on lo")
    assert {lab.client.wait_served(source) for source in CLIENTS} == {"n1", "n2"}
