"""The story tools/demo tells. The laboratory is the tests' own."""

import os
import pathlib
import signal
import sys
import time
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests" / "netns"))

from lab import VIP, Lab, LabError, Poller, tutorial, wait_until  # noqa: E402
from lab.topology import client_addresses, remove_leftovers, remove_pass_object  # noqa: E402

CLIENTS = client_addresses(10)
OTHER_CLIENTS = client_addresses(20)[10:]
_COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def chapter(title):
    print(f"\n\033[1m{title}\033[0m" if _COLOUR else f"\n{title}", flush=True)


def say(text):
    print(f"  {text}", flush=True)


def show(director, *arguments):
    print(f"    root@{director.name}:~# xlbctl {' '.join(arguments)}")
    for line in director.ctl(*arguments).splitlines():
        print(f"    {line}")
    sys.stdout.flush()


def ask_all(lab, clients):
    """Who serves each client."""
    servers = {source: lab.client.wait_served(source, timeout=5) for source in clients}
    say("  ".join(f"{source.rsplit('.', 1)[1]}:{server}" for source, server in servers.items()))
    return servers


def count(servers):
    counted = Counter(servers.values())
    return " and ".join(f"{number} by {server}" for server, number in sorted(counted.items()))


def start_pair(lab, texts):
    directors = {name: lab.director(name, text) for name, text in texts.items()}
    directors["n1"].wait_vrrp("MASTER", 15)
    for director in directors.values():
        director.wait_forwarding()
    return directors


def spread_and_persistence(lab, directors):
    chapter("1. Requests are spread over both servers, and a client stays with its own")
    say(f"Ten clients behind the router ask http://{VIP}/ (10.20.1.X:server that answered):")
    first = ask_all(lab, CLIENTS)
    say(f"served: {count(first)}. Each asks again:")
    second = ask_all(lab, CLIENTS)
    say("the same servers, for 50 s (persistence_timeout)." if first == second else "NOT the same servers!")
    show(directors["n1"], "show")
    say("n2, the backup, knows the same with Local and Route swapped:")
    show(directors["n2"], "show")


def dying_host(lab, directors, nginx):
    chapter("2. The master's host dies: its cable is cut and everything on it killed")
    with Poller(lab.client, CLIENTS) as poller:
        wait_until(lambda: all(poller.attempts.values()), 5, "every client asks")
        died = time.monotonic()
        lab.n1.cut_link()
        directors["n1"].kill()
        nginx["n1"].kill()
        outage = poller.wait_all_served(died, 15)
    say(f"n2 took over the address; {outage:.1f} s later every client was served again,")
    say("also those of the dead half, although the tutorial checks its web servers only every 30 s:")
    show(directors["n2"], "show")
    show(directors["n2"], "show", "vrrp")

    chapter("3. The host comes back")
    lab.n1.mend_link()
    nginx["n1"].start()
    directors["n1"].start()
    directors["n1"].wait_vrrp("MASTER", 15)
    say("n1 is master again: its priority is 200, n2's is 100.")
    show(directors["n1"], "show", "vrrp")


def dying_web_server(lab, texts, nginx, directors):
    chapter("4. A web server dies and comes back")
    say("For this step both directors run a copy of the tutorial's files with delay_loop 1 instead of 30 (seconds).")
    for director in directors.values():
        director.stop()
    directors = start_pair(lab, {name: text.replace("delay_loop 30", "delay_loop 1") for name, text in texts.items()})
    master = directors["n1"]
    nginx["n2"].stop()
    out = master.wait_real_server("10.10.0.2", "down", 30)
    say(f"nginx on n2 stopped; after {out:.1f} s (delay_loop and 3 retries) it is out: "
        f"{master.real_server('10.10.0.2')['reason']}")
    say(f"served: {count(ask_all(lab, CLIENTS))}.")
    show(master, "show")
    nginx["n2"].start()
    back = master.wait_real_server("10.10.0.2", "up", 30)
    say(f"nginx on n2 started; after {back:.1f} s it is back, for clients that are not yet on n1 by persistence:")
    say(f"served: {count(ask_all(lab, OTHER_CLIENTS))}.")
    show(master, "show")
    return directors


def story(lab):
    script = lab.directory / "notify.sh"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    chapter("xlb: two servers that balance for each other")
    say("clients 10.20.1.0/24 -- router 10.10.0.250 --- switch --- n1 10.10.0.1 (nginx, xlbd, master)")
    say(f"   the virtual address is {VIP}                    \\------ n2 10.10.0.2 (nginx, xlbd, backup)")
    say("Both xlbd run the tutorial's own keepalived.conf; n1 becomes master after 3 intervals and the skew, 3.2 s ...")
    nginx = {name: lab.nginx(name) for name in ("n1", "n2")}
    texts = {name: tutorial(name, script) for name in ("n1", "n2")}
    directors = start_pair(lab, texts)
    spread_and_persistence(lab, directors)
    dying_host(lab, directors, nginx)
    directors = dying_web_server(lab, texts, nginx, directors)
    for director in directors.values():
        director.stop()
        director.purge()


def main():
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    remove_leftovers()
    started = time.monotonic()
    lab = Lab()
    try:
        story(lab)
    except KeyboardInterrupt:
        print("\ninterrupted: removing everything", file=sys.stderr)
        return 130
    except LabError as error:
        for path, text in lab.logs():
            print(f"--- {path}\n{text[-4000:]}", file=sys.stderr)
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        lab.close()
        remove_pass_object()
    print(f"\nDone in {time.monotonic() - started:.0f} s; everything is removed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
