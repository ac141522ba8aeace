"""Broken configurations: an error at the line that is wrong, and nothing changes on the host."""

import re

import pytest

from lab import tutorial
from lab.director import xlbd_path

DIGEST = "digest d41d8cd98f00b204e9800998ecf8427e"
FIRST_URL = f"url {{\npath /index.php\n{DIGEST}\n}}"

# What is wrong; what of the tutorial's first file is replaced (its first occurrence), by what; the line that must be
# named starts with the last word (None: the replacement's first line).
BROKEN = [
    ("a missing interface", "interface eth0\n", "", "vrrp_instance"),
    ("a missing virtual_router_id", "virtual_router_id 10\n", "", "vrrp_instance"),
    ("a misspelt keyword", "priority 200", "priorty 200", None),
    ("a misspelt block", "virtual_ipaddress {", "virtual_ipadress {", None),
    ("a misspelt word in a checker", "connect_timeout 3", "conect_timeout 3", None),
    ("an unknown top-level block", "vrrp_instance VI_1 {", "vrrp_instanse VI_1 {", None),
    ("a virtual_router_id of 0", "virtual_router_id 10", "virtual_router_id 0", None),
    ("a virtual_router_id of 256", "virtual_router_id 10", "virtual_router_id 256", None),
    ("a virtual_router_id that is no number", "virtual_router_id 10", "virtual_router_id ten", None),
    ("garbage after a number", "virtual_router_id 10", "virtual_router_id 10x", None),
    ("a priority of 256", "priority 200", "priority 256", None),
    ("a negative priority", "priority 200", "priority -1", None),
    ("a priority without a number", "priority 200", "priority", None),
    ("an unknown state", "state MASTER", "state LEADER", None),
    ("an address with a part above 255", "10.10.0.3/24", "10.10.0.300/24", None),
    ("a prefix of 33", "10.10.0.3/24", "10.10.0.3/33", None),
    ("a virtual server without a port", "virtual_server 10.10.0.3 80 {", "virtual_server 10.10.0.3 {", None),
    ("a virtual server without an address", "virtual_server 10.10.0.3 80 {", "virtual_server {", None),
    ("a virtual server's port of 70000", "virtual_server 10.10.0.3 80 {", "virtual_server 10.10.0.3 70000 {", None),
    ("a virtual server's address that is none", "virtual_server 10.10.0.3 80 {", "virtual_server 10.10.0 80 {", None),
    ("a delay_loop that is no number", "delay_loop 30", "delay_loop often", None),
    ("a negative delay_loop", "delay_loop 30", "delay_loop -3", None),
    ("an unknown scheduler", "lb_algo rr", "lb_algo roundrobin", None),
    ("an unknown forwarding method", "lb_kind DR", "lb_kind DSR", None),
    ("an unknown protocol", "protocol TCP", "protocol ICMP", None),
    ("a persistence_timeout that is no number", "persistence_timeout 50", "persistence_timeout long", None),
    ("a misspelt real_server block", "real_server 10.10.0.1 80 {", "real_servr 10.10.0.1 80 {", None),
    ("a real server's address that is none", "real_server 10.10.0.1 80 {", "real_server ten.ten 80 {", None),
    ("direct routing to another port", "real_server 10.10.0.1 80 {", "real_server 10.10.0.1 8080 {", None),
    ("a weight of 65536", "weight 100", "weight 65536", None),
    ("a negative weight", "weight 100", "weight -1", None),
    ("a digest that is too short", DIGEST, "digest d41d8cd98f00b204e9800998ecf842", None),
    ("a digest with a letter that is no hex digit", DIGEST, "digest g41d8cd98f00b204e9800998ecf8427e", None),
    ("a checker without a url", FIRST_URL, "", "HTTP_GET"),
    ("a connect_timeout of 0", "connect_timeout 3", "connect_timeout 0", None),
    ("retries that are no number", "nb_get_retry 3", "nb_get_retry three", None),
    ("a delay_before_retry with a unit", "delay_before_retry 2", "delay_before_retry 2s", None),
    ("an unterminated string", '"/etc/keepalived/notify.sh del 10.10.0.3"', '"/etc/keepalived/notify.sh del', "notify_master"),
    ("an interface list in xlb that is empty", "vrrp_instance VI_1 {", "xlb {\ninterfaces\n}\nvrrp_instance VI_1 {",
     "interfaces"),
    ("an unknown attach_mode", "vrrp_instance VI_1 {", "xlb {\nattach_mode fast\n}\nvrrp_instance VI_1 {", "attach_mode"),
]

UNBALANCED = [
    ("a closing brace too many", lambda text: text + "}\n", lambda lines: len(lines)),
    ("a closing brace missing", lambda text: text.rstrip().removesuffix("}"), None),
    ("the same virtual_router_id twice on an interface",
     lambda text: text + "vrrp_instance VI_2 {\ninterface eth0\nvirtual_router_id 10\nvirtual_ipaddress {\n10.10.0.4\n}\n}\n",
     lambda lines: len(lines) - 7 + 3),
]


def broken_texts():
    for what, old, new, marker in BROKEN:
        text = tutorial("n1", "/etc/keepalived/notify.sh")
        assert old in text, f"the tutorial has no {old!r}"
        at = text.index(old)
        broken = text[:at] + new + text[at + len(old):]
        line = text[:at].count("\n") + 1
        if marker:
            before = broken[:at].rfind(marker) if marker in broken[:at] else broken.index(marker, at)
            after = broken.find(marker, at)
            position = after if 0 <= after < at + len(new) else before
            line = broken[:position].count("\n") + 1
        yield what, broken, line
    for what, change, line_of in UNBALANCED:
        broken = change(tutorial("n1", "/etc/keepalived/notify.sh"))
        yield what, broken, line_of(broken.splitlines()) if line_of else None


def snapshot(lab):
    """All of the host that xlb could have changed."""
    host = lab.n1
    links = [{key: link.get(key) for key in ("ifname", "flags", "address", "xdp")} for link in host.ip_json("link")]
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        mounted = sorted(line.split()[1] for line in mounts if str(lab.directory) in line)
    return {
        "addresses": host.addresses(),
        "links": links,
        "rules": host.run("nft", "list", "ruleset"),
        "xdp": host.run("bpftool", "net", "show"),
        "neighbours": [entry["dst"] for entry in host.ip_json("neigh", "show", "nud", "permanent")],
        "mounts": mounted,
        "listeners": host.run("ss", "-Hltn"),
    }


@pytest.fixture(scope="module")
def host(module_lab_factory):
    return module_lab_factory()


def errors(stderr, path):
    return [(int(match[1]), match[0]) for match in
            re.finditer(rf"^{re.escape(str(path))}:(\d+):\d+: error: .*", stderr, re.MULTILINE)]


def test_there_are_at_least_forty_broken_files():
    assert len(list(broken_texts())) >= 40


@pytest.mark.parametrize("what, text, line", [pytest.param(*case, id=case[0]) for case in broken_texts()])
def test_broken_file_is_refused_at_its_line_and_changes_nothing(host, what, text, line):
    path = host.directory / "broken.conf"
    path.write_text(text)
    check = host.n1.run(xlbd_path(), "-t", "-f", path, check=False)
    found = errors(check.stderr + check.stdout, path)
    assert check.returncode == 1
    assert found, f"{what}: no error with a place: {check.stderr}"
    if line is not None:
        assert line in [number for number, _ in found], f"{what}: line {line} is wrong, said was {found}"


def test_starting_with_any_of_them_changes_nothing_on_the_host(host):
    before = snapshot(host)
    for number, (what, text, _) in enumerate(broken_texts()):
        unknown_word_only = any(word in what for word in ("misspelt", "unknown top-level"))
        if unknown_word_only:
            continue  # at run time an unknown word is warned about and skipped
        path = host.directory / "broken.conf"
        path.write_text(text)
        result = host.n1.run("timeout", "5", xlbd_path(), "-f", path, "--run-dir", host.directory / f"run-{number}",
                             check=False)
        assert result.returncode == 1, f"{what}: exit {result.returncode}: {result.stderr}"
        assert "error" in result.stderr, what
    assert snapshot(host) == before


def test_every_problem_is_reported_not_only_the_first(host):
    path = host.directory / "broken.conf"
    text = tutorial("n1", "/etc/keepalived/notify.sh")
    path.write_text(text.replace("priority 200", "priority 999").replace("lb_algo rr", "lb_algo foo")
                    .replace("weight 100", "weight heavy"))
    check = host.n1.run(xlbd_path(), "-t", "-f", path, check=False)
    assert len(errors(check.stderr + check.stdout, path)) == 4


def test_misspelt_word_gets_a_suggestion(host):
    path = host.directory / "broken.conf"
    path.write_text(tutorial("n1", "/bin/true").replace("priority 200", "priorty 200"))
    check = host.n1.run(xlbd_path(), "-t", "-f", path, check=False)
    assert "priority" in check.stderr + check.stdout


def test_the_tutorials_own_files_pass_with_their_one_warning(host):
    for name in ("n1", "n2"):
        path = host.directory / "good.conf"
        path.write_text(tutorial(name, "/bin/true"))
        check = host.n1.run(xlbd_path(), "-t", "-f", path, check=False)
        assert check.returncode == 0, check.stderr
        assert "error" not in check.stderr + check.stdout
