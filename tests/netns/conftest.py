"""Fixtures of the namespace tests. Everything a test starts is ended and removed when it ends, however it ends;
the logs of a failed test's daemons are part of its report."""

import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from lab import Lab  # noqa: E402
from lab.topology import remove_leftovers, remove_pass_object  # noqa: E402

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
def module_lab_factory():
    """Makes one lab at a time for tests that only look: it lives until the next is made or the module ends."""
    made = []

    def end():
        for lab in made:
            _labs.remove(lab)
            lab.close()
        made.clear()

    def make(**topology):
        end()
        made.append(Lab(**topology))
        _labs.extend(made)
        return made[0]

    yield make
    end()


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


def pytest_sessionfinish(session):
    remove_pass_object()
