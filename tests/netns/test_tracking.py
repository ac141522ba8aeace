"""What a virtual router tracks moves its priority or puts it in FAULT: scripts, files, processes and interfaces."""

import json
import subprocess

import pytest

from lab import PairConfig, wait_until

FAST = {"version": 3, "advert_int": "0.1"}


def vrrp_only(lab, name, words, blocks="", priority=None):
    """A director with one virtual router and nothing to balance."""
    priorities = {"n1": 200, "n2": 100}
    if priority:
        priorities[name] = priority
    config = PairConfig(**FAST, priorities=priorities, vrrp_extra=words)
    return lab.director(name, blocks + config.vrrp(name))


def priority(director):
    return director.status()["vrrp"][0]["effective_priority"]


def tracker(director, name):
    return next(item for item in director.status()["vrrp"][0]["trackers"] if item["name"] == name)


def wait_priority(director, value):
    wait_until(lambda: priority(director) == value, 5, f"priority {value}")


def test_a_failing_script_hands_over_and_takes_back(lab, tmp_path):
    flag = tmp_path / "flag"
    flag.touch()
    script = f'vrrp_script chk {{\n script "/usr/bin/test -e {flag}"\n interval 0.1\n fall 2\n weight -150\n}}\n'
    one = vrrp_only(lab, "n1", "track_script {\n chk\n }", script)
    two = vrrp_only(lab, "n2", "")
    one.wait_vrrp("MASTER")
    assert tracker(one, "chk") | {"weight": -150, "state": "up", "priority_change": 0} == tracker(one, "chk")
    flag.unlink()
    two.wait_vrrp("MASTER")
    one.wait_vrrp("BACKUP")
    assert priority(one) == 50
    shown = one.ctl("show", "vrrp")
    assert "tracks script chk: down (exited 1), weight -150: priority -150" in shown
    assert json.loads(one.ctl("--json", "show", "vrrp"))["vrrp"][0]["trackers"][0]["result"] == "exited 1"
    flag.touch()
    one.wait_vrrp("MASTER")
    assert priority(one) == 200


def test_an_unweighted_script_means_fault_from_the_start_on(lab, tmp_path):
    flag = tmp_path / "flag"
    said = tmp_path / "said"
    script = f'vrrp_script chk {{\n script "/usr/bin/test -e {flag}"\n interval 0.1\n}}\n'
    notify = tmp_path / "notify"
    notify.write_text(f'#!/bin/sh\necho "$3" >> {said}\n')
    notify.chmod(0o755)
    one = vrrp_only(lab, "n1", f"track_script {{\n chk\n }}\n notify {notify}", script)
    one.wait_vrrp("FAULT")
    wait_until(lambda: one.status()["vrrp"][0]["reason"] == "script chk: exited 1", 5, "the reason is shown")
    flag.touch()
    one.wait_vrrp("MASTER")
    wait_until(lambda: said.exists() and said.read_text().endswith("MASTER\n"), 5, "MASTER is told")
    assert said.read_text() == "FAULT\nBACKUP\nMASTER\n"


def test_a_script_that_hangs_counts_as_failed(lab):
    script = 'vrrp_script chk {\n script "/bin/sleep 100"\n interval 0.2\n timeout 0.2\n}\n'
    one = vrrp_only(lab, "n1", "track_script {\n chk\n }", script)
    one.wait_vrrp("FAULT")
    assert one.status()["vrrp"][0]["reason"] == "script chk: timed out after 0.2 s"


def test_the_number_in_a_file_moves_the_priority(lab, tmp_path):
    value = tmp_path / "later" / "value"
    blocks = f"track_file f {{\n file {value}\n weight 2\n}}\n"
    one = vrrp_only(lab, "n1", "track_file {\n f\n }", blocks)
    two = vrrp_only(lab, "n2", "")
    one.wait_vrrp("MASTER")
    assert priority(one) == 200
    value.parent.mkdir()
    value.write_text("-60\n")
    two.wait_vrrp("MASTER")
    assert priority(one) == 80
    value.write_text("20\n")
    wait_priority(one, 240)
    one.wait_vrrp("MASTER")
    new = tmp_path / "new"
    new.write_text("-127")
    new.rename(value)
    one.wait_vrrp("FAULT")  # below -253
    value.unlink()
    one.wait_vrrp("MASTER")
    assert priority(one) == 200


def test_processes_are_counted(lab):
    mark = f"{id(lab) % 100000 + 100000}"
    blocks = (f"vrrp_track_process p {{\n process sleep 1000 {mark}\n quorum 2\n weight 30\n}}\n")
    one = vrrp_only(lab, "n1", "track_process {\n p\n }", blocks)
    one.wait_vrrp("MASTER")
    assert priority(one) == 200
    processes = [subprocess.Popen(["sleep", "1000", mark]) for _ in range(2)]
    try:
        wait_priority(one, 230)
        assert tracker(one, "p")["result"] == "2 running"
    finally:
        for process in processes:
            process.kill()
            process.wait()
    wait_priority(one, 200)


def test_interfaces_are_tracked_with_and_without_weight(lab):
    lab.n1.ip("link", "add", "t0", "type", "veth", "peer", "name", "t1")
    for device in ("t0", "t1"):
        lab.n1.ip("link", "set", device, "up")
    one = vrrp_only(lab, "n1", "track_interface {\n t0\n t1 weight -30\n }")
    one.wait_vrrp("MASTER")
    lab.n1.ip("link", "set", "t1", "down")
    one.wait_vrrp("FAULT")
    assert one.status()["vrrp"][0]["reason"] == "interface t0 is down"
    assert priority(one) == 170
    lab.n1.ip("link", "set", "t1", "up")
    one.wait_vrrp("MASTER")
    assert priority(one) == 200
    lab.n1.ip("link", "delete", "t0")
    one.wait_vrrp("FAULT")


def test_a_reload_keeps_what_did_not_change_and_applies_new_weights_at_once(lab, tmp_path):
    count = tmp_path / "count"
    script = (f'vrrp_script chk {{\n script "/bin/sh -c \'echo x >> {count}; exit 1\'"\n interval 1000\n'
              " weight -10\n}\n")
    one = vrrp_only(lab, "n1", "track_script {\n chk\n }", script)
    one.wait_vrrp("MASTER")
    assert priority(one) == 190
    before = one.status()["vrrp"][0]

    def apply(text):
        one.config.write_text(text)
        return one.ctl("reload")

    text = one.config.read_text()
    apply(text.replace("weight -10", "weight -25"))
    assert priority(one) == 175
    assert count.read_text() == "x\n"  # the script did not run again for that
    apply(text.replace("{\n chk", "{\n chk weight -1"))
    assert priority(one) == 199
    apply(text.replace("track_script {\n chk\n }", ""))
    assert priority(one) == 200 and one.status()["vrrp"][0]["trackers"] == []
    after = one.status()["vrrp"][0]
    assert (after["state"], after["transitions"], after["since"]) == ("MASTER", before["transitions"], before["since"])


def test_a_restart_keeps_the_priority_that_trackers_gave(lab, tmp_path):
    value = tmp_path / "value"
    value.write_text("3")
    # Slow enough that its peer would take over meanwhile, did it speak with its base priority.
    blocks = ('vrrp_script chk {\n script "/bin/sleep 1"\n interval 2\n weight 5\n}\n'
              f"track_file f {{\n file {value}\n}}\n")
    words = "track_script {\n chk\n }\n track_file {\n f\n }"
    one = vrrp_only(lab, "n1", words, blocks, priority=101)
    two = vrrp_only(lab, "n2", "", priority=105)
    one.wait_vrrp("MASTER")
    two.wait_vrrp("BACKUP")
    wait_priority(one, 109)
    before = two.status()["vrrp"][0]["transitions"]
    one.restart()
    assert one.vrrp_state() == "MASTER" and priority(one) == 109
    wait_until(lambda: tracker(one, "chk")["result"] == "exited 0", 10, "the script has run again")
    assert one.status()["vrrp"][0]["transitions"] == 0 and two.status()["vrrp"][0]["transitions"] == before


@pytest.mark.parametrize("mode, verdict", [("0755", "up"), ("0777", "down")])
def test_script_security_refuses_what_others_may_write(lab, tmp_path, mode, verdict):
    # Below /root nobody else may write on the way.
    folder = subprocess.run(["mktemp", "-d", "/root/xlb-lab-XXXXXX"], capture_output=True, text=True,
                            check=True).stdout.strip()
    try:
        script = f"{folder}/check"
        with open(script, "w", encoding="utf-8") as text:
            text.write("#!/bin/sh\n")
        subprocess.run(["chmod", mode, script], check=True)
        blocks = ("global_defs {\n script_user root\n enable_script_security\n}\n"
                  f"vrrp_script chk {{\n script {script}\n interval 0.2\n weight 10\n}}\n")
        one = vrrp_only(lab, "n1", "track_script {\n chk\n }", blocks)
        one.wait_vrrp("MASTER")
        assert tracker(one, "chk")["state"] == verdict
        if verdict == "down":
            assert f"{script}: everybody may write to it" in tracker(one, "chk")["result"]
            assert "will not run" in one.log_text()
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def test_virtual_routers_wait_for_the_startup_delay(lab):
    one = lab.director("n1", "global_defs {\n vrrp_startup_delay 2\n}\n" +
                       PairConfig(version=3, advert_int="0.1").vrrp("n1"))
    waiting = "waits for vrrp_startup_delay or vrrp_delay_after_boot"
    wait_until(lambda: one.status()["vrrp"][0]["reason"] == waiting, 5, "the status says what is waited for")
    one.wait_vrrp("MASTER", 10)
    assert "virtual routers begin in 2.000 s" in one.log_text()
