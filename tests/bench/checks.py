#!/usr/bin/python3
"""What ten thousand real servers checked every second cost xlbd: its CPU time and its memory, for TCP_CHECK and for
HTTP_GET, with a virtual router that advertises every 10 ms meanwhile. The real servers are nginx on a hundred ports of a
hundred addresses in another namespace. What the kernel does for their half of a connection would run in xlbd's system
calls, since the cable is virtual; it is given to a thread of the kernel (threaded NAPI), whose share is printed too.
With --one-thread it is left where it would run, and counted as xlbd's.

Prints a table, and the same as JSON with --json FILE. Needs root; works in network namespaces of its own. Exit status 1:
a bound was missed.
"""

import json
import os
import pathlib
import sys
import time

import loop_site
from loop_site import VIP, head_of_configuration, resident_mib

from lab import Director, Process, wait_until
from lab.topology import remove_directory, scratch_directory

CPU_BOUND_PERCENT = 50  # of one core
GROWTH_BOUND_MIB = 4
LAG_BOUND_MS = 3  # of the 99th percentile
ADDRESSES = PORTS = 100
FIRST_PORT = 1000

CHECKS = {
    "TCP_CHECK": "TCP_CHECK {\n connect_timeout 3\n }",
    "HTTP_GET": "HTTP_GET {\n connect_timeout 3\n url {\n path /\n status_code 200\n }\n }",
    "HTTP_GET digest": "HTTP_GET {\n connect_timeout 3\n url {\n path /\n digest "
                       "444bcb3a3fcf8389296c49467f27e1d6\n }\n }",  # of "ok"
}

_NGINX = """
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {directory}/nginx.pid;
error_log /dev/null;
events {{ worker_connections 32768; multi_accept on; }}
http {{
    access_log off;
    keepalive_timeout 0;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        {listen}
        default_type text/plain;
        location / {{ return 200 "ok"; }}
    }}
}}
"""


class Network(loop_site.Network):
    def __init__(self):
        super().__init__("chk")
        self.peer.sysctl("net.core.somaxconn", "4096")

    def receive_in_a_thread(self):
        """The real servers' half of the kernel's work gets a thread of its own; its process id."""
        before = napi_threads()
        self.director.run("ethtool", "-K", "eth0", "tso", "off")  # else TCP's packets go round NAPI
        self.peer.run("ethtool", "-K", "eth0", "gro", "on")
        self.peer.run("unshare", "--mount", "sh", "-c",
                      "mount -t sysfs sysfs /sys && echo 1 > /sys/class/net/eth0/threaded")
        wait_until(lambda: napi_threads() - before, 5, "the kernel's thread for eth0 is there")
        return (napi_threads() - before).pop()


def napi_threads():
    found = set()
    for path in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text(encoding="utf-8").startswith("napi/eth0-"):
                found.add(int(path.parent.name))
        except OSError:
            continue  # it has ended
    return found


def nginx(network, directory):
    listen = "\n".join(f"listen 0.0.0.0:{FIRST_PORT + port} backlog=4096;" for port in range(PORTS))
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(directory=directory, listen=listen))
    process = Process(network.peer.command("nginx", "-c", config, "-e", "/dev/null"), directory / "nginx.log")
    wait_until(lambda: f":{FIRST_PORT + PORTS - 1} " in network.peer.run("ss", "-Hltn") or not process.alive, 10,
               "nginx listens")
    return process


def configuration(check):
    text = head_of_configuration("FAST", 0.01)
    for port in range(PORTS):
        text += (f"virtual_server {VIP} {FIRST_PORT + port} {{\n delay_loop 1\n lb_algo wrr\n lb_kind DR\n"
                 " protocol TCP\n")
        for address in range(ADDRESSES):
            text += f" real_server 10.30.0.{address + 1} {FIRST_PORT + port} {{\n {check}\n }}\n"
        text += "}\n"
    return text


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return tuple(int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:13])


def status_of(director):
    """Some megabytes of it."""
    return json.loads(director.ctl("--json", "show"))


def checks(status):
    return [check for service in status["virtual_servers"] for real_server in service["real_servers"]
            for check in real_server["checks"]]


def attempts(status):
    return sum(check["attempts"] for check in checks(status))


def measure(director, seconds, peer_thread):
    """While nobody asks the daemon anything."""
    first, began = attempts(status_of(director)), time.monotonic()
    time.sleep(1)  # the answer above is paid for
    memory = resident_mib(director.pid)
    peer = sum(cpu_seconds(peer_thread)) if peer_thread else 0
    cpu_began, cpu = time.monotonic(), cpu_seconds(director.pid)
    time.sleep(seconds)
    used = [after - before for before, after in zip(cpu, cpu_seconds(director.pid))]
    cpu_took = time.monotonic() - cpu_began
    peer = sum(cpu_seconds(peer_thread)) - peer if peer_thread else 0
    growth = resident_mib(director.pid) - memory
    status, asked = status_of(director), time.monotonic()
    rate = (attempts(status) - first) / (asked - began)
    return {
        "attempts_per_s": round(rate),
        "cpu_percent": round(100 * sum(used) / cpu_took, 1),
        "user_percent": round(100 * used[0] / cpu_took, 1),
        "system_percent": round(100 * used[1] / cpu_took, 1),
        "peer_percent": round(100 * peer / cpu_took, 1),
        "us_per_attempt": round(1e6 * sum(used) / cpu_took / rate, 1),
        "memory_mib": round(memory, 1),
        "memory_growth_mib": round(growth, 1),
        "down": sum(not check["up"] for check in checks(status)),
        "loop": status["loop"],
    }


def run(arguments, network, directory, kind, peer_thread):
    director = Director(network.director, "director", directory / kind.replace(" ", "_"), configuration(CHECKS[kind]))
    director.host = network.director
    try:
        director.start(ready=False)
        if arguments.realtime:
            os.sched_setscheduler(director.pid, os.SCHED_FIFO, os.sched_param(1))
        wait_until(lambda: director.get("/readyz", timeout=10)[0] == 200, 60, "xlbd is ready")
        wait_until(lambda: attempts(status_of(director)) > 2 * ADDRESSES * PORTS, 120, "every real server is checked twice",
                   interval=1)
        time.sleep(arguments.warm)
        return measure(director, arguments.seconds, peer_thread)
    finally:
        director.stop()
        director.close()


def missed(kind, result):
    if result["down"] > 0:
        yield f"{kind}: {result['down']} real servers are down"
    if result["cpu_percent"] > CPU_BOUND_PERCENT:
        yield f"{kind}: {result['cpu_percent']} % of a core, more than {CPU_BOUND_PERCENT}"
    if result["attempts_per_s"] < 0.9 * ADDRESSES * PORTS:
        yield f"{kind}: {result['attempts_per_s']} attempts a second are not every server's"
    if result["memory_growth_mib"] > GROWTH_BOUND_MIB:
        yield f"{kind}: memory grew by {result['memory_growth_mib']} MiB"
    if result["loop"]["p99_lag_ms"] > LAG_BOUND_MS:
        yield f"{kind}: 99 % of deadlines within {result['loop']['p99_lag_ms']} ms, not {LAG_BOUND_MS}"


def measure_kinds(arguments):
    network, directory = Network(), scratch_directory()
    results, server = {}, None
    try:
        peer_thread = None if arguments.one_thread else network.receive_in_a_thread()
        server = nginx(network, directory)
        print(f"{'':<18}{'attempts/s':>12}{'CPU %':>8}{'user':>8}{'system':>8}{'peer':>8}{'us each':>9}{'MiB':>8}"
              f"{'growth':>8}{'p99 lag ms':>12}")
        for kind in arguments.kind or CHECKS:
            result = results[kind] = run(arguments, network, directory, kind, peer_thread)
            print(f"{kind:<18}{result['attempts_per_s']:>12}{result['cpu_percent']:>8}{result['user_percent']:>8}"
                  f"{result['system_percent']:>8}{result['peer_percent']:>8}{result['us_per_attempt']:>9}"
                  f"{result['memory_mib']:>8}"
                  f"{result['memory_growth_mib']:>8}{result['loop']['p99_lag_ms']:>12}", flush=True)
    finally:
        if server is not None:
            server.kill()
        network.close()
        remove_directory(directory)
    return results


def all_missed(results):
    return [text for kind, result in results.items() for text in missed(kind, result)]


if __name__ == "__main__":
    parser = loop_site.parser(__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="how long each kind is measured")
    parser.add_argument("--warm", type=float, default=5, help="how long it runs before")
    parser.add_argument("--kind", choices=CHECKS, action="append", help="which kinds; all by default")
    parser.add_argument("--one-thread", action="store_true", help="the real servers' half of the kernel's work is xlbd's")
    sys.exit(loop_site.main(parser.parse_args(), measure_kinds, all_missed))
