"""A laboratory of network namespaces on one machine: the tutorial's two servers, their switch, a router
and a client, and what is needed to run, watch and break them. Needs root; touches only namespaces of its own.
"""

from .capture import Capture, Frame
from .client import Client, Poller, Reply, end_with_reset
from .config import VIP, PairConfig, tutorial
from .counter import TrafficCounter
from .director import Director
from .ipv6 import ADDRESSES6, VIP6, add_ipv6, client_addresses6
from .keepalived import Keepalived
from .laboratory import Lab
from .namespace import Namespace
from .ownership import OwnershipWatch
from .process import LabError, Process, wait_until
from .single import hold_vips, single_config, virtual_server
from .topology import Host, Topology
from .traffic import LongConnections, UdpProbe
from .web import Mode, Nginx, UdpEcho, WebServer

__all__ = [
    "ADDRESSES6", "VIP6", "add_ipv6", "client_addresses6", "hold_vips", "single_config", "virtual_server",
    "Capture", "Client", "Director", "Frame", "Host", "Keepalived", "Lab", "LabError", "Mode", "Namespace", "Nginx",
    "LongConnections", "OwnershipWatch", "PairConfig", "Poller", "Process", "Reply", "Topology", "TrafficCounter", "UdpEcho",
    "UdpProbe", "VIP", "WebServer",
    "end_with_reset", "tutorial", "wait_until",
]
