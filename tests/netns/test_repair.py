"""What somebody else undoes on a director's host is done again within a second, from what the director wants, and said
once in its log."""

import os
import time

import pytest

from lab import VIP, Capture, PairConfig, Poller, wait_until
from lab.process import run
from lab.topology import SERVER_NET_ROUTER, client_addresses, pass_object

CONFIG = PairConfig(version=3, advert_int="0.1", persistence=50)
SOON = 1.1  # a second, and what looking takes
CLIENTS = client_addresses(12)


def served_by(lab):
    return {lab.client.wait_served(source) for source in CLIENTS}


def start(lab, config=CONFIG):
    lab.web("n1")
    lab.web("n2")
    directors = lab.pair(config)
    assert served_by(lab) == {"n1", "n2"}
    return directors


class Log:
    """What a director says from here on."""

    def __init__(self, director):
        self._director = director
        self._from = len(director.log_text())

    def lines(self, *words):
        return [line for line in self._director.log_text()[self._from:].splitlines()
                if all(word in line for word in words)]


def nft_table(host):
    """What the table's chains, sets and counters say, without clients and counts, whatever order they were made in."""
    listing = host.run("nft", "-s", "-t", "list", "table", "ip", "xlb", check=False).stdout
    return sorted("\n".join(listing.splitlines()[1:-1]).split("\n\n"))


def link_pin(director, interface="eth0"):
    return director.run_dir / "bpf" / f"link_{interface}"


def link_id(director):
    shown = run(["bpftool", "link", "show", "pinned", str(link_pin(director))])
    return shown.split(":")[0]


@pytest.mark.parametrize("command", ["delete table ip xlb", "flush table ip xlb", "flush ruleset",
                                     "flush chain ip xlb prerouting"])
def test_nftables_table_changed_by_root_is_written_again(lab, command):
    master, _ = start(lab)
    assert "was changed by" not in master.log_text()
    before = nft_table(lab.n1)
    log = Log(master)
    lab.n1.run("nft", command)
    wait_until(lambda: nft_table(lab.n1) == before, SOON, "the table is as it was")
    assert served_by(lab) == {"n1", "n2"}
    assert len(log.lines("table ip xlb")) == 1 and log.lines("nft:") == log.lines("table ip xlb", "nft:")


def test_balancing_nftables_table_is_written_again(lab):
    """Without XDP the table is all there is: who balances loses it, and the switch that lets it forward."""
    master, _ = start(lab, PairConfig(version=3, advert_int="0.1", xlb="attach_mode none"))
    log = Log(master)
    before = nft_table(lab.n1)
    lab.n1.run("nft", "delete table ip xlb")
    wait_until(lambda: nft_table(lab.n1) == before, SOON, "the table is as it was")
    lab.n1.sysctl("net.ipv4.ip_forward", 0)
    wait_until(lambda: lab.n1.run("cat", "/proc/sys/net/ipv4/ip_forward").strip() == "1", SOON, "the host forwards again")
    assert served_by(lab) == {"n1", "n2"}
    # The line is written after the deed.
    wait_until(lambda: len(log.lines("again")) >= 2, SOON, "both repairs are logged")
    assert len(log.lines("again")) == 2


def test_virtual_address_deleted_on_the_master_is_put_back_and_announced(lab):
    master, _ = start(lab)
    log = Log(master)

    def announced(frame):
        return (frame.leaving and frame.ether_type == 0x0806 and frame.source_mac == lab.n1.mac()
                and frame.raw[28:32] == frame.raw[38:42])

    with Capture(lab.switch, lab.router) as capture:
        lab.n1.ip("addr", "del", f"{VIP}/24", "dev", "eth0")
        wait_until(lambda: f"{VIP}/24" in lab.n1.addresses(), SOON, "the address is back")
        capture.wait_for(announced, SOON, "gratuitous ARP")
    assert served_by(lab) == {"n1", "n2"}
    assert len(log.lines(VIP)) == 1


def test_virtual_address_added_on_the_backup_is_removed(lab):
    _, standby = start(lab)
    log = Log(standby)
    for address in (f"{VIP}/24", f"{VIP}/32"):
        lab.n2.ip("addr", "add", address, "dev", "eth0")
        wait_until(lambda: not any(entry.startswith(f"{VIP}/") for entry in lab.n2.addresses()), SOON, "the address is gone")
    assert len(log.lines(VIP, "removed")) == 2
    assert served_by(lab) == {"n1", "n2"}


def test_xdp_program_detached_by_root_is_attached_again(lab):
    master, _ = start(lab)
    log = Log(master)
    before = link_id(master)
    run(["bpftool", "link", "detach", "id", before])
    wait_until(lambda: lab.n1.xdp_mode() == "native", SOON, "the program is attached")
    wait_until(lambda: log.lines("XDP attached"), SOON, "the log says so")
    assert link_id(master) != before
    assert served_by(lab) == {"n1", "n2"}
    assert len(log.lines("detached")) == 1
    assert master.get("/readyz")[0] == 200


def test_interface_taken_by_another_xdp_program_is_taken_back_when_that_goes(lab):
    master, _ = start(lab)
    log = Log(master)
    pin = link_pin(master).with_name("elsewhere")
    run(["bpftool", "link", "detach", "id", link_id(master)])
    lab.n1.ip("link", "set", "dev", "eth0", "xdpdrv", "obj", str(pass_object()), "sec", "xdp.frags", check=False)
    if "xlb" in str(lab.n1.ip_json("link", "show", "dev", "eth0")[0].get("xdp", {}).get("prog", {}).get("name", "")):
        pytest.skip("xlbd was quicker")
    assert not pin.exists() and master.alive
    wait_until(lambda: log.lines("cannot attach"), 2 * SOON, "the log says what is in the way")
    lab.n1.ip("link", "set", "dev", "eth0", "xdpdrv", "off")
    wait_until(lambda: log.lines("XDP attached"), SOON, "the program is attached")
    assert len(log.lines("cannot attach")) == 1
    assert served_by(lab) == {"n1", "n2"}


def test_pins_removed_by_root_are_made_again_and_the_next_start_adopts_them(lab):
    master, _ = start(lab)
    log = Log(master)
    directory = master.run_dir / "bpf"
    before = link_id(master)

    def pins():
        return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if "." not in path.name)

    whole = pins()
    for name in ("xlb", "link_eth0", "maps/xlb_flows"):
        directory.joinpath(name).unlink()
    wait_until(lambda: pins() == whole, SOON, "everything is pinned")
    run(["umount", str(directory)])
    wait_until(lambda: pins() == whole, SOON, "everything is pinned on a new file system")
    assert len(log.lines("pinned again")) == 2
    master.kill()
    assert lab.n1.xdp_mode() == "native"
    master.start()
    assert log.lines("adopted") and link_id(master) == before
    assert served_by(lab) == {"n1", "n2"}


def test_neighbour_entries_deleted_one_by_one_cost_no_request(lab):
    master, _ = start(lab)
    sources = {source: lab.client.get(source).server for source in CLIENTS}
    with Poller(lab.client, CLIENTS, timeout=1.0) as poller:
        for address in ("10.10.0.2", SERVER_NET_ROUTER):
            asked = {source: len(attempts) for source, attempts in poller.attempts.items()}
            lab.n1.ip("neigh", "del", address, "dev", "eth0")
            wait_until(lambda asked=asked: all(len(attempts) > asked[source] + 3 for source, attempts in poller.attempts.items()),
                       10, "every client asked again")
    assert poller.failures() == []
    assert {source: {attempt.server for attempt in attempts} for source, attempts in poller.attempts.items()} == {
        source: {server} for source, server in sources.items()}
    assert master.real_server("10.10.0.2")["state"] == "up"


def test_real_servers_announced_new_mac_address_is_followed(lab):
    start(lab)
    lab.n2.sysctl("net.ipv4.conf.eth0.arp_notify", 1)
    started = time.monotonic()
    # The kernel ignores a change within a second of the last one (net.ipv4.neigh.*.locktime).
    wait_until(lambda: time.monotonic() > started + 1.2, 3, "the neighbours' lock time is over")
    new = "02:00:00:00:02:22"
    with Capture(lab.switch, lab.n1) as capture, Poller(lab.client, CLIENTS):
        lab.n2.ip("link", "set", "dev", "eth0", "address", new)
        capture.wait_for(lambda frame: frame.is_ipv4 and not frame.leaving and frame.destination_mac == new, SOON,
                         "n1 sends to the new address")
    assert served_by(lab) == {"n1", "n2"}


def test_own_new_mac_address_is_announced_and_used(lab):
    """The master's card is replaced: routers and the other director learn at once."""
    master, _ = start(lab)
    log = Log(master)
    started = time.monotonic()
    # The neighbours' kernels ignore a change within a second of the last one (net.ipv4.neigh.*.locktime).
    wait_until(lambda: time.monotonic() > started + 1.2, 3, "the neighbours' lock time is over")
    new = "02:00:00:00:01:11"
    with Capture(lab.switch, lab.n2) as capture:
        lab.n1.ip("link", "set", "dev", "eth0", "address", new)
        changed = time.monotonic()
        wait_until(lambda: all(lab.client.served(source, timeout=0.2) for source in CLIENTS), 3, "every client is served again")
        print(f"every client served again {time.monotonic() - changed:.2f} s after the change")
        assert served_by(lab) == {"n1", "n2"}
        capture.wait_for(lambda frame: frame.is_ipv4 and frame.leaving and frame.destination == VIP and frame.source_mac == new,
                         SOON, "n2 is sent frames from the new address")
    assert len(log.lines("new MAC address")) == 1
    assert VIP not in str(log.lines("FAULT"))


def test_own_address_replaced_is_followed(lab):
    master, standby = start(lab)
    lab.n1.ip("addr", "del", "10.10.0.1/24", "dev", "eth0")
    master.wait_vrrp("FAULT", SOON)
    assert not any(entry.startswith(f"{VIP}/") for entry in lab.n1.addresses())
    standby.wait_vrrp("MASTER")
    lab.n1.ip("addr", "add", "10.10.0.4/24", "dev", "eth0")
    master.wait_vrrp("MASTER")
    wait_until(lambda: standby.status()["vrrp"][0]["master_address"] == "10.10.0.4", 3, "the other hears the new address")
    assert lab.n1.addresses() == ["10.10.0.4/24", f"{VIP}/24"]


def connect_again(lab, host):
    """A new device eth0 in place of the one that is gone, on the same switch port."""
    lab.switch.ip("link", "add", "name", host.port, "type", "veth", "peer", "name", "eth0", "netns", host.name)
    lab.switch.run("ethtool", "-K", host.port, "tx", "off")
    lab.switch.ip("link", "set", "dev", host.port, "xdpdrv", "obj", str(pass_object()), "sec", "xdp.frags")
    lab.switch.ip("link", "set", "dev", host.port, "master", "br0", "up")
    host.ip("addr", "add", f"{host.address}/24", "dev", "eth0")
    host.ip("link", "set", "dev", "eth0", "up")
    host.ip("route", "add", "default", "via", SERVER_NET_ROUTER)


@pytest.mark.parametrize("delivery", ["nat", "loopback"])
def test_interface_deleted_and_made_again_is_taken_up_again(lab, delivery):
    config = PairConfig(version=3, advert_int="0.1", xlb=f"local_delivery {delivery}")
    master, standby = start(lab, config)
    log = Log(master)
    lab.n1.ip("link", "del", "dev", "eth0")
    master.wait_vrrp("FAULT", SOON)
    standby.wait_vrrp("MASTER")
    assert master.alive and master.get("/readyz")[0] == 503
    connect_again(lab, lab.n1)
    wait_until(lambda: lab.n1.xdp_mode() == "native", SOON, "the program is attached")
    master.wait_vrrp("MASTER")
    standby.wait_vrrp("BACKUP")
    assert len(log.lines("does not exist", "WARN")) <= 1
    assert not link_pin(master).with_name("link_eth0:").exists()
    assert [path.name for path in master.run_dir.joinpath("bpf").glob("link_*")] == ["link_eth0"]
    master.wait_forwarding()  # clients are persistent: who asks earlier stays where it was served
    wait_until(lambda: served_by(lab) == {"n1", "n2"}, 10, "both serve again")


def test_interface_that_appears_after_the_start_is_taken_up(lab):
    lab.web("n1")
    lab.web("n2")
    config = PairConfig(version=3, advert_int="0.1")
    standby = lab.director("n2", config.text("n2"))
    lab.n1.ip("link", "del", "dev", "eth0")
    master = lab.director("n1", config.text("n1"), start=False)
    master.start(ready=False)
    wait_until(lambda: master.get("/v1/status")[0] == 200, 5, "xlbd is running")
    assert master.vrrp_state() == "FAULT" and "eth0" in master.status()["vrrp"][0]["reason"]
    wait_until(lambda: "does not exist" in master.log_text(), 3, "the log says what is missing")
    connect_again(lab, lab.n1)
    wait_until(lambda: lab.n1.xdp_mode() == "native", SOON, "the program is attached")
    master.wait_vrrp("MASTER")
    standby.wait_vrrp("BACKUP")
    wait_until(lambda: master.get("/readyz")[0] == 200, 3, "xlbd is ready")
    master.wait_forwarding()
    wait_until(lambda: served_by(lab) == {"n1", "n2"}, 10, "both serve")


def test_link_that_was_down_carries_traffic_again(lab):
    master, standby = start(lab)
    before = link_id(master)
    lab.n1.ip("link", "set", "dev", "eth0", "down")
    master.wait_vrrp("FAULT", SOON)
    standby.wait_vrrp("MASTER")
    lab.n1.ip("link", "set", "dev", "eth0", "up")
    lab.n1.ip("route", "add", "default", "via", SERVER_NET_ROUTER)
    master.wait_vrrp("MASTER")
    assert link_id(master) == before and lab.n1.xdp_mode() == "native"
    master.wait_forwarding()  # clients are persistent: who asks earlier stays where it was served
    wait_until(lambda: served_by(lab) == {"n1", "n2"}, 10, "both serve again")


def test_stolen_interface_comes_back_from_another_namespace(lab):
    master, standby = start(lab)
    lab.n1.ip("link", "set", "dev", "eth0", "netns", lab.switch.name, "name", "stolen")
    master.wait_vrrp("FAULT", SOON)
    standby.wait_vrrp("MASTER")
    wait_until(lambda: lab.switch.xdp_mode("stolen") is None, SOON, "nothing of xlb stays on it")
    lab.switch.ip("link", "set", "dev", "stolen", "netns", lab.n1.name, "name", "eth0")
    lab.n1.ip("addr", "add", "10.10.0.1/24", "dev", "eth0")
    lab.n1.ip("link", "set", "dev", "eth0", "up")
    lab.n1.ip("route", "add", "default", "via", SERVER_NET_ROUTER)
    master.wait_vrrp("MASTER")
    wait_until(lambda: lab.n1.xdp_mode() == "native", SOON, "the program is attached")
    master.wait_forwarding()  # clients are persistent: who asks earlier stays where it was served
    wait_until(lambda: served_by(lab) == {"n1", "n2"}, 10, "both serve again")


def test_nothing_is_repaired_on_a_host_that_nobody_touches(lab):
    directors = start(lab)
    for director in directors:
        for word in ("again", "was changed by", "removed", "WARN", "<4>"):
            assert word not in director.log_text(), os.linesep + director.log_text()
