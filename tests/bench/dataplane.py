#!/usr/bin/python3
"""What the data plane costs a packet, measured through the real daemon in network namespaces of its own.

Every program is given frames by BPF_PROG_TEST_RUN and compared, in the same rounds, with an empty program and with a
plain one that keeps flows in an LRU hash; then frames are really sent, against nftables doing the same work. Prints tables
(--markdown for docs/performance.md), and all figures as JSON with --json FILE. Timings are never judged. Exit status 1: a
verdict is wrong, or the environment is broken; standard error says which.
"""

import argparse
import json
import os
import pathlib
import platform
import signal
import sys
import time

_HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "netns")]

from lab import LabError  # noqa: E402
from lab.topology import remove_directory, remove_leftovers, scratch_directory  # noqa: E402

import dataplane_measure as measure  # noqa: E402
import dataplane_report as report  # noqa: E402
import dataplane_sites as sites  # noqa: E402
from dataplane_timing import measure_times  # noqa: E402

MANY = 1000
_PARTS = ("classes", "sizes", "live", "times")


def log(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        lines = [line.partition(":") for line in file]
    facts = {name.strip(): value.strip() for name, _, value in lines}
    return {"cpu": facts.get("model name", platform.machine()), "cpus": os.cpu_count(), "kernel": platform.release(),
            "virtual": " in a virtual machine" if "hypervisor" in facts.get("flags", "").split() else ""}


class Run:
    """One run: its directory, its sites, what it found. close() removes everything."""

    def __init__(self, arguments):
        self._quick = arguments.quick
        self._directory = scratch_directory()
        self._prefix = f"xlbt-{os.getpid()}"
        self._sites = []
        self._bench = measure.Bench(arguments.rounds or (7 if arguments.quick else 21))
        self.result = {"machine": machine(), "skipped": {}}

    @property
    def problems(self):
        return self._bench.problems

    def _own(self, site):
        self._sites.append(site)
        return site

    def _director(self, name, config, ipv6=False):
        return self._own(sites.DirectorSite(name, self._prefix, self._directory, config, ipv6))

    def _drop_sites(self):
        while self._sites:
            self._sites.pop().close()

    def _unsupported(self, feature, config):
        config = sites.head(1024) + config
        reason = sites.refusal(config, self._directory)
        if not reason:
            site = self._director(f"try-{feature}", config, ipv6=True)
            reason = site.refusal()
            self._drop_sites()
        if reason:
            self.result["skipped"][feature] = f"xlbd refuses it: {reason}"
        return bool(reason)

    def _base_config(self):
        pair = [sites.real_server_address(0), sites.real_server_address(1)]
        config = sites.head(measure.FLOW_TABLE_SIZE)
        config += sites.service(sites.VIP, sites.TCP_PORT, "TCP", pair)
        config += sites.service(sites.VIP, sites.TCP_PORT, "UDP", pair)
        config += sites.service(sites.VIP, sites.LOCAL_PORT, "TCP", [sites.DIRECTOR])
        optional = {"IPv6": sites.service(sites.VIP6, sites.TCP_PORT, "TCP", ["fd00:30::1", "fd00:30::2"]),
                    "TUN": sites.service(sites.VIP, sites.TUNNEL_PORT, "TCP", pair, kind="TUN")}
        for feature, text in optional.items():
            if not self._unsupported(feature, text):
                config += text
        return config

    def classes(self):
        director = self._director("base", self._base_config(), ipv6="IPv6" not in self.result["skipped"])
        director.start()
        if not measure.supports_icmp(director):
            self.result["skipped"]["ICMP"] = "xlbd's program hands ICMP errors to the stack"
        known, fresh = measure.traffic_classes(director, self.result["skipped"], self._quick)
        servers = measure.traffic_servers()
        self.result["classes"] = self._bench.run(known, servers)
        self.result["flows_remembered"] = measure.remembered_flows(director, max(one.flows for one in known))
        self.result["classes"] += self._bench.run(fresh, servers)

    @staticmethod
    def _virtual_servers_config(count, last_weights=None):
        """Ten real servers each."""
        ten = [sites.real_server_address(number) for number in range(10)]
        return sites.head(1 << 18) + "".join(
            sites.service(sites.virtual_server_address(number), sites.TCP_PORT, "TCP", ten,
                          last_weights if number == count - 1 else None) for number in range(count))

    def sizes(self):
        pair = [sites.real_server_address(0), sites.real_server_address(1)]
        thousand = [sites.real_server_address(number) for number in range(MANY)]
        one = self._director("one", sites.head(1 << 18) + sites.service(sites.VIP, sites.TCP_PORT, "TCP", pair))
        virtual = self._director("virtual", self._virtual_servers_config(MANY))
        real = self._director("real", sites.head(1 << 18) + sites.service(sites.VIP, sites.TCP_PORT, "TCP", thousand))
        real.permanent_neighbours(thousand[1:])
        for site in (one, virtual, real):
            site.start()
        flows = (1 << 10,) if self._quick else (1 << 10, 1 << 17)
        classes = [one_class for count in flows for one_class in measure.size_classes(one, virtual, real, MANY, count)]
        self.result["sizes"] = self._bench.run(classes, measure.size_servers(MANY))

    def live(self):
        pair = [sites.real_server_address(0), sites.real_server_address(1)]
        director = self._director("live", sites.head(1 << 20) + sites.service(sites.VIP, sites.TCP_PORT, "UDP", pair))
        director.start()
        forward = self._own(sites.ForwardSite("fwd", self._prefix, sites.TCP_PORT))
        dnat = self._own(sites.DnatSite("dnat", self._prefix, sites.TCP_PORT))
        self.result["live"] = self._bench.run(
            measure.live_classes(director, forward, dnat, (1 << 10, 1 << 17)), measure.traffic_servers())

    def times(self):
        self.result["times"] = []
        for count in (1, MANY):
            configs = [self._virtual_servers_config(count, weights) for weights in (None, {sites.WATCHED_REAL_SERVER: 0})]
            site = self._director(f"times{count}", configs[0])
            self.result["times"].append(measure_times(site, configs, count, 2 if self._quick else 5))

    def run(self, parts):
        for part in parts:
            began = time.monotonic()
            log(f"{part} ...")
            getattr(self, part)()
            self._drop_sites()
            log(f"{part}: {time.monotonic() - began:.0f} s")

    def close(self):
        self._drop_sites()
        remove_directory(self._directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="less than a minute: fewer rounds, no 1M flows")
    parser.add_argument("--rounds", type=int, help="samples of each program and class; 21, or 7 with --quick")
    parser.add_argument("--json", type=pathlib.Path, help="write every figure there")
    parser.add_argument("--markdown", action="store_true", help="print the tables as docs/performance.md has them")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(_PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}")
    if os.geteuid() != 0:
        sys.exit("error: network namespaces and BPF programs need root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # with everything removed
    remove_leftovers()
    run = Run(arguments)
    try:
        run.run(arguments.parts or _PARTS)
    except LabError as error:
        sys.exit(f"error: {error}")
    finally:
        run.close()
    print(report.text(run.result, arguments.markdown), end="")
    if arguments.json:
        arguments.json.write_text(json.dumps(run.result, indent=2) + "\n")
    for problem in run.problems:
        print(f"error: {problem}", file=sys.stderr)
    sys.exit(1 if run.problems else 0)


if __name__ == "__main__":
    main()
