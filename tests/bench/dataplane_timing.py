"""How soon packets see what the daemon is told: its start, and a change of one weight by a reload."""

import json
import os
import signal
import statistics
import subprocess
import time

from lab import LabError, wait_until

import dataplane_frames as frames
import dataplane_sites as sites
from dataplane_frames import SYN

_RING = 10  # real servers of a virtual server, all of the same weight: so many connections meet each


class _Watch:
    """dataplane_bench looking at the pinned program until it sees what is asked for."""

    def __init__(self, site, stream, connections, mac="", some=False):
        watch = {"program": site.program, "place": site.place(), "stream": stream.plan(), "connections": connections,
                 "mac": frames.mac_bytes(mac).hex() if mac else "", "some": some, "timeout_s": 20}
        self._process = subprocess.Popen([sites.bench_path(), "watch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True)
        self._process.stdin.write(json.dumps(watch))
        self._process.stdin.close()

    def wait_watching(self):
        if self._process.stdout.readline() != "watching\n":
            raise LabError("dataplane_bench saw the change before it was made")

    def seen_at(self):
        """On time.monotonic()'s clock."""
        for line in self._process.stdout:
            if line.startswith("{"):
                self._process.wait()
                return json.loads(line)["monotonic_s"]
        raise LabError(f"dataplane_bench: {self._process.stderr.read().strip()}")

    def close(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def _start_time(site, stream, connections):
    watch = _Watch(site, stream, connections)
    try:
        began = time.monotonic()
        site.director.start(ready=False)
        return watch.seen_at() - began
    finally:
        watch.close()


def _weight_time(site, stream, config, appears):
    """From the signal until new connections (no longer) go to the watched real server."""
    watch = _Watch(site, stream, 2 * _RING, sites.WATCHED_MAC, appears)
    try:
        watch.wait_watching()
        site.director.config.write_text(config)
        began = time.monotonic()
        os.kill(site.director.pid, signal.SIGHUP)
        return watch.seen_at() - began
    finally:
        watch.close()


def _milliseconds(values):
    return {"median": round(1e3 * statistics.median(values), 1), "low": round(1e3 * min(values), 1),
            "high": round(1e3 * max(values), 1)}


def measure_times(site, configs, servers, repeats):
    """`configs`: with the watched real server of the last virtual server at weight 1, and at weight 0."""
    watched_server = sites.virtual_server_address(servers - 1)
    everywhere = frames.tcp(sites.virtual_server_address(0), sites.TCP_PORT, SYN).of_flows(1 << 12, servers=servers)
    starts = []
    for _ in range(repeats):
        site.director.config.write_text(configs[0])
        starts.append(_start_time(site, everywhere, 1 << 12))
        if len(starts) < repeats:
            wait_until(lambda: site.director.get("/readyz")[0] == 200, 10, "xlbd is ready")
            site.stop()
    wait_until(lambda: site.director.get("/readyz")[0] == 200, 10, "xlbd is ready")
    site.director.wait_forwarding(30)
    changes = []
    for number in range(2 * repeats):
        appears = number % 2 == 1
        # Clients of its own: its predecessors' have their connections already.
        stream = frames.tcp(watched_server, sites.TCP_PORT, SYN, frames.FIRST_FRESH_PORT + 1024 * number).of_flows(0)
        changes.append(_weight_time(site, stream, configs[0 if appears else 1], appears))
    return {"virtual_servers": servers, "start_ms": _milliseconds(starts), "weight_change_by_reload_ms": _milliseconds(changes)}
