"""Another configuration while running: what did not change keeps its connections, health and role."""

import signal

from lab import VIP, PairConfig, wait_until
from lab.config import http_check
from lab.topology import client_addresses

CONFIG = dict(version=3, advert_int="0.1")


def rewrite(director, config):
    director.config.write_text(config.text(director.name))


def long_connections(lab, count):
    """Open connections, by the server that holds them."""
    result = {}
    for source in client_addresses(count):
        connection = lab.client.connect(source)
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        result.setdefault(connection.recv(2).decode(), []).append(connection)
    return result


def assert_alive(connections):
    for connection in connections:
        connection.sendall(b"ping")
        assert connection.recv(4) == b"ping"


def serve(lab, **options):
    for name in ("n1", "n2"):
        lab.web(name)
    config = PairConfig(**CONFIG, **options)
    return config, *lab.pair(config)


def test_weight_changes_without_a_flap_or_a_lost_connection(lab):
    config, master, standby = serve(lab)
    before = long_connections(lab, 4)
    assert set(before) == {"n1", "n2"}
    transitions = [director.status()["vrrp"][0]["transitions"] for director in (master, standby)]
    config.weights["n2"] = 0
    rewrite(master, config)
    changes = master.ctl("reload")
    assert "10.10.0.2:80: weight 100 -> 0" in changes
    assert {lab.client.get(source).server for source in client_addresses(12)} == {"n1"}
    assert_alive(before["n1"] + before["n2"])
    assert [director.status()["vrrp"][0]["transitions"] for director in (master, standby)] == transitions


def test_dry_run_prints_the_difference_and_changes_nothing(lab):
    config, master, _ = serve(lab)
    config.weights["n2"] = 0
    rewrite(master, config)
    assert "weight 100 -> 0" in master.ctl("reload", "--dry-run")
    assert {lab.client.get(source).server for source in client_addresses(12)} == {"n1", "n2"}
    assert master.real_server("10.10.0.2")["weight"] == 100


def test_broken_file_changes_nothing_and_says_where(lab):
    config, master, _ = serve(lab)
    text = config.text("n1")
    master.config.write_text(text.replace("weight 100", "weight 100x", 1))
    refused = master.ctl("reload", check=False)
    assert refused.returncode == 1
    line = text[:text.index("weight 100")].count("\n") + 1
    assert f":{line}:" in refused.stderr and "error: " in refused.stderr
    master.signal(signal.SIGHUP)
    wait_until(lambda: "the running configuration goes on" in master.log_text(), 5, "the refusal is logged")
    assert master.vrrp_state() == "MASTER"
    assert {lab.client.get(source).server for source in client_addresses(12)} == {"n1", "n2"}


def test_removed_real_server_ends_only_its_own_connections(lab):
    config, master, standby = serve(lab)
    before = long_connections(lab, 4)
    config.real_servers = ("n1",)
    for director in (master, standby):
        rewrite(director, config)
        director.ctl("reload")
    assert_alive(before["n1"])
    assert {lab.client.get(source).server for source in client_addresses(12)} == {"n1"}
    config.real_servers = ("n1", "n2")
    for director in (master, standby):
        rewrite(director, config)
        director.ctl("reload")
        director.wait_forwarding()
    assert {lab.client.get(source).server for source in client_addresses(12)} == {"n1", "n2"}
    assert_alive(before["n1"])


def test_virtual_server_and_address_come_and_go(lab):
    config, master, standby = serve(lab)
    before = long_connections(lab, 2)
    second = "10.10.0.4"
    for director in (master, standby):
        text = config.text(director.name)
        text = text.replace(f"{VIP}/24", f"{VIP}/24\n        {second}/24")
        text += config.services().replace(VIP, second)
        director.config.write_text(text)
        director.ctl("reload")
        director.wait_forwarding()
    assert f"{second}/24" in lab.n1.addresses()
    assert {lab.client.wait_served(source, address=second) for source in client_addresses(12)} == {"n1", "n2"}
    for director in (master, standby):
        rewrite(director, config)
        director.ctl("reload")
    assert f"{second}/24" not in lab.n1.addresses()
    assert lab.client.served("10.20.1.1", address=second, timeout=0.3) is None
    for connections in before.values():
        assert_alive(connections)


def test_priority_change_moves_mastership(lab):
    config, master, standby = serve(lab)
    config.priorities["n1"] = 50
    rewrite(master, config)
    assert "priority 200 -> 50" in master.ctl("reload")
    standby.wait_vrrp("MASTER")
    master.wait_vrrp("BACKUP")
    assert f"{VIP}/24" not in lab.n1.addresses() and f"{VIP}/24" in lab.n2.addresses()


def test_health_is_not_forgotten(lab):
    lab.web("n1")
    config = PairConfig(**CONFIG, delay_loop=1, check=http_check(path="/who", digest=None, retry=0))
    master = lab.director("n1", config.text("n1"))
    master.wait_vrrp("MASTER")
    master.wait_real_server("10.10.0.2", "down", 10)
    # The check itself changes, so it starts anew, but from the verdict that it had.
    config.check = http_check(path="/who", digest=None, retry=2)
    rewrite(master, config)
    master.ctl("reload")
    assert master.real_server("10.10.0.2")["state"] == "down"
    assert {lab.client.get(source).server for source in client_addresses(8)} == {"n1"}
