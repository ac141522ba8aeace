"""A real server that fails in any way gets no traffic within the configured time, and gets it back after recovery."""

import hashlib
import ssl
import time

import pytest

from lab import Mode, PairConfig, Poller, wait_until
from lab.config import http_check
from lab.tls import make_certificate
from lab.topology import client_addresses

DELAY_LOOP = 1
RETRY = 1
TIMEOUT = 1
CHECK = http_check(connect_timeout=TIMEOUT, retry=RETRY, before_retry=1)
# The phase, then RETRY+1 attempts that each may take the whole timeout, with a pause between them; and a second in
# which status and tables follow.
OUT_WITHIN = DELAY_LOOP + (RETRY + 1) * TIMEOUT + RETRY * 1 + 1
BACK_WITHIN = DELAY_LOOP + TIMEOUT + 1 + 1
CONFIG = PairConfig(version=3, advert_int="0.1", delay_loop=DELAY_LOOP, check=CHECK)


def start(lab, config=CONFIG):
    healthy, failing = lab.web("n1"), lab.web("n2")
    master, standby = lab.pair(config)
    for web in (healthy, failing):
        wait_until(lambda web=web: len(web.checks) >= 2, 5, "both directors check")
    return failing, master, standby


def assert_served_by(lab, *servers):
    assert {lab.client.get(source).server for source in client_addresses(12)} == set(servers)


@pytest.mark.parametrize("mode", [Mode.ERROR_500, Mode.OTHER_BODY, Mode.HANG, Mode.DRIP, Mode.ENDLESS],
                         ids=lambda mode: mode.value.replace(" ", "_"))
def test_real_server_that_answers_wrongly_is_taken_out_and_back_without_losing_requests(lab, mode):
    failing, master, standby = start(lab)
    assert_served_by(lab, "n1", "n2")
    with Poller(lab.client, client_addresses(8), timeout=1.0) as poller:
        failing.mode = mode
        out = master.wait_real_server("10.10.0.2", "down", OUT_WITHIN)
        out_at = time.monotonic()
        standby.wait_real_server("10.10.0.2", "down", OUT_WITHIN)
        print(f"{mode.value}: out after {out:.2f} s: {master.real_server('10.10.0.2')['reason']}")
        assert master.real_server("10.10.0.2")["reason"]
        assert_served_by(lab, "n1")
        failing.mode = Mode.OK
        back = master.wait_real_server("10.10.0.2", "up", BACK_WITHIN)
        print(f"back after {back:.2f} s")
        assert_served_by(lab, "n1", "n2")
    # Only what was already on the real server when it was taken out may be lost.
    lost = [attempt for _, attempt in poller.failures() if attempt.started > out_at or attempt.ended < out_at - 1.5]
    assert not lost, lost


def test_stopped_web_server_is_taken_out_and_back(lab):
    failing, master, _ = start(lab)
    failing.stop()
    out = master.wait_real_server("10.10.0.2", "down", OUT_WITHIN)
    print(f"out after {out:.2f} s: {master.real_server('10.10.0.2')['reason']}")
    assert "refused" in master.real_server("10.10.0.2")["reason"].lower()
    assert_served_by(lab, "n1")
    failing.start()
    master.wait_real_server("10.10.0.2", "up", BACK_WITHIN)
    assert_served_by(lab, "n1", "n2")


def test_clients_stuck_to_a_dead_real_server_move_at_once(lab):
    config = PairConfig(version=3, advert_int="0.1", delay_loop=DELAY_LOOP, check=CHECK, persistence=50)
    failing, master, _ = start(lab, config)
    before = {source: lab.client.get(source).server for source in client_addresses(12)}
    stuck = [source for source, server in before.items() if server == "n2"]
    assert len(stuck) == 6
    failing.stop()
    master.wait_real_server("10.10.0.2", "down", OUT_WITHIN)
    assert {lab.client.get(source).server for source in stuck} == {"n1"}


def test_open_connection_to_a_real_server_taken_out_hears_a_reset(lab):
    """The client need not wait for a timeout of its own."""
    failing, master, _ = start(lab)
    connections = [lab.client.connect(source) for source in client_addresses(2)]
    on = {}
    for connection in connections:
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        on[connection.recv(2)] = connection
    failing.mode = Mode.ERROR_500
    master.wait_real_server("10.10.0.2", "down", OUT_WITHIN)
    with pytest.raises(ConnectionResetError):
        on[b"n2"].sendall(b"more")
        on[b"n2"].recv(4)
    on[b"n1"].sendall(b"more")
    assert on[b"n1"].recv(4) == b"more"
    for connection in connections:
        connection.close()


def test_all_real_servers_down_leaves_the_service_down_and_says_so(lab):
    webs = [lab.web("n1"), lab.web("n2")]
    master, _ = lab.pair(CONFIG)
    for web in webs:
        web.mode = Mode.ERROR_500
    for host in (lab.n1, lab.n2):
        master.wait_real_server(host.address, "down", OUT_WITHIN)
    assert master.status()["virtual_servers"][0]["state"] == "down"
    webs[1].mode = Mode.OK
    master.wait_real_server("10.10.0.2", "up", BACK_WITHIN)
    assert_served_by(lab, "n2")


def test_tcp_check_follows_the_port(lab):
    check = "TCP_CHECK {\n connect_timeout 1\n retry 1\n delay_before_retry 1\n }"
    failing = lab.web("n2")
    lab.web("n1")
    master, _ = lab.pair(PairConfig(version=3, advert_int="0.1", delay_loop=DELAY_LOOP, check=check))
    failing.stop()
    master.wait_real_server("10.10.0.2", "down", OUT_WITHIN)
    failing.start()
    master.wait_real_server("10.10.0.2", "up", BACK_WITHIN)


def test_status_code_alone_is_checked_when_no_digest_is_given(lab):
    check = http_check(digest=None, status_code=200, connect_timeout=1)
    failing, master, _ = start(lab, PairConfig(version=3, advert_int="0.1", delay_loop=DELAY_LOOP, check=check))
    failing.mode = Mode.OTHER_BODY
    seen = len(failing.checks)
    wait_until(lambda: len(failing.checks) >= seen + 6, 10, "both directors check three more times")
    assert master.real_server("10.10.0.2")["state"] == "up"
    failing.mode = Mode.ERROR_500
    master.wait_real_server("10.10.0.2", "down", OUT_WITHIN)


def tls_get(lab, source):
    """What a client gets through the virtual address."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with lab.client.connect(source, port=443) as plain, context.wrap_socket(plain) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while received := connection.recv(4096):
            answer += received
    return answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("name, words", [
    (None, "virtualhost shop.example"),
    ("shop.example", "virtualhost shop.example:443\n enable_sni"),
    ("other.example", "virtualhost shop.example\n sni_name other.example"),
], ids=["without_sni", "enable_sni", "sni_name"])
def test_ssl_get_looks_at_the_digest_behind_a_self_signed_certificate(lab, name, words):
    good = b"open for business\n"
    servers = {host: lab.tls(host, good) for host in ("n1", "n2")}
    check = f"""
        SSL_GET {{
            url {{
                path /health
                digest {hashlib.md5(good).hexdigest()}
            }}
            {words}
            connect_timeout 2
            retry 0
            delay_before_retry 1
        }}"""
    master, _ = lab.pair(PairConfig(version=3, advert_int="0.1", port=443, delay_loop=DELAY_LOOP, check=check))
    for server in servers.values():
        wait_until(lambda server=server: len(server.names) >= 4, 10, "both directors have checked twice")
        assert set(server.names) == {name}
    assert all(master.real_server(host.address)["state"] == "up" for host in (lab.n1, lab.n2))
    servers["n2"].body = b"closed\n"
    master.wait_real_server("10.10.0.2", "down", DELAY_LOOP + 2 + 2)
    assert "digest" in master.real_server("10.10.0.2")["reason"].lower()
    assert {tls_get(lab, source) for source in client_addresses(6)} == {good}
    servers["n2"].body = good
    master.wait_real_server("10.10.0.2", "up", DELAY_LOOP + 2 + 2)


@pytest.mark.parametrize("password", [None, "open sesame"], ids=["plain_key", "encrypted_key"])
def test_ssl_get_shows_the_certificate_of_the_ssl_block(lab, password):
    key, certificate = make_certificate(lab.directory, "director", password)
    for name in ("n1", "n2"):
        lab.tls(name, b"ok\n", only=certificate)
    check = "SSL_GET {\n url {\n path /\n status_code 200\n }\n connect_timeout 2\n retry 0\n }"
    config = PairConfig(version=3, advert_int="0.1", port=443, delay_loop=DELAY_LOOP, check=check).text("n1")
    shown = f"SSL {{\n certificate {certificate}\n key {key}\n"
    shown += f' password "{password}"\n}}\n' if password else "}\n"
    director = lab.director("n1", shown + config)
    wait_until(lambda: all(real_server["checks"][0]["attempts"] >= 2 and real_server["state"] == "up"
                           for real_server in director.status()["virtual_servers"][0]["real_servers"]), 10,
               "real servers that ask for a certificate are up")
    director.apply(config)  # without SSL
    for address in ("10.10.0.1", "10.10.0.2"):
        director.wait_real_server(address, "down", DELAY_LOOP + 2 + 2)


def test_ssl_get_fails_on_a_server_that_speaks_no_tls(lab):
    lab.tls("n1", b"ok\n")
    lab.web("n2", port=443)
    check = """
        SSL_GET {
            url {
                path /
                status_code 200
            }
            connect_timeout 1
            retry 0
            delay_before_retry 1
        }"""
    master = lab.director("n1", PairConfig(version=3, advert_int="0.1", port=443, delay_loop=DELAY_LOOP, check=check).text("n1"))
    master.wait_real_server("10.10.0.2", "down", DELAY_LOOP + 1 + 2)
    assert master.real_server("10.10.0.2")["reason"]
    assert master.real_server("10.10.0.1")["state"] == "up"
