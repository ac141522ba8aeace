"""Processes the lab starts, and waiting for conditions. Every process is ended by its pid, at the latest when
the lab's own process ends."""

import ctypes
import os
import signal
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


class LabError(Exception):
    """The lab itself does not work, or a condition did not come true in time."""


def wait_until(condition, timeout, what, interval=0.01):
    """Returns condition()'s first true value; LabError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout} s in vain: {what}")
        time.sleep(interval)


def run(argv, check=True, text_input=None):
    """Runs a short command to its end; its standard output, or with check=False the whole result."""
    result = subprocess.run(argv, input=text_input, capture_output=True, text=True, timeout=60, check=False)
    if not check:
        return result
    if result.returncode != 0:
        raise LabError(f"{' '.join(argv)}: exit {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def _before_exec():
    os.setpgid(0, 0)  # Ctrl-C goes to pytest alone, which then ends everything in order
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A running command with standard output and error in one log file."""

    def __init__(self, argv, log, env=None):
        self.argv = [str(argument) for argument in argv]
        self.log = log
        with open(log, "ab") as sink:
            self._popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                                           preexec_fn=_before_exec, env=env)

    @property
    def pid(self):
        return self._popen.pid

    @property
    def alive(self):
        return self._popen.poll() is None

    @property
    def exit_code(self):
        return self._popen.poll()

    def signal(self, number):
        if self.alive:
            self._popen.send_signal(number)

    def wait(self, timeout):
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"waited {timeout} s in vain: end of {self.argv[0]}") from None

    def terminate(self, timeout=10):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """SIGKILL to the whole process group: children do not outlive their parent."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return self._popen.wait(10)
