"""Virtual routers of a vrrp_sync_group are master together or not at all."""

import time

from lab import wait_until


def instance(name, number, priority, words=""):
    return f"""
vrrp_instance {name} {{
    interface eth0
    virtual_router_id {number}
    version 3
    advert_int 0.1
    priority {priority}
    {words}
    virtual_ipaddress {{
        10.10.0.{number}/24
    }}
}}
"""


def group(words=""):
    return f"vrrp_sync_group G {{\n group {{\n VI_1\n VI_2\n }}\n {words}\n}}\n"


def states(director):
    return [router["state"] for router in director.status()["vrrp"]]


def wait_states(director, state, timeout=10):
    wait_until(lambda: states(director) == [state, state], timeout, f"{director.name} is {state} on both")


def recorder(tmp_path, name):
    said = tmp_path / f"{name}.said"
    script = tmp_path / f"{name}.notify"
    script.write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    script.chmod(0o755)
    return script, said


def start(lab, tmp_path, first_words=""):
    script, said = recorder(tmp_path, "n1")
    one = lab.director("n1", group(f"notify {script}") + instance("VI_1", 20, 200, first_words) +
                       instance("VI_2", 21, 200))
    two = lab.director("n2", group() + instance("VI_1", 20, 100) + instance("VI_2", 21, 100))
    wait_states(one, "MASTER")
    wait_states(two, "BACKUP")
    return one, two, said


def test_one_fault_moves_the_whole_group_and_back(lab, tmp_path):
    value = tmp_path / "value"
    one, two, said = start(lab, tmp_path, "track_file {\n f weight 0\n }")
    one.config.write_text(f"track_file f {{\n file {value}\n}}\n" + one.config.read_text())
    one.ctl("reload")
    assert states(one) == ["MASTER", "MASTER"]
    value.write_text("1")
    wait_states(one, "FAULT")
    wait_states(two, "MASTER")
    reasons = [router["reason"] for router in one.status()["vrrp"]]
    assert reasons == ["file f: 1", "vrrp_sync_group G: VI_1 is in FAULT"]
    value.write_text("0")
    wait_states(one, "MASTER")
    wait_states(two, "BACKUP")
    wait_until(lambda: said.read_text().count("MASTER") == 2, 5, "the group's script ran")
    assert said.read_text().splitlines() == [
        f"GROUP G {state} 0" for state in ("BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER")]
    assert "vrrp_sync_group G" in one.ctl("show", "vrrp")


def test_a_higher_priority_on_one_member_only_takes_nothing(lab, tmp_path):
    one, two, _ = start(lab, tmp_path)
    before = [router["transitions"] for router in one.status()["vrrp"]]
    two.config.write_text(two.config.read_text().replace("priority 100", "priority 250", 1))
    two.ctl("reload")
    settled = time.monotonic() + 2
    wait_until(lambda: time.monotonic() > settled, 5, "twenty advertisements")
    assert states(one) == ["MASTER", "MASTER"] and states(two) == ["BACKUP", "BACKUP"]
    assert [router["transitions"] for router in one.status()["vrrp"]] == before


def test_stopping_hands_the_whole_group_over(lab, tmp_path):
    one, two, said = start(lab, tmp_path)
    assert one.stop() == 0
    wait_states(two, "MASTER")
    assert said.read_text().splitlines()[-1] == "GROUP G STOP 0"


def test_a_reload_that_adds_the_group_moves_nothing(lab):
    instances = instance("VI_1", 20, 200) + instance("VI_2", 21, 200)
    one = lab.director("n1", instances)
    wait_states(one, "MASTER")
    before = [(router["since"], router["transitions"]) for router in one.status()["vrrp"]]
    one.config.write_text(group() + instances)
    assert "vrrp_sync_group G" in one.ctl("reload")
    assert [router["sync_group"] for router in one.status()["vrrp"]] == ["G", "G"]
    one.config.write_text(instances)
    one.ctl("reload")
    assert states(one) == ["MASTER", "MASTER"]
    assert [(router["since"], router["transitions"]) for router in one.status()["vrrp"]] == before


def test_a_restart_of_the_master_moves_nothing(lab, tmp_path):
    one, two, said = start(lab, tmp_path)
    before = [router["transitions"] for router in two.status()["vrrp"]]
    said.write_text("")
    one.restart()
    assert states(one) == ["MASTER", "MASTER"]
    settled = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > settled, 5, "ten advertisements")
    assert states(one) == ["MASTER", "MASTER"] and states(two) == ["BACKUP", "BACKUP"]
    assert [router["transitions"] for router in two.status()["vrrp"]] == before
    wait_until(lambda: said.read_text() == "GROUP G MASTER 0\n", 5, "the group's script ran")
