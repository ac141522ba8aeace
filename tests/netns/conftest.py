"""Fixtures of the namespace tests. Everything a test starts is ended and removed when it ends, however it ends;
the logs of a failed test's daemons are part of its report."""

import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lab import Client, Director, Keepalived, Nginx, Topology, UdpEcho, WebServer  # noqa: E402
from lab.topology import remove_leftovers  # noqa: E402


class Lab:
    """A topology and everything that runs in it."""

    def __init__(self, **topology):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="xlbt-"))
        self._owned = []
        self.topology = Topology(**topology)
        self.n1, self.n2 = self.topology.servers
        self.router = self.topology.router
        self.switch = self.topology.switch
        self.client = Client(self.topology.client)

    def own(self, thing):
        self._owned.append(thing)
        return thing

    def nginx(self, name, listen="0.0.0.0"):
        return self.own(Nginx(self.topology.server(name), name, self.directory / f"nginx-{name}", listen))

    def web(self, name, **options):
        return self.own(WebServer(self.topology.server(name), name, **options))

    def udp_echo(self, name, **options):
        return self.own(UdpEcho(self.topology.server(name), name, **options))

    def director(self, name, config, start=True):
        director = self.own(Director(self.topology.server(name), name, self.directory / name, config))
        return director.start() if start else director

    def keepalived(self, name, config):
        return self.own(Keepalived(self.topology.server(name), self.directory / f"keepalived-{name}", config)).start()

    def logs(self):
        return [(str(thing.log), thing.log_text()) for thing in self._owned if hasattr(thing, "log_text")]

    def close(self):
        for thing in reversed(self._owned):
            thing.close()
        self._owned = []
        self.topology.close()
        shutil.rmtree(self.directory, ignore_errors=True)


_labs = []


@pytest.fixture
def make_lab():
    """Makes labs that live as long as the test."""
    made = []

    def make(**topology):
        lab = Lab(**topology)
        made.append(lab)
        _labs.append(lab)
        return lab

    yield make
    for lab in made:
        _labs.remove(lab)
        lab.close()


@pytest.fixture
def lab(make_lab):
    return make_lab()


@pytest.fixture(scope="module")
def module_lab():
    lab = Lab()
    _labs.append(lab)
    yield lab
    _labs.remove(lab)
    lab.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for lab in _labs:
            for path, text in lab.logs():
                report.sections.append((path, text[-20000:]))


def pytest_sessionstart(session):
    if os.geteuid() != 0:
        pytest.exit("network namespaces need root: sudo ./tests/run netns", returncode=1)
    # SIGTERM ends the session as Ctrl-C does: with every finalizer.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    remove_leftovers()
