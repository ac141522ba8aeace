#!/usr/bin/python3
"""How late this machine wakes a process that does nothing: a timerfd every millisecond, read and waited for again.

Until standard input ends; then the number of wakes, and their lateness in milliseconds, as one line of JSON. What this
process is late, no event loop on the same machine at the same time can be blamed for.
"""

import ctypes
import gc
import json
import os
import select
import struct
import sys
import time

PERIOD_S = 0.001
_TFD_NONBLOCK = os.O_NONBLOCK
_TFD_TIMER_ABSTIME = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _set(timer, when):
    seconds, nanoseconds = divmod(int(when * 1e9), 10**9)
    # struct itimerspec: no interval, one expiry
    _libc.timerfd_settime(timer, _TFD_TIMER_ABSTIME, struct.pack("qqqq", 0, 0, seconds, nanoseconds), None)


def main():
    gc.disable()
    timer = _libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK)
    poller = select.epoll()
    poller.register(timer, select.EPOLLIN)
    poller.register(sys.stdin.fileno(), select.EPOLLIN)
    late = []
    while True:
        when = time.monotonic() + PERIOD_S
        _set(timer, when)
        numbers = [number for number, _ in poller.poll()]
        if timer in numbers:
            late.append(time.monotonic() - when)
            os.read(timer, 8)
        if sys.stdin.fileno() in numbers:
            break
    late.sort()
    print(json.dumps({"wakes": len(late), **{
        name: round(1000 * late[min(len(late) - 1, int(share * len(late)))], 2)
        for name, share in (("median_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1))}}))


if __name__ == "__main__":
    main()
