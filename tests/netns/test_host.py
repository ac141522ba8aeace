"""What xlb leaves of the host it runs on: other people's rules, its own traces, and what a crash leaves behind."""

import json

import pytest

from lab import VIP, PairConfig, Poller, wait_until
from lab.topology import client_addresses

CONFIG = PairConfig(version=3, advert_int="0.1", persistence=50)

OPERATOR_TABLE = """
table inet operator {
    set blocked { type ipv4_addr; elements = { 192.0.2.66, 192.0.2.77 } }
    chain input {
        type filter hook input priority filter; policy accept;
        ip saddr @blocked drop
        tcp dport 2222 reject
    }
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr 10.10.0.99 tcp dport 8080 redirect to :80
    }
}
table ip nat {
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr 192.0.2.1 tcp dport 80 dnat to 192.0.2.2:80
    }
}
"""


def operators_tables(host):
    return [host.run("nft", "-a", "list", "table", *table) for table in (("inet", "operator"), ("ip", "nat"))]


def tables(host):
    """Names of the tables in the host, as "family name"."""
    document = json.loads(host.run("nft", "-j", "list", "tables"))
    return sorted(f"{entry['table']['family']} {entry['table']['name']}" for entry in document["nftables"]
                  if "table" in entry)


def serve(lab, config=CONFIG):
    lab.web("n1")
    lab.web("n2")
    return lab.pair(config)


def assert_both_serve(lab):
    assert {lab.client.get(source).server for source in client_addresses(12)} == {"n1", "n2"}


class Elsewhere:
    """A host whose daemon is started in another network namespace."""

    def __init__(self, host, starts_in):
        self._host = host
        self.command = starts_in.command

    def __getattr__(self, name):
        return getattr(self._host, name)


def test_net_namespace_names_where_the_daemon_works(lab):
    lab.web("n1")
    lab.web("n2")
    master, standby = (
        lab.director(name, f"net_namespace {getattr(lab, name).name}\n{CONFIG.text(name)}", start=False)
        for name in ("n1", "n2"))
    for director in (master, standby):
        director.host = Elsewhere(director.host, lab.switch)
        director.start()
    lab.settled([master, standby])
    assert_both_serve(lab)
    assert f"{VIP}/24" in lab.n1.addresses()
    master.apply(master.config.read_text().replace("weight 100", "weight 50"))
    wait_until(lambda: master.real_server("10.10.0.2")["weight"] == 50, 5, "a reload is heard there too")


def test_operators_tables_are_the_same_before_during_and_after(lab):
    for host in (lab.n1, lab.n2):
        host.nft(OPERATOR_TABLE)
    before = operators_tables(lab.n1)
    directors = serve(lab)
    assert_both_serve(lab)
    assert operators_tables(lab.n1) == before
    assert len(tables(lab.n1)) == 3
    for director in directors:
        director.stop()
        assert operators_tables(director.host) == before
        director.purge()
        assert operators_tables(director.host) == before
        assert tables(director.host) == ["inet operator", "ip nat"]


def test_sigterm_removes_all_but_the_local_delivery_and_purge_removes_that_too(lab):
    master, _ = serve(lab)
    assert_both_serve(lab)
    pin = master.run_dir / "bpf" / "xlb"
    assert pin.exists()
    assert master.stop() == 0
    assert f"{VIP}/24" not in lab.n1.addresses()
    assert lab.n1.xdp_mode() is None
    assert not pin.exists()
    assert len(tables(lab.n1)) == 1
    assert "stays" in master.log_text() and "--purge" in master.log_text()
    assert not master.run_dir.joinpath("control.sock").exists()
    # The other director's frames still find their server.
    assert {lab.client.wait_served(source) for source in client_addresses(12)} == {"n1", "n2"}
    master.purge()
    assert tables(lab.n1) == []
    assert master.purge(check=False).returncode == 0


def test_purge_after_a_crash_leaves_nothing(lab):
    master, _ = serve(lab)
    master.kill()
    assert lab.n1.xdp_mode() == "native"
    assert f"{VIP}/24" in lab.n1.addresses()
    master.purge()
    assert lab.n1.xdp_mode() is None
    assert f"{VIP}/24" not in lab.n1.addresses()
    assert tables(lab.n1) == []
    assert not master.run_dir.exists()


def test_kernel_forwards_on_after_sigkill_and_the_next_start_adopts(lab):
    master, standby = serve(lab)
    # Its local delivery stays; without a second director, mastership has nowhere to go.
    standby.stop()
    before = {source: lab.client.wait_served(source) for source in client_addresses(12)}
    assert set(before.values()) == {"n1", "n2"}
    downloads = []
    for source in client_addresses(4):
        connection = lab.client.connect(source)
        connection.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
        connection.recv(4)
        downloads.append(connection)
    with Poller(lab.client, client_addresses(12), timeout=1.0) as poller:
        def asked(times):
            return all(len(attempts) > times for attempts in poller.attempts.values())

        master.kill()
        log_until_kill = len(master.log_text())
        wait_until(lambda: asked(8), 10, "requests without a daemon")
        master.start()
        master.wait_vrrp("MASTER")
        wait_until(lambda: asked(20), 10, "requests after the start")
    assert poller.failures() == []
    assert {source: {attempt.server for attempt in attempts} for source, attempts in poller.attempts.items()} == {
        source: {server} for source, server in before.items()}
    for connection in downloads:
        assert connection.recv(1)
        connection.close()
    assert "error" not in master.log_text()[log_until_kill:].lower()
    assert lab.n1.addresses().count(f"{VIP}/24") == 1
    assert len(tables(lab.n1)) == 1


def test_weight_zero_keeps_open_connections_and_sends_new_ones_elsewhere(lab):
    """The configuration is exchanged over a crash: the next daemon adopts the connections."""
    lab.web("n1")
    lab.web("n2")
    config = PairConfig(version=3, advert_int="1")
    master, _ = lab.pair(config)
    on = {}
    for source in client_addresses(2):
        connection = lab.client.connect(source)
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        on[connection.recv(2).decode()] = connection
    assert set(on) == {"n1", "n2"}
    master.kill()
    config.weights["n2"] = 0
    master.config.write_text(config.text("n1"))
    master.start()
    master.wait_forwarding()
    assert {lab.client.get(source).server for source in client_addresses(12)} == {"n1"}
    for connection in on.values():
        connection.sendall(b"ping")
        assert connection.recv(4) == b"ping"
        connection.close()


def test_second_xlbd_on_the_same_run_directory_is_refused(lab):
    master, _ = serve(lab)
    from lab.director import xlbd_path
    second = master.host.run(xlbd_path(), "-f", master.config, "--run-dir", master.run_dir, check=False)
    assert second.returncode != 0 and "error" in second.stderr
    assert_both_serve(lab)
    assert master.alive


def test_xlbctl_tells_an_unreachable_daemon_and_a_wrong_command_apart(lab):
    director = lab.director("n1", CONFIG.text("n1"), start=False)
    unreachable = director.ctl("show", check=False)
    assert unreachable.returncode == 3 and unreachable.stderr.startswith("error: ")
    assert director.ctl("sing", check=False).returncode == 2


def test_sigusr1_logs_a_summary(lab):
    import signal
    director = lab.director("n1", CONFIG.text("n1"))
    before = len(director.log_text())
    director.signal(signal.SIGUSR1)
    wait_until(lambda: "VI_1" in director.log_text()[before:], 3, "a summary in the log")


@pytest.mark.parametrize("word", ["lvs_sync_daemon", "snmp_name"])
def test_word_xlb_does_not_act_on_is_warned_about_and_does_not_stop_it(lab, word):
    line = {"lvs_sync_daemon": "global_defs {\n lvs_sync_daemon eth0 VI_1\n}\n", "snmp_name": ""}[word]
    text = CONFIG.text("n1")
    text = line + text if line else text.replace("lb_kind DR", "lb_kind DR\n    snmp_name web")
    director = lab.director("n1", text)
    assert word in director.log_text()
    assert director.get("/readyz")[0] == 200


# A client may talk to the status port, but only as HTTP.
def test_hostile_http_client_does_not_hurt(lab):
    director = lab.director("n1", CONFIG.text("n1"))
    for request in (b"\0" * 4096, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"GET /v1/status HTTP/1.1\r\n" + b"X: y\r\n" * 5000,
                    b"POST /v1/status HTTP/1.1\r\nContent-Length: 99999999\r\n\r\nx"):
        with director.host.socket() as connection:
            connection.settimeout(2)
            connection.connect(("127.0.0.1", 9780))
            try:
                connection.sendall(request)
                connection.recv(100)
            except OSError:
                pass
    idle = [director.host.socket() for _ in range(50)]
    for connection in idle:
        connection.connect(("127.0.0.1", 9780))
    wait_until(lambda: director.alive and director.vrrp_state() == "MASTER", 15, "status is served beside idle clients")
    for connection in idle:
        connection.close()
