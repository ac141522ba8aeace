#!/usr/bin/python3
"""A mail server for one client at a time: takes every mail and appends it, as a line of JSON, to a file.

usage: mail_sink.py ADDRESS PORT FILE
"""

import json
import socket
import sys


def converse(connection, sink):
    stream = connection.makefile("rwb")
    mail = {"to": []}

    def say(text):
        stream.write(text.encode() + b"\r\n")
        stream.flush()

    say("220 sink")
    while line := stream.readline().decode().strip():
        command = line.upper()
        if command.startswith("MAIL FROM:"):
            mail["from"] = line.partition(":")[2]
        elif command.startswith("RCPT TO:"):
            mail["to"].append(line.partition(":")[2])
        elif command == "DATA":
            say("354 go on")
            lines = iter(lambda: stream.readline().decode().rstrip("\r\n"), ".")
            mail["lines"] = list(lines)
            sink.write(json.dumps(mail) + "\n")
            sink.flush()
        elif command == "QUIT":
            return say("221 bye")
        else:
            mail["helo"] = line.partition(" ")[2]
        say("250 ok")


def main():
    address, port, path = sys.argv[1:]
    listener = socket.create_server((address, int(port)))
    with open(path, "a", encoding="utf-8") as sink:
        while True:
            connection, _ = listener.accept()
            with connection:
                converse(connection, sink)


main()
