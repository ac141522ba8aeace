"""Plans for dataplane_bench, one group of classes after the other, and what comes back."""

import json
import os
import statistics
import subprocess

from lab import LabError, wait_until

import dataplane_frames as frames
import dataplane_sites as sites
from dataplane_frames import ACK, SYN

PASS, TX = 2, 3
_ACTIONS = {0: "aborted", 1: "drop", 2: "pass", 3: "transmit", 4: "redirect"}
FLOW_TABLE_SIZE = 1 << 21
_IPPROTO_TCP, _IPPROTO_UDP = 6, 17


class Subject:
    """A program in a place, and the streams that open its flows and that are measured."""

    def __init__(self, label, site, program, verdict, openings, measured, forwarded=False, encapsulated=False):
        self.label = label
        self._plan = {
            "label": label, "program": program, "place": site.place(), "far_end": site.far_end(), "verdict": verdict,
            "forwarded": forwarded, "encapsulated": encapsulated, "openings": [stream.plan() for stream in openings], "measured": measured.plan(),
        }

    def plan(self):
        return self._plan


class Class:
    def __init__(self, name, flows, subjects, packets):
        self.flows = flows
        self._plan = {"name": name, "flows": flows, "packets": packets,
                      "fresh_before": 0 if flows else FLOW_TABLE_SIZE, "subjects": [subject.plan() for subject in subjects]}

    def plan(self):
        return self._plan


def _spread(values):
    """Median and the range of the middle 80 %."""
    ordered = sorted(values)
    margin = len(ordered) // 10
    return {"median": round(statistics.median(ordered), 2), "low": round(ordered[margin], 2),
            "high": round(ordered[-1 - margin], 2)}


def _summary(name, subjects):
    """Net: of the first subject's sample in the same round."""
    first = subjects[0]["ns"]
    rows = []
    for subject in subjects:
        row = {"label": subject["label"], "ns": _spread(subject["ns"])}
        if subject is not subjects[0]:
            row["net_ns"] = _spread([own - empty for own, empty in zip(subject["ns"], first)])
        if subject["arrived"]:
            row["arrived"] = round(min(subject["arrived"]), 3)
            row["mpps"] = _spread([1e3 * part / own for part, own in zip(subject["arrived"], subject["ns"])])
        rows.append(row)
    return {"class": name, "subjects": rows}


def wrong_results(subjects):
    for subject in subjects:
        for text in subject["wrong"]:
            words = text.split()
            if words[0] == "verdict":
                text = f"verdict {_ACTIONS.get(int(words[1]), words[1])} instead of {_ACTIONS[int(words[-1])]}"
            yield f"{subject['label']}: {text}"
        if subject["arrived"] and min(subject["arrived"]) < 0.95:
            yield f"{subject['label']}: of the frames sent only {min(subject['arrived']):.1%} arrived"


class Bench:
    """Runs groups of classes; keeps the summaries and what was wrong."""

    def __init__(self, rounds):
        self._rounds = rounds
        self._cpu = max(os.sched_getaffinity(0))
        self.problems = []

    def run(self, classes, servers):
        """`servers`: (address, port, protocol) that the program lru serves."""
        plan = {
            "cpu": self._cpu, "rounds": self._rounds, "classes": [one.plan() for one in classes],
            "lru": {"flows": FLOW_TABLE_SIZE, "destination_mac": frames.mac_bytes(sites.NETWORK_MAC).hex(),
                    "source_mac": frames.mac_bytes(frames.DIRECTOR_MAC).hex(),
                    "servers": [{"address": frames.address_bytes(address).hex(), "port": port, "protocol": protocol}
                                for address, port, protocol in servers]},
        }
        result = subprocess.run([sites.bench_path(), "measure"], input=json.dumps(plan), stdout=subprocess.PIPE,
                                text=True, timeout=600, check=False)
        if result.returncode != 0:
            raise LabError(f"dataplane_bench has ended with {result.returncode}")
        summaries = []
        for one in json.loads(result.stdout)["classes"]:
            self.problems += [f"{one['name']}: {text}" for text in wrong_results(one["subjects"])]
            summaries.append(_summary(one["name"], one["subjects"]))
        return summaries


def yardsticks(site, openings, measured, verdict=TX):
    return [Subject("empty", site, "empty", TX, [], measured),
            Subject("lru", site, "lru", verdict, openings, measured, forwarded=verdict == TX)]


def tcp_openings(server, port, flows, servers=1):
    return [frames.tcp(server, port, flags).of_flows(flows, servers=servers) for flags in (SYN, ACK)]


def established(site, name, flows, server=sites.VIP, port=sites.TCP_PORT, tunnel=False):
    openings = tcp_openings(server, port, flows)
    measured = frames.tcp(server, port, ACK).of_flows(flows)
    subjects = yardsticks(site, openings, measured)[:1 if tunnel else 2]
    subjects.append(Subject("xlb", site, site.program, TX, openings, measured, forwarded=True, encapsulated=tunnel))
    return Class(name, flows, subjects, packets_for(flows))


def packets_for(flows):
    """Enough that every flow is met, not so many that a round takes long."""
    return min(max(200_000, 4 * flows), 1 << 20)


def one_stream(site, name, flows, measured, verdict, openings=(), with_lru=True, lru_verdict=TX):
    subjects = yardsticks(site, openings, measured, lru_verdict)[:2 if with_lru else 1]
    subjects.append(Subject("xlb", site, site.program, verdict, openings, measured, forwarded=verdict == TX))
    return Class(name, flows, subjects, packets_for(flows))


def traffic_classes(site, absent, quick):
    """Those of flows that the table then knows, and those of flows that it does not."""
    vip, port = sites.VIP, sites.TCP_PORT
    thousand = 1 << 10
    syn = frames.tcp(vip, port, SYN).of_flows(thousand)
    udp = frames.udp(vip, port).of_flows(thousand)
    local = tcp_openings(vip, sites.LOCAL_PORT, thousand)
    classes = [
        one_stream(site, "ARP", 1, frames.arp(vip), PASS, lru_verdict=PASS),
        one_stream(site, "TCP to no virtual server", thousand,
                   frames.tcp(vip, sites.UNUSED_PORT, ACK).of_flows(thousand), PASS, lru_verdict=PASS),
        established(site, "TCP established, 1 flow", 1),
        established(site, "TCP established, 1k flows", thousand),
        one_stream(site, "TCP SYN repeated, 1k flows", thousand, syn, TX, [syn]),
        one_stream(site, "UDP established, 1k flows", thousand, udp, TX, [udp]),
        one_stream(site, "TCP to the local real server, 1k flows", thousand, local[1], PASS, local, with_lru=False),
    ]
    if "IPv6" not in absent:
        classes.append(established(site, "IPv6 TCP established, 1k flows", thousand, sites.VIP6))
    if "ICMP" not in absent:
        classes.append(one_stream(site, "ICMP fragmentation needed, 1k flows", thousand,
                                  frames.fragmentation_needed(vip, port).of_flows(thousand), TX,
                                  tcp_openings(vip, port, thousand), with_lru=False))
    if "TUN" not in absent:
        classes.append(established(site, "TCP established through a tunnel, 1k flows", thousand, port=sites.TUNNEL_PORT,
                                   tunnel=True))
    classes.append(established(site, "TCP established, 128k flows", 1 << 17))
    if not quick:
        if "IPv6" not in absent:
            classes.append(established(site, "IPv6 TCP established, 128k flows", 1 << 17, sites.VIP6))
        classes.append(established(site, "TCP established, 1M flows", 1 << 20))
    fresh = frames.tcp(vip, port, SYN, frames.FIRST_FRESH_PORT).of_flows(0)
    return classes, [one_stream(site, "TCP SYN, every packet a new flow", 0, fresh, TX)]


def remembered_flows(site, opened):
    """What the director has counted; LabError if it has lost flows, whose packets then took another way than said."""

    def counted():
        count = site.director.status()["flow_table"]["flows"]
        return count if count >= 0.99 * opened else 0

    return wait_until(counted, 20, f"xlbd remembers {opened} flows", interval=0.2)


def traffic_servers():
    return [(sites.VIP, sites.TCP_PORT, _IPPROTO_TCP), (sites.VIP, sites.TCP_PORT, _IPPROTO_UDP),
            (sites.VIP6, sites.TCP_PORT, _IPPROTO_TCP)]


def size_classes(one, many_virtual, many_real, count, flows):
    """Tables of different sizes in the same rounds. Traffic to many virtual servers goes to all of them."""

    def subject(label, site, program, server, servers):
        openings = tcp_openings(server, sites.TCP_PORT, flows, servers)
        measured = frames.tcp(server, sites.TCP_PORT, ACK).of_flows(flows, servers=servers)
        return Subject(label, site, program, TX, openings, measured, forwarded=program != "empty")

    first = sites.virtual_server_address(0)
    subjects = [
        Subject("empty", one, "empty", TX, [], frames.tcp(sites.VIP, sites.TCP_PORT, ACK).of_flows(flows)),
        subject("lru, 1 virtual server", one, "lru", sites.VIP, 1),
        subject(f"lru, {count} virtual servers", one, "lru", first, count),
        subject("xlb, 1 virtual server, 2 real servers", one, one.program, sites.VIP, 1),
        subject(f"xlb, {count} virtual servers, 10 real servers each", many_virtual, many_virtual.program, first, count),
        subject("xlb, 1 virtual server, 1000 real servers", many_real, many_real.program, sites.VIP, 1),
    ]
    return [Class(f"TCP established, {flows >> 10}k flows", flows, subjects, packets_for(flows))]


def size_servers(count):
    return [(sites.VIP, sites.TCP_PORT, _IPPROTO_TCP)] + [
        (sites.virtual_server_address(number), sites.TCP_PORT, _IPPROTO_TCP) for number in range(count)]


def live_classes(director, forward, dnat, sizes):
    """Frames that are really sent, in the receive path of the same kind of cable: UDP, which needs no handshake."""
    classes = []
    for flows in sizes:
        stream = frames.udp(sites.VIP, sites.TCP_PORT).of_flows(flows, live=True)
        subjects = [Subject(label, site, program, TX, openings, stream) for label, site, program, openings in (
            ("empty", director, "empty", []), ("xlb", director, director.program, [stream]),
            ("lru", director, "lru", [stream]),
            ("nftables fwd", forward, forward.program, []), ("nftables dnat", dnat, dnat.program, [stream]))]
        classes.append(Class(f"UDP, {flows >> 10}k flows", flows, subjects, 200_000))
    return classes


def supports_icmp(site):
    """Whether the program forwards ICMP errors: one that does not hands them to the stack."""
    watch = {"program": site.program, "place": site.place(), "timeout_s": 0.2,
             "stream": frames.fragmentation_needed(sites.VIP, sites.TCP_PORT).plan()}
    result = subprocess.run([sites.bench_path(), "watch"], input=json.dumps(watch), capture_output=True, text=True,
                            timeout=30, check=False)
    return result.returncode == 0
