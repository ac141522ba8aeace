"""The laboratory itself works; without this no other result means anything."""

from lab import Capture, Mode, TrafficCounter, wait_until


def test_client_reaches_both_servers_through_router_and_switch(lab):
    for server in (lab.n1, lab.n2):
        assert lab.topology.client.run("ping", "-c", "1", "-W", "2", "-I", "10.20.1.7", server.address)


def test_nginx_answers_and_sees_the_client_address(lab):
    nginx = lab.nginx("n1", listen="10.10.0.1")
    reply = lab.client.get("10.20.1.9", address="10.10.0.1")
    assert (reply.server, reply.seen_address) == ("n1", "10.20.1.9")
    wait_until(lambda: nginx.clients() == ["10.20.1.9"], 10, "nginx logs the request")
    nginx.stop()
    assert lab.client.served("10.20.1.9", address="10.10.0.1") is None
    nginx.start()
    assert lab.client.served("10.20.1.9", address="10.10.0.1") == "n1"


def test_capture_sees_both_directions_and_the_counter_agrees(lab):
    lab.web("n2")
    counter = TrafficCounter(lab.n2, "10.10.0.2", 80)
    with Capture(lab.switch, lab.n2) as capture:
        lab.client.get("10.20.1.1", address="10.10.0.2")
    arrived = capture.ipv4(lambda frame: frame.leaving and frame.destination == "10.10.0.2" and frame.protocol == 6)
    replies = capture.ipv4(lambda frame: not frame.leaving and frame.source == "10.10.0.2" and frame.protocol == 6)
    assert replies and all(frame.source_mac == lab.n2.mac() for frame in replies)
    assert counter.read() == (len(arrived), sum(len(frame.ip_packet) for frame in arrived))


def test_cut_link_is_noticed_and_mended(lab):
    lab.web("n1")
    lab.n1.cut_link()
    assert lab.client.served("10.20.1.1", address="10.10.0.1", timeout=0.2) is None
    assert "LOWER_UP" not in lab.n1.ip_json("link", "show", "dev", "eth0")[0]["flags"]
    lab.n1.mend_link()
    lab.client.wait_served("10.20.1.1", address="10.10.0.1")


def test_hostile_web_server_misbehaves_on_the_checked_path_only(lab):
    web = lab.web("n1")
    for mode in Mode:
        web.mode = mode
        assert lab.client.served("10.20.1.1", address="10.10.0.1") == "n1"
    web.mode = Mode.HANG
    assert lab.client.served("10.20.1.1", path="/index.php", address="10.10.0.1", timeout=0.2) is None
    assert len(web.checks) == 1


def test_udp_echo_names_the_server(lab):
    lab.udp_echo("n2")
    assert lab.client.udp("10.20.1.5", address="10.10.0.2").server == "n2"
