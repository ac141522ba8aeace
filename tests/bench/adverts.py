#!/usr/bin/python3
"""How punctual a master's advertisements are at 10 ms while xlbd checks ten thousand real servers every second and reads
its configuration again and again. Measured on the wire, by the kernel's time stamps at the other end of the cable.

Prints a table, and the same as JSON with --json FILE. Needs root; works in network namespaces of its own. Exit status 1:
a bound was missed.
"""

import json
import os
import subprocess
import sys
import time

import loop_site
from loop_site import VIP, BareTimer, Usage, address_of, directory_in_memory, head_of_configuration

from lab import Director, wait_until
from lab.topology import remove_directory

INTERVAL_MS = 10
BOUND_MS = 3  # at the 99th percentile

# Opens connections in the kernel and closes them: all that TCP_CHECK asks for.
ACCEPTOR = """
import socket
listener = socket.create_server(("0.0.0.0", 80), backlog=65535)
print("listening", flush=True)
while True:
    listener.accept()[0].close()
"""

# Protocol 112 on eth0, each with the kernel's time stamp, until standard input ends; prints them in ns.
LISTENER = """
import select, socket, struct, sys
SO_TIMESTAMPNS = 35
link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
link.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
load_protocol, jump_if_112, refuse, accept = (0x30, 0, 0, 9), (0x15, 1, 0, 112), (6, 0, 0, 0), (6, 0, 0, 64)
code = b"".join(struct.pack("HBBI", *one) for one in (load_protocol, jump_if_112, refuse, accept))
import ctypes
buffer = ctypes.create_string_buffer(code)
link.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", 4, ctypes.addressof(buffer)))
link.bind(("eth0", 0x0800))
print("listening", flush=True)
times = []
while True:
    ready, _, _ = select.select([link, sys.stdin], [], [])
    if sys.stdin in ready:
        break
    _, ancillary, _, _ = link.recvmsg(64, 64)
    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
    times.append(seconds * 1000000000 + nanoseconds)
print(" ".join(map(str, times)))
"""


class Network(loop_site.Network):
    """Its neighbours are permanent: the kernel bounds the others for all namespaces together."""

    def __init__(self, real_servers):
        super().__init__("adv")
        for namespace in (self.director, self.peer):
            namespace.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535")
        self.peer.run("sysctl", "-qw", "net.core.somaxconn=65535")
        mac = json.loads(self.peer.ip("-json", "link", "show", "dev", "eth0"))[0]["address"]
        for number in range(0, real_servers, 1000):
            batch = "".join(f"neigh add {address_of(one)} lladdr {mac} dev eth0 nud permanent\n"
                            for one in range(number, min(number + 1000, real_servers)))
            subprocess.run(self.director.command("ip", "-batch", "-"), input=batch, text=True, check=True)

    def python(self, program):
        process = subprocess.Popen(self.peer.command("/usr/bin/python3", "-c", program), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "listening\n"
        return process


def configuration(count, services):
    text = head_of_configuration("FAST", INTERVAL_MS / 1000)
    for service in range(services):
        text += f"virtual_server {VIP} {8000 + service} {{\n    delay_loop 1\n    lb_algo wrr\n    lb_kind DR\n    protocol TCP\n"
        for number in range(service, count, services):
            text += f"    real_server {address_of(number)} {8000 + service} {{\n        weight {1 + number % 7}\n"
            text += "        TCP_CHECK {\n            connect_port 80\n            connect_timeout 1\n        }\n    }\n"
        text += "}\n"
    return text


class Adverts:
    """From start to stop: how late each advertisement came after the one before it, in ms."""

    def __init__(self, network):
        self._process = network.python(LISTENER)

    def stop(self):
        times = [int(word) / 1e6 for word in self._process.communicate("\n", 30)[0].split()]
        late = sorted(later - earlier - INTERVAL_MS for earlier, later in zip(times, times[1:]))
        if len(late) < 100:
            sys.exit(f"error: only {len(late)} advertisements were seen")
        at = lambda part: round(late[min(len(late) - 1, int(len(late) * part))], 3)  # noqa: E731
        return {"adverts": len(times), "median_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999), "max_ms": at(1)}


def phase(network, director, seconds, reloads):
    usage, bare, adverts = Usage(director.pid), BareTimer(), Adverts(network)
    end = time.monotonic() + seconds
    done, took = 0, []
    while time.monotonic() < end:
        time.sleep(min(reloads or seconds, max(0, end - time.monotonic())))
        if reloads:
            old, new = ("weight 7", "weight 8") if done % 2 == 0 else ("weight 8", "weight 7")
            director.config.write_text(director.config.read_text().replace(old, new))
            began = time.monotonic()
            director.ctl("reload")
            took.append(time.monotonic() - began)
            done += 1
    return {"adverts": adverts.stop(), "bare_timer": bare.stop(), **usage.result(), "reloads": done,
            "slowest_reload_ms": round(1000 * max(took, default=0), 1)}


def measure(arguments, network, director):
    director.start(ready=False)
    if arguments.realtime:
        os.sched_setscheduler(director.pid, os.SCHED_FIFO, os.sched_param(1))
    wait_until(lambda: director.get("/readyz")[0] == 200, 60, "xlbd is ready")

    def all_up():
        return all(one["state"] == "up" for service in director.status()["virtual_servers"] for one in service["real_servers"])

    wait_until(all_up, 60, "every real server is up", interval=0.5)
    result = {"checks": phase(network, director, arguments.seconds, None)}
    result["reloading"] = phase(network, director, arguments.seconds, arguments.reload_every)
    status = director.status()
    result["false_alarms"] = director.log_text().count(" is down: ")
    result["transitions"] = status["vrrp"][0]["transitions"]
    return result


def table(result):
    def line(name, *values):
        return f"{name:<44}" + "".join(f"{value:>14}" for value in values)

    phases = result["checks"], result["reloading"]
    rows = [line("", "checks", "and reloads")]
    for name, key in (("median", "median_ms"), ("99 %", "p99_ms"), ("99.9 %", "p999_ms"), ("maximum", "max_ms")):
        rows.append(line(f"an advertisement's lateness, {name}", *(f"{one['adverts'][key]:.2f} ms" for one in phases)))
    for name, key in (("99 %", "p99_ms"), ("maximum", "max_ms")):
        rows.append(line(f"  bare timer's, {name}", *(f"{one['bare_timer'][key]:.2f} ms" for one in phases)))
    rows += [
        line("advertisements", *(one["adverts"]["adverts"] for one in phases)),
        line("loop's CPU", *(f"{one['loop_cpu_percent']} %" for one in phases)),
        line("loop waited for a CPU", *(f"{one['loop_waited_for_cpu_percent']} %" for one in phases)),
        line("memory", *(f"{one['memory_mib']} MiB" for one in phases)),
        line("reloads, the slowest", f"{phases[1]['reloads']}", f"{phases[1]['slowest_reload_ms']} ms"),
        line("false alarms / transitions", result["false_alarms"], result["transitions"]),
    ]
    return "\n".join(rows)


def missed(result):
    problems = []
    for name in ("checks", "reloading"):
        late, bare = result[name]["adverts"]["p99_ms"], result[name]["bare_timer"]["p99_ms"]
        if late > BOUND_MS:
            problems.append(f"{name}: the 99th percentile is {late:.2f} ms late; the bound is {BOUND_MS} ms "
                            f"(a process that only waits: {bare:.2f} ms)")
    if result["false_alarms"] or result["transitions"] != 1:
        problems.append(f"{result['false_alarms']} false alarms, {result['transitions']} transitions instead of 1")
    return problems


def run(arguments):
    directory = directory_in_memory("adv")
    closing = [lambda: remove_directory(directory)]
    try:
        network = Network(arguments.real_servers)
        closing.append(network.close)
        acceptor = network.python(ACCEPTOR)
        closing.append(lambda: (acceptor.kill(), acceptor.wait()))
        director = Director(network.director, "adv", directory,
                            configuration(arguments.real_servers, arguments.virtual_servers))
        closing.append(director.close)
        result = {"real_servers": arguments.real_servers, "interval_ms": INTERVAL_MS,
                  **measure(arguments, network, director)}
        director.stop()
        return result
    finally:
        for close in reversed(closing):
            close()


def print_result(arguments):
    result = run(arguments)
    print(table(result))
    return result


if __name__ == "__main__":
    parser = loop_site.parser(__doc__)
    parser.add_argument("--real-servers", type=int, default=10_000)
    parser.add_argument("--virtual-servers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30, help="of each phase")
    parser.add_argument("--reload-every", type=float, default=3, metavar="SECONDS")
    sys.exit(loop_site.main(parser.parse_args(), print_result, missed))
