"""Frames with VLAN tags, on a trunk: forwarded with the tags they came with.

The kernels this runs on may have no VLAN devices: raw sockets send, the switch's ports are watched.
"""

import socket

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from lab import VIP, VIP6, Capture, client_addresses6, hold_vips, single_config, virtual_server
from lab.topology import client_addresses

TAGS = {
    "802.1Q": Dot1Q(vlan=7, prio=5),
    "QinQ": Dot1AD(vlan=100, prio=3) / Dot1Q(vlan=7),
    "two of 802.1Q": Dot1Q(vlan=4094) / Dot1Q(vlan=1),
}
_ETH_P_ALL = 3


@pytest.fixture(scope="module")
def running(module_lab_factory):
    """(lab, director): n2 alone is a real server, every cable is a trunk."""
    lab = module_lab_factory()
    hold_vips(lab)
    for host in (lab.n1, lab.n2, lab.router):
        # The switch puts tags into the frame, as on a wire, not beside it.
        lab.switch.run("ethtool", "-K", host.port, "txvlan", "off", "tx-vlan-stag-hw-insert", "off")
    lab.n1.run("ethtool", "-K", "eth0", "rxvlan", "on")
    director = lab.director("n1", single_config(*(
        virtual_server(vip, port, protocol, names=("n2",)) for vip in (VIP, VIP6)
        for port, protocol in ((80, "TCP"), (53, "UDP")))))
    director.wait_forwarding()
    return lab, director


def network(vip, source):
    return IPv6(src=source, dst=vip, hlim=64) if ":" in vip else IP(src=source, dst=vip, ttl=64)


@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS)
@pytest.mark.parametrize("vip", [VIP, VIP6], ids=["v4", "v6"])
def test_tagged_frames_are_forwarded_with_their_tags(running, vip, tags):
    lab, director = running
    sources = client_addresses6(3) if ":" in vip else client_addresses(3)
    transports = [TCP(sport=4000, dport=80, flags="S", seq=7), UDP(sport=4000, dport=53) / Raw(b"who"),
                  UDP(sport=4001, dport=53) / Raw(b"x" * 1400)]

    def is_tagged(frame):
        return frame.leaving and frame.ether_type in (0x8100, 0x88a8)

    sent = [Ether(src=lab.router.mac(), dst=lab.n1.mac()) / tags / network(vip, source) / transport
            for source, transport in zip(sources, transports)]
    with Capture(lab.switch, lab.n2) as capture, lab.router.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as trunk:
        trunk.bind(("eth0", _ETH_P_ALL))
        for frame in sent:
            trunk.send(bytes(frame))
        capture.wait_for(lambda frame: is_tagged(frame) and len(frame.raw) > 1400, 5, "the last frame at n2")
        arrived = capture.frames(is_tagged)
    for frame in sent:
        frame.src, frame.dst = lab.n1.mac(), lab.n2.mac()
        if ":" in vip:
            frame[IPv6].hlim = 63
        else:
            frame[IP].ttl = 63
    assert [frame.raw.hex() for frame in arrived] == [bytes(frame).hex() for frame in sent]
    assert director.count("drop_malformed") == 0


def test_receive_vlan_offload_is_switched_off(running):
    lab, _ = running
    features = lab.n1.run("ethtool", "-k", "eth0")
    assert "rx-vlan-offload: off" in features
