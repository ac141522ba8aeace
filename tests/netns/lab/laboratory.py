"""A topology and everything that runs in it, with one end: close()."""

from .adverts import Forger, Listener
from .client import Client
from .director import Director
from .frr import Frr
from .keepalived import Keepalived
from .tls import TlsServer
from .topology import Topology, remove_directory, scratch_directory
from .web import Nginx, UdpEcho, WebServer


class Lab:
    def __init__(self, **topology):
        self.directory = scratch_directory()
        self._owned = []
        self.topology = Topology(**topology)
        self.n1, self.n2 = self.topology.servers
        self.router = self.topology.router
        self.switch = self.topology.switch
        self.client = Client(self.topology.client)

    def own(self, thing):
        self._owned.append(thing)
        return thing

    def nginx(self, name, listen="0.0.0.0"):
        return self.own(Nginx(self.topology.server(name), name, self.directory / f"nginx-{name}", listen))

    def web(self, name, **options):
        return self.own(WebServer(self.topology.server(name), name, **options))

    def udp_echo(self, name, **options):
        return self.own(UdpEcho(self.topology.server(name), name, **options))

    def tls(self, name, body, **options):
        return self.own(TlsServer(self.topology.server(name), self.directory / f"tls-{name}", body, **options))

    def director(self, name, config, start=True):
        director = self.own(Director(self.topology.server(name), name, self.directory / name, config))
        return director.start() if start else director

    def keepalived(self, name, config):
        return self.own(Keepalived(self.topology.server(name), self.directory / f"keepalived-{name}", config)).start()

    def frr(self, name, **options):
        return self.own(Frr(self.topology.server(name), self.directory / f"frr-{name}", **options)).start()

    def forger(self, name):
        return self.own(Forger(getattr(self.topology, name)))

    def listener(self, name):
        return self.own(Listener(getattr(self.topology, name)))

    def pair(self, config, names=("n1", "n2")):
        """Directors on both servers; when this returns the first is master, the other hears it, and both forward."""
        return self.settled([self.director(name, config.text(name)) for name in names])

    def settled(self, directors):
        directors[0].wait_vrrp("MASTER", 10)
        for director in directors[1:]:
            director.wait_master_heard()
        for director in directors:
            director.wait_forwarding()
        return directors

    def logs(self):
        return [(str(thing.log), thing.log_text()) for thing in self._owned if hasattr(thing, "log_text")]

    def close(self):
        for thing in reversed(self._owned):
            thing.close()
        self._owned = []
        self.topology.close()
        remove_directory(self.directory)
