"""Configuration files for the directors: the tutorial's own two, and variations of the pair."""

import pathlib
from dataclasses import dataclass, field

VIP = "10.10.0.3"
_FIXTURES = pathlib.Path(__file__).parent.parent.parent / "fixtures" / "tutorial"
_TUTORIAL_SCRIPT = "/etc/keepalived/notify.sh"
ADDRESSES = {"n1": "10.10.0.1", "n2": "10.10.0.2"}
EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def tutorial(name, script):
    """The tutorial's file for a server, with the path of the notify script replaced and nothing else."""
    role = {"n1": "master", "n2": "backup"}[name]
    return (_FIXTURES / f"{role}.conf").read_text().replace(_TUTORIAL_SCRIPT, str(script))


def http_check(path="/index.php", digest=EMPTY_MD5, status_code=None, connect_timeout=1, retry=1, before_retry=1):
    wanted = f"digest {digest}" if digest else ""
    if status_code:
        wanted += f"\n            status_code {status_code}"
    return f"""
        HTTP_GET {{
            url {{
                path {path}
                {wanted}
            }}
            connect_timeout {connect_timeout}
            retry {retry}
            delay_before_retry {before_retry}
        }}"""


@dataclass
class PairConfig:
    """A pair like the tutorial's; fields are what the tests vary."""

    version: int = 2
    advert_int: str = "1"
    password: str | None = None
    priorities: dict = field(default_factory=lambda: {"n1": 200, "n2": 100})
    vrrp_extra: str = ""
    port: int = 80
    protocol: str = "TCP"
    scheduler: str = "rr"
    persistence: int | None = None
    delay_loop: int = 30
    weights: dict = field(default_factory=lambda: {"n1": 100, "n2": 100})
    real_servers: tuple = ("n1", "n2")
    check: str = ""
    service_extra: str = ""
    real_server_extra: str = ""  # {name} stands for the real server's name
    xlb: str = ""

    def vrrp(self, name):
        password = ""
        if self.password:
            password = f"authentication {{\n        auth_type PASS\n        auth_pass {self.password}\n    }}"
        return f"""
vrrp_instance VI_1 {{
    state BACKUP
    interface eth0
    virtual_router_id 10
    version {self.version}
    priority {self.priorities[name]}
    advert_int {self.advert_int}
    {password}
    {self.vrrp_extra}
    virtual_ipaddress {{
        {VIP}/24
    }}
}}
"""

    def services(self):
        persistence = f"persistence_timeout {self.persistence}" if self.persistence else ""
        real_servers = "".join(f"""
    real_server {ADDRESSES[name]} {self.port} {{
        weight {self.weights[name]}
        {self.real_server_extra.replace("{name}", name)}
        {self.check}
    }}""" for name in self.real_servers)
        return f"""
virtual_server {VIP} {self.port} {{
    delay_loop {self.delay_loop}
    lb_algo {self.scheduler}
    lb_kind DR
    {persistence}
    protocol {self.protocol}
    {self.service_extra}
    {real_servers}
}}
"""

    def text(self, name):
        block = f"xlb {{\n{self.xlb}\n}}\n" if self.xlb else ""
        return block + self.vrrp(name) + self.services()
