"""Holds IPv6 sockets that have become IPv4 ones, until stdin ends: as many connections as the argument says."""

import itertools
import socket
import sys

IPV6_ADDRFORM = 1
held = []
listener = socket.socket(socket.AF_INET6)
listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
listener.bind(("::", 0))
listener.listen()
port = listener.getsockname()[1]
clients = itertools.cycle([(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")])
for _, (family, address) in zip(range(int(sys.argv[1])), clients):
    client = socket.socket(family)
    client.connect((address, port))
    ends = [listener.accept()[0]] + ([client] if family == socket.AF_INET6 else [])
    for end in ends:
        end.setsockopt(socket.IPPROTO_IPV6, IPV6_ADDRFORM, socket.AF_INET)
    held += [client, *ends]
print("ready", flush=True)
sys.stdin.read()
