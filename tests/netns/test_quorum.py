"""Quorum, sorry server, inhibit_on_failure, alpha and omega, as a client and an administrator's scripts see them."""

import pytest

from lab import Mode, PairConfig, wait_until
from lab.config import http_check
from lab.topology import client_addresses

CHECK = http_check(connect_timeout=1, retry=0, before_retry=1)
SOON = 6  # delay_loop, a timeout, and what follows from them


def pair_config(**options):
    return PairConfig(version=3, advert_int="0.1", delay_loop=1, check=CHECK, **options)


def servers(lab):
    return {lab.client.get(source).server for source in client_addresses(8)}


def service(director):
    return director.status()["virtual_servers"][0]


def wait_state(director, state):
    wait_until(lambda: service(director)["state"] == state, SOON, f"the service is {state} for {director.name}")


class Journal:
    """A script that writes down how it was called."""

    def __init__(self, directory):
        self.script = directory / "journal.sh"
        self._lines = directory / "journal.txt"
        self.script.write_text(f'#!/bin/sh\necho "$@" >> {self._lines}\n')
        self.script.chmod(0o755)

    def words(self):
        """Lines for a configuration: every script of a virtual server and of its real servers."""
        return {
            "service_extra": f'quorum_up "{self.script} quorum_up"\n quorum_down "{self.script} quorum_down"\n',
            "real_server_extra": f'notify_up "{self.script} up {{name}}"\n notify_down "{self.script} down {{name}}"\n',
        }

    def lines(self):
        return self._lines.read_text().splitlines() if self._lines.exists() else []

    def wait(self, *expected):
        wait_until(lambda: len(self.lines()) >= len(expected), SOON, f"{expected[-1]} is run; so far {self.lines()}")
        assert self.lines() == list(expected)


def test_sorry_server_on_the_loopback_address_is_the_director_itself(lab):
    lab.web("n1")
    failing = lab.web("n2")
    master, _ = lab.pair(pair_config(real_servers=("n2",), service_extra="sorry_server 127.0.0.1"))
    failing.mode = Mode.ERROR_500
    wait_state(master, "sorry")
    assert servers(lab) == {"n1"}
    failing.mode = Mode.OK
    wait_state(master, "up")
    assert servers(lab) == {"n2"}


@pytest.mark.parametrize("master", ["n1", "n2"], ids=lambda name: f"sorry_server_{'here' if name == 'n1' else 'there'}")
def test_sorry_server_stands_in_for_the_real_servers_and_goes_again(lab, master):
    lab.web("n1")
    failing = lab.web("n2")
    # Persistence holds nobody where the service has gone from.
    config = pair_config(real_servers=("n2",), service_extra="sorry_server 10.10.0.1 80", persistence=50,
                         priorities={"n1": 100, "n2": 100, master: 200})
    directors = lab.pair(config, names=(master, "n2" if master == "n1" else "n1"))
    assert servers(lab) == {"n2"}
    assert "10.10.0.1:80" not in directors[0].ctl("show")

    failing.mode = Mode.ERROR_500
    for director in directors:
        wait_state(director, "sorry")
    assert servers(lab) == {"n1"}
    assert service(directors[0])["sorry_server"]["address"] == "10.10.0.1"
    assert service(directors[0])["quorum"]["met"] is False
    row = [line for line in directors[0].ctl("show").splitlines() if "10.10.0.1:80" in line]
    assert len(row) == 1 and row[0].split()[2:4] == ["Local" if master == "n1" else "Route", "1"], row

    told = lab.client.connect(client_addresses(1)[0])
    told.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
    assert told.recv(2) == b"n1"
    failing.mode = Mode.OK
    for director in directors:
        wait_state(director, "up")
    assert servers(lab) == {"n2"}
    assert "10.10.0.1:80" not in directors[0].ctl("show")
    assert service(directors[0])["sorry_server"] is None
    told.sendall(b"more")  # what the sorry server began, it finishes
    assert told.recv(4) == b"more"
    told.close()


def test_live_real_server_stands_back_for_the_sorry_server_but_finishes_its_connections(lab):
    """The sorry server is one of the real servers here: it serves although its check fails."""
    failing = lab.web("n1")
    lab.web("n2")
    master, _ = lab.pair(pair_config(service_extra="quorum 200\n sorry_server 10.10.0.1 80"))
    connections = [lab.client.connect(source) for source in client_addresses(2)]
    on = {}
    for connection in connections:
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        on[connection.recv(2)] = connection
    failing.mode = Mode.ERROR_500
    wait_state(master, "sorry")
    assert servers(lab) == {"n1"}
    assert master.real_server("10.10.0.2")["state"] == "draining"
    on[b"n2"].sendall(b"more")
    assert on[b"n2"].recv(4) == b"more"
    failing.mode = Mode.OK
    wait_state(master, "up")
    assert servers(lab) == {"n1", "n2"}
    for connection in connections:
        connection.close()


def test_scripts_run_once_each_and_in_order(lab):
    journal = Journal(lab.directory)
    webs = {name: lab.web(name) for name in ("n1", "n2")}
    words = journal.words()
    # Gained at 200, lost below 100.
    words["service_extra"] += "quorum 150\n hysteresis 50\n"
    director = lab.director("n1", pair_config(**words).text("n1"))
    expected = ["quorum_up"]
    journal.wait(*expected)
    for name, mode, events in (("n2", Mode.ERROR_500, ["down n2"]),
                               ("n1", Mode.ERROR_500, ["down n1", "quorum_down"]),
                               ("n2", Mode.OK, ["up n2"]),
                               ("n1", Mode.OK, ["up n1", "quorum_up"])):
        webs[name].mode = mode
        expected += events
        journal.wait(*expected)
    seen = len(webs["n1"].checks)
    wait_until(lambda: len(webs["n1"].checks) >= seen + 2, SOON, "checked twice more")
    assert director.stop() == 0
    assert journal.lines() == expected  # no omega: a stop runs nothing


def test_quorum_raised_and_lowered_by_reload(lab):
    """Above what is alive, it is lost at once, with its script and the sorry server; below, it is back."""
    journal = Journal(lab.directory)
    failing = lab.web("n1")
    lab.web("n2")

    def text(name, quorum):
        words = journal.words() if name == "n1" else {"service_extra": ""}
        words["service_extra"] += f"quorum {quorum}\n sorry_server 10.10.0.1 80\n"
        return pair_config(**words).text(name)

    directors = [lab.director(name, text(name, 50)) for name in ("n1", "n2")]
    director = directors[0]
    for each in directors:
        each.wait_forwarding()
    expected = ["quorum_up"]
    journal.wait(*expected)
    failing.mode = Mode.ERROR_500
    expected += ["down n1"]
    journal.wait(*expected)
    assert servers(lab) == {"n2"}
    assert service(director)["state"] == "up"

    for quorum, state, server, event in ((150, "sorry", "n1", "quorum_down"), (50, "up", "n2", "quorum_up"),
                                         (101, "sorry", "n1", "quorum_down"), (100, "up", "n2", "quorum_up")):
        for each in directors:
            each.config.write_text(text(each.name, quorum))
            assert "~ TCP 10.10.0.3:80" in each.ctl("reload")
            wait_state(each, state)
        expected += [event]
        journal.wait(*expected)
        assert servers(lab) == {server}
        assert service(director)["quorum"] == {"needed": quorum, "hysteresis": 0, "weight": 100, "met": state == "up"}
        assert "~" not in director.ctl("reload")  # the same file again
    assert director.stop() == 0
    assert journal.lines() == expected


def test_lost_quorum_without_a_sorry_server_takes_nobody_out(lab):
    lab.web("n1")
    failing = lab.web("n2")
    master, _ = lab.pair(pair_config(service_extra="quorum 200"))
    assert service(master)["quorum"] == {"needed": 200, "hysteresis": 0, "weight": 200, "met": True}
    failing.mode = Mode.ERROR_500
    wait_until(lambda: not service(master)["quorum"]["met"], SOON, "the quorum is lost")
    assert service(master)["state"] == "up"
    assert servers(lab) == {"n1"}


def test_inhibited_real_server_keeps_its_connections(lab):
    lab.web("n1")
    failing = lab.web("n2")
    master, _ = lab.pair(pair_config(service_extra="inhibit_on_failure"))
    connections = [lab.client.connect(source) for source in client_addresses(2)]
    on = {}
    for connection in connections:
        connection.sendall(b"GET /quiet HTTP/1.0\r\n\r\n")
        on[connection.recv(2)] = connection
    failing.mode = Mode.ERROR_500
    master.wait_real_server("10.10.0.2", "down", SOON)
    real_server = master.real_server("10.10.0.2")
    assert real_server["weight"] == 0
    assert "500" in real_server["reason"]
    assert servers(lab) == {"n1"}
    on[b"n2"].sendall(b"more")
    assert on[b"n2"].recv(4) == b"more"
    failing.mode = Mode.OK
    master.wait_real_server("10.10.0.2", "up", SOON)
    assert master.real_server("10.10.0.2")["weight"] == 100
    for connection in connections:
        connection.close()


def test_alpha_real_servers_start_down(lab):
    journal = Journal(lab.directory)
    webs = [lab.web("n1"), lab.web("n2")]
    for web in webs:
        web.mode = Mode.HANG
    words = journal.words()
    words["service_extra"] += "alpha\n"
    config = pair_config(**words)
    config.check = http_check(connect_timeout=3, retry=0)
    director = lab.director("n1", config.text("n1"))
    real_server = director.real_server("10.10.0.2")
    assert (real_server["state"], real_server["reason"]) == ("down", "not checked yet")
    assert journal.lines() == []
    webs[1].mode = Mode.OK
    director.wait_real_server("10.10.0.2", "up", 3 + SOON)
    wait_until(lambda: "quorum_up" in journal.lines(), SOON, "the quorum is gained")
    assert [line for line in journal.lines() if line not in ("down n1", "down n2")] == ["up n2", "quorum_up"]


def test_omega_takes_down_what_is_up_at_a_stop(lab):
    journal = Journal(lab.directory)
    lab.web("n1")
    failing = lab.web("n2")
    words = journal.words()
    words["service_extra"] += "omega\n"
    director = lab.director("n1", pair_config(**words).text("n1"))
    journal.wait("quorum_up")
    failing.mode = Mode.ERROR_500
    journal.wait("quorum_up", "down n2")
    assert director.stop() == 0
    assert journal.lines() == ["quorum_up", "down n2", "down n1", "quorum_down"]
