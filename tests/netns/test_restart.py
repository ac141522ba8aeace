"""A daemon that ends, however it ends, and the next one: nothing that is under way notices."""

import json
import signal
import threading

from lab import VIP, PairConfig, Poller, wait_until
from lab.config import http_check
from lab.topology import client_addresses

CONFIG = dict(version=3, advert_int="0.5")


class UdpProbe:
    """One datagram a millisecond on one flow, each numbered; what never comes back is lost."""

    def __init__(self, lab, port=5353):
        self._socket = lab.topology.client.socket(kind=2)
        self._socket.settimeout(0.5)
        self._socket.bind((client_addresses(50)[-1], 0))
        self._socket.connect((VIP, port))
        self._stopping = threading.Event()
        self.lost = 0
        self.answered = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopping.wait(0.001):
            try:
                self._socket.send(b"who\n")
                self._socket.recv(2048)
                self.answered += 1
            except OSError:
                self.lost += 1

    def stop(self):
        self._stopping.set()
        self._thread.join()
        self._socket.close()


def link_id(director):
    """Of the XDP link of eth0; the program behind it may be another one."""
    pin = director.run_dir / "bpf" / "link_eth0"
    return json.loads(director.host.run("bpftool", "-j", "link", "show", "pinned", pin))["id"]


def open_connections(lab, count):
    result = []
    for source in client_addresses(count):
        connection = lab.client.connect(source)
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        assert connection.recv(2)
        result.append(connection)
    return result


def test_twenty_restarts_and_kills_lose_nothing_and_move_nothing(lab):
    for name in ("n1", "n2"):
        lab.web(name)
        lab.udp_echo(name)
    config = PairConfig(**CONFIG)
    text = {name: config.text(name) + PairConfig(protocol="UDP", port=5353, **CONFIG).services()
            for name in ("n1", "n2")}
    master = lab.director("n1", text["n1"])
    standby = lab.director("n2", text["n2"])
    master.wait_vrrp("MASTER")
    for director in (master, standby):
        director.wait_forwarding()
    connections = open_connections(lab, 20)
    link = link_id(master)
    probe = UdpProbe(lab)
    with Poller(lab.client, client_addresses(4), timeout=1.0) as poller:
        for round_number in range(20):
            if round_number % 2:
                master.kill()
            else:  # as systemctl restart does
                master.signal(signal.SIGUSR2)
                assert master.wait_end() == 0
            master.start()
            assert master.vrrp_state() == "MASTER"
    probe.stop()
    assert poller.failures() == []
    assert probe.answered > 100 and probe.lost == 0
    assert link_id(master) == link
    assert standby.status()["vrrp"][0]["transitions"] == 0
    assert f"{VIP}/24" not in lab.n2.addresses()
    for connection in connections:
        connection.sendall(b"ping")
        assert connection.recv(4) == b"ping"


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
