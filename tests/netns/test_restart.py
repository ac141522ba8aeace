"""A daemon that ends, however it ends, and the next one: nothing that is under way notices."""

from lab import VIP, LongConnections, OwnershipWatch, PairConfig, Poller, UdpProbe, wait_until
from lab.config import http_check
from lab.director import next_xlbd_path, xlbd_path
from lab.topology import client_addresses

CONFIG = dict(version=3, advert_int="0.5")


def test_upgrades_kills_restarts_and_reloads_lose_nothing_and_move_nothing(lab):
    for name in ("n1", "n2"):
        lab.web(name)
        lab.udp_echo(name)
    # However busy the machine, each start is to come before the standby's patience ends, 3.6 s.
    config = PairConfig(version=3, advert_int="1")
    udp = PairConfig(protocol="UDP", port=5353).services()
    master, standby = [lab.director(name, config.text(name) + udp) for name in ("n1", "n2")]
    master.wait_vrrp("MASTER")
    for director in (master, standby):
        director.wait_forwarding()
    connections = LongConnections(lab.client, 20)
    assert connections.servers == {"n1": 10, "n2": 10}
    link, program = master.xdp_link()
    versions, programs = set(), {program}

    def go_on(**how):
        master.restart(**how)
        assert master.vrrp_state() == "MASTER"
        versions.add(master.status()["version"])
        programs.add(master.xdp_link()[1])
        assert master.xdp_link()[0] == link

    sources = client_addresses(50)
    probe = UdpProbe(lab.topology.client, sources[-1])
    with OwnershipWatch(VIP, lab.n1, lab.n2) as ownership, Poller(lab.client, sources[40:44], timeout=1.0) as poller:
        for number in range(5):
            master.program = xlbd_path() if number % 2 else next_xlbd_path()
            go_on()
        for number in range(20):
            go_on(killed=number % 2 == 1)
        for number in range(100):
            config.weights["n2"] = 100 - number % 3
            master.config.write_text(config.text("n1") + udp)
            master.ctl("reload")
        probe.stop()
        connections.stop()
    assert ownership.holder_counts() == {1}
    assert connections.failures == [] and connections.rounds > 20
    assert poller.failures() == []
    print(f"{probe.sent} datagrams in {probe.seconds:.1f} s, {connections.rounds} rounds on 20 connections")
    assert probe.sent > 500 * probe.seconds and probe.lost_at() == []
    assert len(versions) == 2
    assert len(programs) > 1 and master.xdp_link()[0] == link  # replaced, never detached
    assert standby.status()["vrrp"][0]["transitions"] == 0


def test_start_long_after_the_last_advert_begins_as_backup(lab):
    lab.web("n1")
    lab.web("n2")
    master, standby = lab.pair(PairConfig(**CONFIG, vrrp_extra="nopreempt"))
    master.kill()
    standby.wait_vrrp("MASTER")
    master.start()
    assert master.vrrp_state() == "BACKUP"
    assert f"{VIP}/24" not in lab.n1.addresses()
    assert standby.vrrp_state() == "MASTER"


def test_restart_never_puts_a_dead_real_server_back_in(lab):
    lab.web("n1")
    config = PairConfig(**CONFIG, delay_loop=1, check=http_check(path="/who", digest=None, retry=3))
    master = lab.director("n1", config.text("n1"))
    master.wait_vrrp("MASTER")
    master.wait_real_server("10.10.0.2", "down", 20)
    with Poller(lab.client, client_addresses(6), timeout=1.0) as poller:
        for _ in range(5):
            master.kill()
            master.start()
            assert master.real_server("10.10.0.2")["state"] == "down"
    assert poller.failures() == []


def test_counters_go_on(lab):
    for name in ("n1", "n2"):
        lab.web(name)
    master, _ = lab.pair(PairConfig(**CONFIG))
    for source in client_addresses(10):
        lab.client.get(source)
    before = master.status()["virtual_servers"][0]["packets"]
    assert before > 0
    master.kill()
    master.start()
    wait_until(lambda: master.status()["virtual_servers"][0]["packets"] >= before, 5, "the counters go on")
