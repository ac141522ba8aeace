"""Every kind of check against real peers, hostile ones too: the verdict follows the server, within the deadline; what
checks say of weights reaches the tables; what a reload and ha_suspend do to them."""

import pathlib
import time

import pytest

from lab import ADDRESSES6, VIP, VIP6, add_ipv6, wait_until
from lab.checked import HOSTILE, MailServer, NameServer, StreamServer

SERVER = "10.10.0.2"


def config(checks, service="", real_server="weight 100", before=""):
    return f"""
{before}
xlb {{
    interfaces eth0
}}
virtual_server {VIP} 80 {{
    delay_loop 0.2
    lvs_method DR
    lvs_sched wrr
    protocol TCP
    delay_before_retry 0.1
    connect_timeout 0.5
    {service}
    real_server {SERVER} 80 {{
        {real_server}
        {checks}
    }}
}}
"""


def checks_of(director):
    return director.status()["virtual_servers"][0]["real_servers"][0]["checks"]


def wait_check(director, kind, up, text="", timeout=8):
    """The check of that kind, once its verdict and its last result are these."""
    found = {}

    def there():
        found.update(next(check for check in checks_of(director) if check["kind"] == kind))
        return found["attempts"] > 0 and found["up"] is up and text in found["result"]

    try:
        wait_until(there, timeout, f"{kind} is {'up' if up else 'down'}: {text}")
    except Exception:
        print(found)
        raise
    return found


def http_check(url, more=""):
    return f"HTTP_GET {{\n {more}\n url {{\n path /\n {url}\n }}\n }}"


def test_smtp_check_follows_its_mail_server(lab):
    mail = lab.own(MailServer(lab.n2))
    director = lab.director("n1", config("SMTP_CHECK {\n connect_port 25\n helo_name lb.example.org\n }"))
    wait_check(director, "SMTP_CHECK", True, "greeting 220, HELO 250")
    assert mail.heard[:2] == ["HELO lb.example.org", "QUIT"]
    for mode, text in (("busy", "421 too busy"), ("stall", "no greeting within 0.5 s"),
                       ("flood", "more than 64 lines")):
        mail.mode = mode
        wait_check(director, "SMTP_CHECK", False, text)
    mail.mode = "ok"
    wait_check(director, "SMTP_CHECK", True)


def test_dns_check_follows_its_name_server(lab):
    names = lab.own(NameServer(lab.n2))
    director = lab.director("n1", config("DNS_CHECK {\n connect_port 53\n type MX\n name example.org\n retry 0\n }"))
    wait_check(director, "DNS_CHECK", True, "answered in")
    assert names.questions[0] == ("example.org", 15)
    for mode, text in (("refuse", "answered REFUSED"), ("silent", "no reply within 0.5 s"),
                       ("garbage", "no reply within 0.5 s, but 5 others")):
        names.mode = mode
        wait_check(director, "DNS_CHECK", False, text)
    names.mode = "ok"
    wait_check(director, "DNS_CHECK", True)
    names.close()
    wait_check(director, "DNS_CHECK", False, "Connection refused")


def test_udp_check_hears_replies_and_icmp_errors(lab):
    echo = lab.udp_echo("n2", port=5353)
    wanted = "require_reply " + b"n2 10".hex() + "\n max_reply_length 40"
    director = lab.director("n1", config(f"UDP_CHECK {{\n connect_port 5353\n {wanted}\n }}"))
    wait_check(director, "UDP_CHECK", True, "answered with")
    echo.close()
    wait_check(director, "UDP_CHECK", False, "Connection refused")


def test_ping_check_of_both_families(lab):
    add_ipv6(lab)
    v6 = f"""
virtual_server {VIP6} 80 {{
    delay_loop 0.2
    lvs_method DR
    protocol TCP
    connect_timeout 0.5
    real_server {ADDRESSES6["n2"]} 80 {{
        PING_CHECK {{
        }}
    }}
}}
"""
    director = lab.director("n1", config("PING_CHECK {\n }") + v6)
    wait_check(director, "PING_CHECK", True, "echo reply in")

    def second():
        return director.status()["virtual_servers"][1]["real_servers"][0]["checks"][0]

    wait_until(lambda: second()["up"] and "echo reply" in second()["result"], 8, "an ICMPv6 echo reply")
    lab.n2.sysctl("net.ipv4.icmp_echo_ignore_all", "1")
    lab.n2.sysctl("net.ipv6.icmp.echo_ignore_all", "1")
    wait_check(director, "PING_CHECK", False, "no reply within 0.5 s")
    wait_until(lambda: not second()["up"], 8, "ICMPv6 unanswered")
    lab.n2.sysctl("net.ipv4.icmp_echo_ignore_all", "0")
    wait_check(director, "PING_CHECK", True)


def test_regex_follows_the_body_of_a_real_web_server(lab):
    lab.nginx("n2")
    wanted = 'path /who\n regex "^N2 (10\\.){2}"\n regex_options caseless'
    checks = http_check("").replace("path /", wanted)
    director = lab.director("n1", config(checks))
    wait_check(director, "HTTP_GET", True, "HTTP 200, regex matches")
    director.config.write_text(config(checks.replace("{2}", "{3}")))
    director.ctl("reload")
    wait_check(director, "HTTP_GET", False, "regex does not match")


def test_bad_regex_is_an_error_with_its_place(lab):
    lab.nginx("n2")
    director = lab.director("n1", config(http_check("regex ok")))
    director.config.write_text(config(http_check('regex "a(b"')))
    refused = director.host.run(director.program, "-t", "-f", director.config, check=False)
    answer = director.ctl("reload", check=False)
    assert refused.returncode == answer.returncode == 1
    for words in (refused.stdout + refused.stderr, answer.stdout + answer.stderr):
        assert "missing closing parenthesis (at 3)" in words
    assert wait_check(director, "HTTP_GET", False)["kind"] == "HTTP_GET"  # the old one runs on


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_web_server_is_down_in_time_and_in_bounded_memory(lab, name):
    """Fifty checks of it at once."""
    lab.own(StreamServer(lab.n2, 80, HOSTILE[name]))
    one = http_check("digest d41d8cd98f00b204e9800998ecf8427e")
    director = lab.director("n1", config("alpha\n" + one * 50))

    def resident_kib():
        for line in pathlib.Path(f"/proc/{director.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    wait_until(lambda: all(check["attempts"] >= 1 for check in checks_of(director)), 15, "every check has an outcome")
    before = resident_kib()
    wait_until(lambda: all(check["attempts"] >= 3 for check in checks_of(director)), 20, "three attempts of each")
    assert not any(check["up"] for check in checks_of(director)), checks_of(director)[0]
    assert {check["result"] for check in checks_of(director)} != {""}
    print(name, {check["result"] for check in checks_of(director)}, resident_kib() - before)
    assert resident_kib() - before < 64 * 1024
    assert director.alive


def test_a_tls_server_that_stalls_or_speaks_something_else_is_down(lab):
    director = lab.director("n1", config("SSL_GET {\n connect_port 443\n url {\n path /\n }\n }"))
    for serve, text in ((HOSTILE["hang"], "TLS handshake: no answer within 0.5 s"),
                        (HOSTILE["other_protocol"], "TLS handshake"), (HOSTILE["reset"], "reset")):
        server = StreamServer(lab.n2, 443, serve)
        wait_check(director, "SSL_GET", False, text)
        server.close()


def script(lab, text):
    path = lab.directory / "check.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_misc_dynamic_sets_the_weight_at_once(lab):
    status = lab.directory / "status"
    status.write_text("0")
    program = script(lab, f"exit $(cat {status})")
    director = lab.director("n1", config(f'MISC_CHECK {{\n misc_path "{program}"\n misc_dynamic\n user root\n }}'))

    def real_server():
        return director.real_server(SERVER)

    wait_check(director, "MISC_CHECK", True, "exited 0")
    assert (real_server()["weight"], real_server()["configured_weight"]) == (100, 100)
    status.write_text("52")
    wait_until(lambda: real_server()["weight"] == 50, 5, "weight 50")
    assert real_server()["configured_weight"] == 100
    assert director.ctl("show").splitlines()[-1].split()[3] == "50"
    assert director.status()["virtual_servers"][0]["quorum"]["weight"] == 50
    status.write_text("2")
    wait_until(lambda: real_server()["state"] == "draining", 5, "weight 0 drains")
    status.write_text("1")
    wait_until(lambda: real_server()["state"] == "down", 5, "exit status 1")
    status.write_text("255")
    wait_until(lambda: real_server()["state"] == "up" and real_server()["weight"] == 253, 5, "weight 253")


def test_file_check_follows_its_file(lab):
    load, gate = lab.directory / "load", lab.directory / "gate"
    load.write_text("10\n")
    files = f"track_file load {{\n file {load}\n }}\ntrack_file gate {{\n file {gate}\n weight 0\n init_file 0\n }}\n"
    checks = "FILE_CHECK {\n track_file load\n weight -2\n }\nFILE_CHECK {\n track_file gate\n }"
    director = lab.director("n1", config(checks, before=files))

    def weight():
        return director.real_server(SERVER)["weight"]

    wait_until(lambda: weight() == 80, 5, "100 - 2 * 10")
    wait_until(lambda: gate.read_text() == "0\n", 5, "init_file")
    load.write_text("-50")
    wait_until(lambda: weight() == 200, 5, "100 + 2 * 50")
    load.unlink()
    wait_until(lambda: weight() == 100, 5, "no file counts as 0")
    gate.write_text("1")
    wait_until(lambda: director.real_server(SERVER)["state"] == "down", 5, "a number takes it down")
    # A reload of the same checks hears what is in the files.
    director.config.write_text(config(checks + "\nPING_CHECK {\n }", before=files))
    director.ctl("reload")
    wait_check(director, "PING_CHECK", True)
    assert director.real_server(SERVER)["state"] == "down"
    gate.write_text("0")
    wait_until(lambda: director.real_server(SERVER)["state"] == "up", 5, "and 0 lets it back")


def test_misc_check_is_killed_with_what_it_started(lab):
    mark = lab.directory / "mark"
    program = script(lab, f"(sleep 3; touch {mark}) &\nsleep 60")
    checks = f'MISC_CHECK {{\n misc_path "{program}"\n misc_timeout 0.3\n user root\n }}'
    director = lab.director("n1", config(checks))
    wait_check(director, "MISC_CHECK", False, "timed out after 0.3 s")
    director.stop()
    time.sleep(3.2)
    assert not mark.exists()


def test_ha_suspend_checks_only_while_the_address_is_here(lab):
    web = lab.web("n2")
    director = lab.director("n1", config("TCP_CHECK {\n }", service="ha_suspend"))
    assert checks_of(director)[0]["suspended"] and checks_of(director)[0]["attempts"] == 0
    lab.n1.ip("addr", "add", f"{VIP}/24", "dev", "eth0")
    wait_check(director, "TCP_CHECK", True, "connected")
    lab.n1.ip("addr", "del", f"{VIP}/24", "dev", "eth0")
    wait_until(lambda: checks_of(director)[0]["suspended"], 5, "suspended")
    attempts = checks_of(director)[0]["attempts"]
    web.stop()
    time.sleep(1)
    assert checks_of(director)[0]["attempts"] <= attempts + 1
    assert checks_of(director)[0]["up"]
    lab.n1.ip("addr", "add", f"{VIP}/24", "dev", "eth0")
    wait_check(director, "TCP_CHECK", False, "Connection refused")


def test_reload_leaves_unchanged_checks_as_they_are(lab):
    names = lab.own(NameServer(lab.n2))
    names.mode = "refuse"
    dns = "DNS_CHECK {\n connect_port 53\n retry 0\n delay_loop 3600\n }"
    director = lab.director("n1", config(dns))
    before = wait_check(director, "DNS_CHECK", False, "REFUSED")
    director.config.write_text(config(dns + "\nPING_CHECK {\n }", real_server="weight 7"))
    director.ctl("reload")
    wait_check(director, "PING_CHECK", True)
    assert wait_check(director, "DNS_CHECK", False) == before
    assert len(names.questions) == 1
    # A restart keeps the verdict too.
    director.restart()
    assert not checks_of(director)[0]["up"]


def test_checks_leave_from_where_they_are_told(lab):
    lab.n1.ip("addr", "add", "10.10.0.77/24", "dev", "eth0")
    names = lab.own(NameServer(lab.n2))
    source = "bindto 10.10.0.77\n bind_port 4053\n bind_if eth0\n fwmark 5"
    director = lab.director("n1", config(f"DNS_CHECK {{\n connect_port 53\n {source}\n }}"))
    wait_check(director, "DNS_CHECK", True)
    assert set(names.clients) == {("10.10.0.77", 4053)}


def test_log_all_failures_logs_each(lab):
    web = lab.web("n2")
    director = lab.director("n1", config("TCP_CHECK {\n retry 3\n log_all_failures\n }"))
    wait_check(director, "TCP_CHECK", True)
    web.stop()
    wait_check(director, "TCP_CHECK", False)
    assert director.log_text().count("TCP_CHECK of real server 10.10.0.2:80 failed") >= 3


def test_show_checks_lists_them(lab):
    director = lab.director("n1", config("PING_CHECK {\n }\nMISC_CHECK {\n misc_path \"/bin/false x\"\n user root\n }"))
    wait_check(director, "PING_CHECK", True)
    wait_check(director, "MISC_CHECK", False)
    lines = director.ctl("show", "checks").splitlines()
    assert "PING_CHECK" in lines[1] and " 10.10.0.2 " in lines[1] and " up " in lines[1]
    assert "MISC_CHECK" in lines[2] and "/bin/false x" in lines[2] and "exited 1" in lines[2]
