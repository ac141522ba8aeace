#!/usr/bin/python3
"""A thousand real servers in one process: answers HTTP on every address of its namespace but the hanging ones.

Each line on standard input is the new list of addresses that accept connections and never answer, parted by blanks.
"""

import select
import socket
import sys

_ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


def _close(poller, connections, number):
    poller.unregister(number)
    connections.pop(number).close()


def main():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", 80))
    listener.listen(4096)
    listener.setblocking(False)
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    poller.register(sys.stdin.fileno(), select.EPOLLIN)
    connections = {}
    hanging = set()
    print("listening", flush=True)
    while True:
        for number, _ in poller.poll():
            if number == listener.fileno():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    continue
                connection.setblocking(False)
                connections[connection.fileno()] = connection
                poller.register(connection, select.EPOLLIN)
            elif number == sys.stdin.fileno():
                line = sys.stdin.readline()
                if not line:
                    return
                hanging = set(line.split())
            else:
                connection = connections[number]
                try:
                    request = connection.recv(4096)
                    if request and connection.getsockname()[0] in hanging:
                        continue  # until the checker gives up
                    if request:
                        connection.send(_ANSWER)
                except OSError:
                    pass
                _close(poller, connections, number)


if __name__ == "__main__":
    main()
