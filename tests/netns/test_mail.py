"""Mail: who is told by SMTP, and what they read."""

import json
import pathlib

import lab as laboratory
from lab import PairConfig, Process, wait_until
from lab.config import ADDRESSES

SINK = pathlib.Path(laboratory.__file__).parent / "mail_sink.py"


def sink(lab, tmp_path):
    """n2's mail server, and what it has got."""
    path = tmp_path / "mail"
    path.touch()
    Process(lab.n2.command("/usr/bin/python3", SINK, ADDRESSES["n2"], 25, path), tmp_path / "sink.log")
    wait_until(lambda: ":25 " in lab.n2.run("ss", "-Hltn"), 10, "the mail server listens")
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]


def subjects(mails):
    return [next(line for line in mail["lines"] if line.startswith("Subject: "))[9:] for mail in mails]


def test_recipients_hear_of_states_real_servers_and_quorums(lab, tmp_path):
    mails = sink(lab, tmp_path)
    web = lab.web("n1")
    config = PairConfig(version=3, advert_int="0.1", vrrp_extra="smtp_alert", delay_loop=1, real_servers=("n1",),
                        service_extra="smtp_alert\nalpha", check="TCP_CHECK {\n connect_timeout 1\n retry 0\n }")
    text = (f"global_defs {{\n router_id LB1\n notification_email {{\n a@example.com\n b@example.com\n }}\n"
            f" notification_email_from lb@example.com\n smtp_server {ADDRESSES['n2']}\n smtp_helo_name lb1\n}}\n"
            + config.vrrp("n1") + config.services())
    one = lab.director("n1", text)
    one.wait_vrrp("MASTER")
    wait_until(lambda: "[LB1] VRRP Instance VI_1 - Entering MASTER state" in subjects(mails()), 10, "MASTER is told")
    first = mails()[0]
    assert first["helo"] == "lb1"
    assert first["from"].startswith("<lb@example.com>")
    assert [address.split(" ")[0] for address in first["to"]] == ["<a@example.com>", "<b@example.com>"]
    assert "To: a@example.com, b@example.com" in first["lines"]
    servers = "[LB1] Realserver [10.10.0.1]:tcp:80 of virtual server [10.10.0.3]:tcp:80 - "
    service = "[LB1] Virtualserver [10.10.0.3]:tcp:80 - "
    for state in ("UP", "DOWN"):
        wait_until(lambda: {servers + state, service + state} <= set(subjects(mails())), 10, f"{state} is told")
        web.close()
    one.stop()
    wait_until(lambda: "[LB1] VRRP Instance VI_1 - Stopping" in subjects(mails()), 10, "the stop is told")


def test_a_dead_mail_server_delays_nothing(lab):
    text = ("global_defs {\n notification_email {\n a@example.com\n }\n smtp_server 10.255.255.1\n smtp_alert\n}\n"
            + PairConfig(version=3, advert_int="0.1").vrrp("n1"))
    one = lab.director("n1", text)
    one.wait_vrrp("MASTER")
    wait_until(lambda: "mail 'VRRP Instance VI_1 - Entering MASTER state' cannot be sent by 10.255.255.1" in one.log_text(),
               10, "the failure is logged")
    one.stop()
