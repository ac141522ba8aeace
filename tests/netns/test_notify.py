"""Who is told of changes: FIFOs with their readers, hooks at start and stop, notify scripts."""

import os
import socket
import stat
import struct

from lab import PairConfig, wait_until
from lab.config import ADDRESSES

FAST = {"version": 3, "advert_int": "0.1"}


def director(lab, name, global_words, instance_words="", services=False, **options):
    config = PairConfig(**FAST, vrrp_extra=instance_words, **options)
    text = f"global_defs {{\n{global_words}\n}}\n" + config.vrrp(name)
    return lab.director(name, text + (config.services() if services else ""))


def script(path, text):
    path.write_text("#!/bin/sh\n" + text + "\n")
    path.chmod(0o755)
    return path


class Reader:
    """Collects a FIFO's lines as they come."""

    def __init__(self, path):
        wait_until(lambda: path.exists(), 5, f"{path} exists")
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.text = ""

    def lines(self):
        try:
            self.text += os.read(self._fd, 65536).decode()
        except BlockingIOError:
            pass
        return self.text.splitlines()

    def wait_last(self, line, timeout=10):
        wait_until(lambda: self.lines()[-1:] == [line], timeout, f"the last line is {line}")

    def close(self):
        os.close(self._fd)


def test_the_fifo_tells_states_and_priorities_in_order(lab, tmp_path):
    fifo = tmp_path / "fifo"
    value = tmp_path / "value"
    one = lab.director("n1", f"global_defs {{\n vrrp_notify_fifo {fifo}\n vrrp_notify_priority_changes on\n}}\n"
                             f"track_file f {{\n file {value}\n}}\n" +
                       PairConfig(**FAST, vrrp_extra="track_file {\n f\n }").vrrp("n1"))
    reader = Reader(fifo)
    assert stat.S_IMODE(fifo.stat().st_mode) == 0o600
    one.wait_vrrp("MASTER")
    value.write_text("-20")
    reader.wait_last('INSTANCE "VI_1" MASTER_PRIORITY 180')
    value.write_text("-254")
    wait_until(lambda: 'INSTANCE "VI_1" FAULT 200' in reader.lines(), 5, "FAULT is told")
    value.unlink()
    one.wait_vrrp("MASTER")
    reader.wait_last('INSTANCE "VI_1" MASTER 200')
    assert one.stop() == 0
    reader.wait_last('INSTANCE "VI_1" STOP 200')
    assert reader.lines()[:2] == ['INSTANCE "VI_1" BACKUP 200', 'INSTANCE "VI_1" MASTER 200']
    assert "\0" not in reader.text
    assert not fifo.exists()


def test_the_fifo_tells_of_virtual_and_real_servers(lab, tmp_path):
    fifo = tmp_path / "fifo"
    web = lab.nginx("n1")
    check = "TCP_CHECK {\n connect_timeout 1\n retry 0\n delay_loop 0.2\n }"
    director(lab, "n1", f" notify_fifo {fifo}", services=True, real_servers=("n1",), check=check)
    reader = Reader(fifo)
    vip, server = "[10.10.0.3]:tcp:80", f"[{ADDRESSES['n1']}]:tcp:80"
    wait_until(lambda: f"VS {vip} UP" in reader.lines(), 10, "the virtual server is up")
    web.kill()
    wait_until(lambda: f"VS {vip} DOWN" in reader.lines(), 10, "the virtual server is down")
    own = [line for line in reader.lines() if line.startswith(("VS", "RS"))]
    assert own[-2:] == [f"RS {server} {vip} DOWN", f"VS {vip} DOWN"]
    assert any(line.startswith("INSTANCE") for line in reader.lines())


def test_the_fifos_script_reads_everything_to_the_end(lab, tmp_path):
    said = tmp_path / "said"
    reader = script(tmp_path / "reader", f'while read -r line; do echo "$line" >> {said}; done < "$2"')
    one = director(lab, "n1", f' vrrp_notify_fifo {tmp_path}/fifo\n vrrp_notify_fifo_script "{reader} extra"')
    one.wait_vrrp("MASTER")
    wait_until(lambda: said.exists() and "MASTER" in said.read_text(), 5, "the reader was told")
    assert one.stop() == 0
    wait_until(lambda: said.read_text().splitlines() == [
        f'INSTANCE "VI_1" {state} 200' for state in ("BACKUP", "MASTER", "STOP")], 5, "the reader was told all")


def test_a_fifo_nobody_reads_holds_nothing_up(lab, tmp_path):
    value = tmp_path / "value"
    one = lab.director("n1", f"global_defs {{\n notify_fifo {tmp_path}/fifo\n vrrp_notify_priority_changes on\n}}\n"
                             f"track_file f {{\n file {value}\n}}\n" +
                       PairConfig(**FAST, vrrp_extra="track_file {\n f\n }").vrrp("n1"))
    one.wait_vrrp("MASTER")
    for number in range(1, 50):
        value.write_text(str(-number))
    wait_until(lambda: one.status()["vrrp"][0]["effective_priority"] == 151, 5, "the last number counts")
    fifo = one.status()["notify_fifos"][0]
    assert fifo["word"] == "notify_fifo" and fifo["lines"] > 2 and fifo["lost"] == 0


def test_a_reload_tells_the_states_again_when_asked(lab, tmp_path):
    fifo = tmp_path / "fifo"
    one = director(lab, "n1", f" vrrp_notify_fifo {fifo}\n fifo_write_vrrp_states_on_reload")
    reader = Reader(fifo)
    one.wait_vrrp("MASTER")
    reader.wait_last('INSTANCE "VI_1" MASTER 200')
    count = len(reader.lines())
    one.ctl("reload")
    wait_until(lambda: len(reader.lines()) == count + 1, 5, "one more line")
    assert reader.lines()[-1] == 'INSTANCE "VI_1" MASTER 200'


def test_hooks_run_before_everything_and_after_everything(lab, tmp_path):
    said = tmp_path / "said"
    up = script(tmp_path / "up", f"sleep 0.5; ip addr show dev eth0 | grep -c 10.10.0.3 >> {said}; echo up >> {said}")
    down = script(tmp_path / "down", f"ip addr show dev eth0 | grep -c 10.10.0.3 >> {said}; echo down >> {said}")
    notify = script(tmp_path / "notify", f"echo $3 >> {said}")
    one = director(lab, "n1", f" startup_script {up}\n shutdown_script {down}", f"notify {notify}")
    one.wait_vrrp("MASTER")
    assert one.stop() == 0
    assert said.read_text().split() == ["0", "up", "BACKUP", "MASTER", "STOP", "0", "down"]


def test_a_startup_script_that_hangs_is_given_up(lab, tmp_path):
    one = director(lab, "n1", ' startup_script "/bin/sleep 1000"\n startup_script_timeout 1')
    one.wait_vrrp("MASTER")
    assert "startup_script /bin/sleep: timed out after 1 s" in one.log_text()


def test_an_instance_that_a_reload_removes_is_told(lab, tmp_path):
    said = tmp_path / "said"
    notify = script(tmp_path / "notify", f'echo "$2 $3" >> {said}')
    own = script(tmp_path / "deleted", f"echo own >> {said}")
    keep = PairConfig(**FAST).vrrp("n1")

    def other(name, number, words):
        return (PairConfig(**FAST, vrrp_extra=f"notify {notify}\n{words}").vrrp("n1").replace("VI_1", name)
                .replace("virtual_router_id 10", f"virtual_router_id {number}").replace("10.10.0.3", f"10.10.0.{number}"))

    one = lab.director("n1", keep + other("VI_2", 32, "") + other("VI_3", 33, f"notify_deleted {own}"))
    wait_until(lambda: [item["state"] for item in one.status()["vrrp"]] == ["MASTER"] * 3, 10, "all are master")
    wait_until(lambda: said.exists() and said.read_text().count("MASTER") == 2, 5, "both are told")
    said.write_text("")
    one.config.write_text(keep)
    one.ctl("reload")
    wait_until(lambda: len(said.read_text().splitlines()) == 3, 5, "the removed are told")
    assert sorted(said.read_text().splitlines()) == ["VI_2 FAULT", "VI_3 DELETED", "own"]


def advertisement(source, priority):
    """A version 3 advertisement of virtual router 10, as RFC 9568 section 5 has it."""
    body = struct.pack("!BBBBHH4s", 0x31, 10, priority, 1, 10, 0, socket.inet_aton("10.10.0.3"))
    pseudo = socket.inet_aton(source) + socket.inet_aton("224.0.0.18") + struct.pack("!BBH", 0, 112, len(body))
    total = sum(struct.unpack(f"!{len(pseudo + body) // 2}H", pseudo + body))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return body[:6] + struct.pack("!H", ~total & 0xffff) + body[8:]


def test_a_master_that_hears_a_lower_priority_is_told(lab, tmp_path):
    said = tmp_path / "said"
    lower = script(tmp_path / "lower", f"echo lower >> {said}")
    fifo = tmp_path / "fifo"
    one = director(lab, "n1", f" vrrp_notify_fifo {fifo}", f"notify_master_rx_lower_pri {lower}")
    reader = Reader(fifo)
    one.wait_vrrp("MASTER")
    with lab.n2.socket(socket.AF_INET, socket.SOCK_RAW, 112) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(ADDRESSES["n2"]))
        sender.sendto(advertisement(ADDRESSES["n2"], 50), ("224.0.0.18", 0))
    wait_until(said.exists, 5, "the script ran")
    wait_until(lambda: 'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 200' in reader.lines(), 5, "the FIFO tells it")
    assert one.vrrp_state() == "MASTER"
