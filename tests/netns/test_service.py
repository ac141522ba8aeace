"""What systemd sees of the daemon: sd_notify(3)'s messages and the watchdog."""

import ctypes
import os
import signal
import socket
import threading
import time

import pytest

from lab import PairConfig, Process, wait_until
from lab.director import xlbd_path

CONFIG = PairConfig(version=3, advert_int="0.1")
WATCHDOG_S = 1.5


class NotifySocket:
    """The service manager's end of $NOTIFY_SOCKET: every datagram, as a dictionary, and when it came."""

    def __init__(self, path):
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.1)
        self._messages = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while not self._stopping.is_set():
            try:
                text = self._socket.recv(65536).decode()
            except TimeoutError:
                continue
            fields = dict(line.split("=", 1) for line in text.splitlines())
            self._messages.append((time.monotonic(), fields))

    def close(self):
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def all(self, key, value=None, since=0.0):
        """(time, message) of those that carry `key`."""
        return [(at, message) for at, message in list(self._messages)
                if at >= since and key in message and value in (None, message[key])]

    def wait(self, key, value=None, timeout=10, since=0.0):
        return wait_until(lambda: self.all(key, value, since), timeout, f"{key}={value or '...'} is told")[0]

    def states(self):
        """READY, RELOADING and STOPPING in the order they came."""
        return [key for _, message in list(self._messages) for key in message if key in ("READY", "RELOADING", "STOPPING")]


@pytest.fixture
def notify(lab):
    return lab.own(NotifySocket(lab.directory / "notify"))


def start(lab, notify, config=None, **environment):
    """An xlbd on n1, as systemd would start it; not waited for."""
    lab.web("n1")
    director = lab.director("n1", config or CONFIG.text("n1"), start=False)
    director._process = Process(director.host.command(xlbd_path(), "-f", director.config, "--run-dir", director.run_dir),
                                director.log, env={**os.environ, "NOTIFY_SOCKET": str(notify.path), **environment})
    return director


def watchdog(seconds=WATCHDOG_S):
    return {"WATCHDOG_USEC": str(int(seconds * 1e6))}


def test_ready_is_told_once_the_data_plane_is_attached_and_applied(lab, notify):
    director = start(lab, notify)
    notify.wait("READY", "1")
    assert lab.n1.xdp_mode() == "native"
    assert director.get("/readyz")[0] == 200
    assert notify.states() == ["READY"]


def test_ready_is_never_told_by_a_daemon_that_refuses_its_configuration(lab, notify):
    director = start(lab, notify, config="vrrp_instance VI_1 {\n    priority 0\n}\n")
    assert director.wait_end() == 1
    assert notify.states() == []


def test_the_status_line_follows_the_role_and_the_real_servers(lab, notify):
    config = PairConfig(version=3, advert_int="0.1", delay_loop=1, check="TCP_CHECK {\n connect_timeout 1\n retry 0\n }")
    start(lab, notify, config=config.text("n1"))
    notify.wait("STATUS", "VI_1 MASTER; 1 virtual server, 1 of 2 real servers up")
    lab.web("n2")
    notify.wait("STATUS", "VI_1 MASTER; 1 virtual server, 2 of 2 real servers up")


def test_stopping_is_told_before_the_end(lab, notify):
    director = start(lab, notify)
    notify.wait("READY", "1")
    assert director.stop() == 0
    notify.wait("STOPPING", "1")
    assert notify.states() == ["READY", "STOPPING"]


def test_the_watchdog_is_fed_in_time_whatever_its_interval(lab, notify):
    start(lab, notify, **watchdog())
    notify.wait("READY", "1")
    pings = wait_until(lambda: len(found := notify.all("WATCHDOG", "1")) > 8 and found, 15, "several pings")
    gaps = [later - earlier for (earlier, _), (later, _) in zip(pings, pings[1:])]
    assert max(gaps) < WATCHDOG_S
    assert sorted(gaps)[len(gaps) // 2] <= WATCHDOG_S / 2  # what sd_watchdog_enabled(3) asks for


@pytest.mark.parametrize("environment", [{}, {**watchdog(), "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_no_ping_when_nobody_waits_for_one(lab, notify, environment):
    director = start(lab, notify, **environment)
    notify.wait("READY", "1")
    beats = director.status()["generated_at"]
    wait_until(lambda: director.status()["generated_at"] > beats, 5, "the loop turns")
    assert notify.all("WATCHDOG") == []


class Frozen:
    """Holds one thread of a process by ptrace(2) while the others run."""

    _SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
    _WAIT_ALL = 0x40000000

    def __init__(self, thread):
        self._thread = thread
        self._libc = ctypes.CDLL(None, use_errno=True)

    def _ptrace(self, request):
        if self._libc.ptrace(request, self._thread, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def __enter__(self):
        self._ptrace(self._SEIZE)
        self._ptrace(self._INTERRUPT)
        os.waitpid(self._thread, self._WAIT_ALL)

    def __exit__(self, *_):
        self._ptrace(self._DETACH)


def test_a_loop_that_does_not_turn_sends_no_ping_though_http_is_answered(lab, notify):
    director = start(lab, notify, **watchdog())
    notify.wait("WATCHDOG", "1")
    notify.wait("READY", "1")
    with Frozen(director.pid):
        since = time.monotonic() + 0.1  # what was under way
        wait_until(lambda: director.get("/healthz")[0] == 503, 10, "the status thread notices")
        assert notify.all("WATCHDOG", since=since) == []
    notify.wait("WATCHDOG", since=time.monotonic())


def test_a_reload_is_told_from_its_beginning_to_its_end(lab, notify):
    director = start(lab, notify)
    notify.wait("READY", "1")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    director.signal(signal.SIGHUP)
    _, message = notify.wait("RELOADING", "1")
    notified = int(message["MONOTONIC_USEC"])
    assert before <= notified <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    wait_until(lambda: notify.states() == ["READY", "RELOADING", "READY"], 5, "the reload's end is told")
    assert director.get("/readyz")[0] == 200


def test_a_refused_reload_ends_too_and_leaves_the_daemon_as_it_was(lab, notify):
    director = start(lab, notify)
    notify.wait("READY", "1")
    director.config.write_text("vrrp_instance {\n")
    director.signal(signal.SIGHUP)
    wait_until(lambda: notify.states() == ["READY", "RELOADING", "READY"], 5, "the reload's end is told")
    assert director.get("/readyz")[0] == 200
    assert director.vrrp_state() in ("BACKUP", "MASTER")


def test_without_a_notify_socket_nothing_is_missed(lab):
    lab.web("n1")
    director = lab.director("n1", CONFIG.text("n1"))
    director.signal(signal.SIGHUP)
    assert director.get("/healthz")[0] == 200
    assert director.stop() == 0
