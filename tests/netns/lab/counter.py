"""Packets and bytes that reach a host for one virtual server, counted by nftables before anything else looks at
them: the counter that is independent of xlb."""

import json


class TrafficCounter:
    _TABLE = "lab_counter"

    def __init__(self, host, address, port, protocol="tcp"):
        self._host = host
        # GRO would merge segments before nftables counts them.
        host.run("ethtool", "-K", host.uplink, "gro", "off")
        host.nft(f"""
            table ip {self._TABLE} {{
                counter arrived {{ }}
                chain arriving {{
                    type filter hook prerouting priority -310; policy accept;
                    ip daddr {address} {protocol} dport {port} counter name arrived
                }}
            }}""")

    def read(self):
        """(packets, bytes)"""
        text = self._host.run("nft", "-j", "list", "counter", "ip", self._TABLE, "arrived")
        counter = next(entry["counter"] for entry in json.loads(text)["nftables"] if "counter" in entry)
        return counter["packets"], counter["bytes"]

    def remove(self):
        self._host.nft(f"delete table ip {self._TABLE}")
