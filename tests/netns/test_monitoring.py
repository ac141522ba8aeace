"""What monitoring and people read over HTTP and from xlbctl: metrics, the page, rates, tables."""

import json

import pytest

from lab import PairConfig, wait_until
from lab.config import VIP
from lab.topology import client_addresses

SERVICE = {"address": VIP, "port": "80", "protocol": "TCP"}
CLIENTS = 20


def families_of(text):
    """The metrics by family, as Prometheus' own parser reads them: it refuses what breaks the format."""
    parser = pytest.importorskip("prometheus_client.openmetrics.parser",
                                 reason="python3-prometheus-client is missing (tools/install-deps)")
    return {family.name: family for family in parser.text_string_to_metric_families(text)}


def value(families, name, **labels):
    """Of the only sample of `name` with at least these labels."""
    found = [sample.value for family in families.values() for sample in family.samples
             if sample.name == name and labels.items() <= sample.labels.items()]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def curl(director, path, *options):
    return director.host.run("curl", "-sS", "--max-time", "5", *options, f"http://127.0.0.1:9780{path}")


def metrics(director):
    return families_of(curl(director, "/metrics"))


def document(director, *arguments):
    return json.loads(director.ctl("--json", *arguments))


def columns(table):
    """name of a row -> its columns, of a table in ipvsadm's layout."""
    rows = [line.replace("-> ", "").replace("TCP  ", "").split() for line in table.splitlines()[3:]]
    return {row[0]: row[1:] for row in rows}


@pytest.fixture
def master(lab):
    lab.web("n1")
    lab.web("n2")
    director = lab.pair(PairConfig(version=3, advert_int="0.1", persistence=50))[0]
    director.wait_forwarding()
    return director


def ask(lab):
    for address in client_addresses(CLIENTS):
        lab.client.get(address)


def test_the_metrics_are_openmetrics_and_count_what_clients_did(lab, master):
    assert "application/openmetrics-text; version=1.0.0; charset=utf-8" in curl(
        master, "/metrics", "-o", "/dev/null", "-w", "%{content_type}")
    before = metrics(master)
    ask(lab)
    after = metrics(master)
    assert before["xlb_virtual_server_bytes"].unit == "bytes"
    assert after["xlb_virtual_server_packets"].type == "counter"
    assert value(after, "xlb_ready") == 1
    assert value(after, "xlb_interface_mode", interface="eth0", xlb_interface_mode="native") == 1
    assert value(after, "xlb_vrrp_state", instance="VI_1", xlb_vrrp_state="MASTER") == 1
    assert value(after, "xlb_virtual_server_state", xlb_virtual_server_state="up", **SERVICE) == 1

    def new(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)

    assert new("xlb_virtual_server_connections_total", **SERVICE) == CLIENTS
    each = [new("xlb_real_server_connections_total", real_server=server, **SERVICE)
            for server in ("10.10.0.1:80", "10.10.0.2:80")]
    assert each == [CLIENTS / 2, CLIENTS / 2]
    assert new("xlb_packets_total", reason="tx") > 0
    assert value(after, "xlb_map_entries", map="real_servers") == 2
    assert value(after, "xlb_map_max_entries", map="flows") >= master.status()["flow_table"]["size"]


def test_the_page_shows_the_servers_and_loads_nothing_else(master):
    page = curl(master, "/", "-i")
    assert "Content-Type: text/html; charset=utf-8" in page
    assert "Content-Security-Policy: default-src 'none'" in page
    assert f"TCP {VIP}:80" in page
    assert "10.10.0.2:80" in page
    assert "MASTER" in page
    assert "http:" not in page and "<script" not in page


def test_show_rate_follows_the_clients_and_fades(lab, master):
    idle = columns(master.ctl("show", "rate"))
    assert idle[f"{VIP}:80"] == ["0"] * 5

    def busy():
        ask(lab)
        cps, in_pps, out_pps, in_bps, out_bps = (int(cell) for cell in columns(master.ctl("show", "rate"))[f"{VIP}:80"])
        assert (out_pps, out_bps) == (0, 0)
        return cps > 0 and in_pps > cps and in_bps > 40 * in_pps

    wait_until(busy, 20, "the rates are seen")
    rates = document(master, "show", "rate")["virtual_servers"][0]
    assert rates["rates"]["connections_per_s"] > 0
    # Each at a rounding of its own.
    whole = sum(server["rates"]["packets_per_s"] for server in rates["real_servers"])
    assert abs(whole - rates["rates"]["packets_per_s"]) < 0.1
    peak = rates["rates"]["packets_per_s"]

    def rate():
        return document(master, "show", "rate")["virtual_servers"][0]["rates"]["packets_per_s"]

    wait_until(lambda: rate() < peak / 2, 20, "the rate fades")


def test_show_maps_tells_how_full_the_tables_are(lab, master):
    ask(lab)
    maps = {entry["name"]: entry for entry in document(master, "show", "maps")["maps"]}
    assert maps["flows"]["used"] == CLIENTS
    assert maps["persistence"]["used"] == CLIENTS
    assert maps["virtual_servers"]["used"] == 1
    assert maps["real_servers"]["used"] == 2
    assert maps["interfaces"]["used"] == 1
    assert maps["flows"]["size"] >= master.status()["flow_table"]["size"]
    assert all(entry["size"] > 0 and entry["memory_bytes"] > 0 for entry in maps.values())
    assert maps["flows"]["memory_bytes"] >= 16 * maps["flows"]["size"]
    table = master.ctl("show", "maps")
    assert table.splitlines()[0].split() == ["Table", "Used", "Size", "Memory"]
    assert f"\nflows            {CLIENTS} " in table


def test_under_the_nat_table_only_use_is_known(lab):
    lab.web("n1")
    lab.web("n2")
    director = lab.pair(PairConfig(version=3, advert_int="0.1", persistence=50, xlb="attach_mode none"))[0]
    director.wait_forwarding()
    ask(lab)
    wait_until(lambda: document(director, "show", "maps")["maps"][1]["used"] == CLIENTS, 10, "the clients are read")
    maps = {entry["name"]: entry for entry in document(director, "show", "maps")["maps"]}
    assert maps["real_servers"]["used"] == 2
    assert maps["flows"]["size"] is None
    families = metrics(director)
    assert value(families, "xlb_map_entries", map="persistence") == CLIENTS
    assert value(families, "xlb_interface_mode", interface="eth0", xlb_interface_mode="nat") == 1
