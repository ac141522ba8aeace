"""Frames as clients send them, and where in them what varies from flow to flow stands. Checksums are right."""

import dataclasses
import ipaddress
import struct

DIRECTOR_MAC = "02:00:00:00:00:01"
ROUTER_MAC = "02:00:00:00:00:fe"  # where clients' frames come from
CLIENT = "100.64.0.0"  # the first of 2^22
CLIENT6 = "2001:db8::1:0:0"
FIRST_PORT = 1024  # of 2^10
FIRST_FRESH_PORT = 32768  # flows that nobody has opened before
ICMP_SENDER = "203.0.113.9"
SYN, ACK = 0x02, 0x10
_TCP, _UDP, _ICMP = 6, 17, 1
_ETHERNET = 14
_LEAST_FRAME = 64


@dataclasses.dataclass
class Stream:
    """What dataplane_plan.h calls a stream."""

    frame: str  # hexadecimal
    client_at: int = 0
    port_at: int = 0
    server_at: int = 0
    ip_check_at: int = 0
    transport_check_at: int = 0
    transport_check_covers_addresses: bool = False
    servers: int = 1
    flow_mask: int = 0
    live: bool = False

    def of_flows(self, count, live=False, servers=1):
        """For `count` flows, a power of two; 0: every packet is a new one."""
        return dataclasses.replace(self, flow_mask=(count or 1 << 32) - 1, live=live, servers=servers)

    def plan(self):
        return dataclasses.asdict(self)


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def _checksum(octets):
    if len(octets) % 2:
        octets += b"\0"
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address_bytes(text):
    return ipaddress.ip_address(text).packed


def _ethernet(ether_type, payload):
    frame = mac_bytes(DIRECTOR_MAC) + mac_bytes(ROUTER_MAC) + struct.pack("!H", ether_type) + payload
    return frame.ljust(_LEAST_FRAME, b"\0")


def _ip(source, destination, protocol, payload):
    if ":" in source:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + address_bytes(source) + address_bytes(destination) + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0)
    header += address_bytes(source) + address_bytes(destination)
    return header[:10] + struct.pack("!H", _checksum(header)) + header[12:] + payload


def _pseudo_header(source, destination, protocol, length):
    # IPv6's has wider fields, which sum up to the same.
    return address_bytes(source) + address_bytes(destination) + struct.pack("!HH", protocol, length)


def _tcp(source, destination, source_port, port, flags):
    """With the timestamps that every system sends: no padding in the frame."""
    header = struct.pack("!HHIIBBHHH", source_port, port, 1000, 2000, 0x80, flags, 8192, 0, 0)
    header += bytes.fromhex("0101080a0000000100000002")
    check = _checksum(_pseudo_header(source, destination, _TCP, len(header)) + header)
    return header[:16] + struct.pack("!H", check) + header[18:]


def _udp(source, destination, source_port, port, payload):
    datagram = struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload
    check = _checksum(_pseudo_header(source, destination, _UDP, len(datagram)) + datagram)
    return datagram[:6] + struct.pack("!H", check) + datagram[8:]


def _transport_stream(server, protocol, segment, check_at):
    version6 = ":" in server
    header = 40 if version6 else 20
    transport_at = _ETHERNET + header
    return Stream(
        _ethernet(0x86DD if version6 else 0x0800, _ip(CLIENT6 if version6 else CLIENT, server, protocol, segment)).hex(),
        client_at=_ETHERNET + (20 if version6 else 12),
        server_at=_ETHERNET + (36 if version6 else 16),
        port_at=transport_at,
        ip_check_at=0 if version6 else _ETHERNET + 10,
        transport_check_at=transport_at + check_at,
        transport_check_covers_addresses=True)


def tcp(server, port, flags, first_port=FIRST_PORT):
    client = CLIENT6 if ":" in server else CLIENT
    return _transport_stream(server, _TCP, _tcp(client, server, first_port, port, flags), 16)


def udp(server, port, first_port=FIRST_PORT):
    client = CLIENT6 if ":" in server else CLIENT
    return _transport_stream(server, _UDP, _udp(client, server, first_port, port, b"x" * 22), 6)


def arp(server):
    request = bytes.fromhex("0001080006040001") + mac_bytes(ROUTER_MAC) + address_bytes(CLIENT) + bytes(6) + address_bytes(server)
    return Stream(_ethernet(0x0806, request).hex())


def fragmentation_needed(server, port):
    """A router could not pass on what the server answered to a flow's client (RFC 1191): it quotes that packet."""
    quoted = _ip(server, CLIENT, _TCP, _tcp(server, CLIENT, port, FIRST_PORT, ACK))[:28]
    message = struct.pack("!BBHHH", 3, 4, 0, 0, 1400) + quoted
    message = message[:2] + struct.pack("!H", _checksum(message)) + message[4:]
    quoted_at = _ETHERNET + 20 + 8
    return Stream(
        _ethernet(0x0800, _ip(ICMP_SENDER, server, _ICMP, message)).hex(),
        client_at=quoted_at + 16,
        port_at=quoted_at + 22,
        ip_check_at=quoted_at + 10,
        # The quoted header with its own checksum always sums up to the same.
        transport_check_at=_ETHERNET + 20 + 2)
