"""What a user would pick instead and leave running, each configured to count TCP sockets by state and to do nothing else.

Each lasts, and is paused but when it is measured. A twin of it that never takes a reading runs all the while: what the twin
uses in the same time is what it costs to be there, and is subtracted.
"""

import http.client
import os
import re
import socket
import struct
import subprocess
import time

from accounts import Failed, Lasting
from programs import Agent, Program, tally

# Short beside the programs' own idling, so that little of it is in a reading; they skip what they cannot keep up with.
INTERVAL = "50ms"
NEVER = "8760h"


class Peer(Program):
    def __init__(self, name, process, twin):
        self.name, self.process, self.twin = name, process, twin
        self.seconds = []

    def read(self, readings):
        """Lets it take so many readings."""
        raise NotImplementedError

    def taken(self, readings):
        """How many it took until it was paused, where so many were wanted."""
        return readings

    def measure(self, readings):
        before, began = self.process.cpu_ms(), time.monotonic()
        self.process.resume()
        self.read(readings)
        self.process.pause()
        readings = self.taken(readings)
        self.seconds.append((time.monotonic() - began) / readings)
        return (self.process.cpu_ms() - before) / readings

    def begin(self):
        self.seconds.clear()
        self.began = time.monotonic()
        self.twin_before = self.twin.cpu_ms()

    def without_idling(self, costs):
        idle = (self.twin.cpu_ms() - self.twin_before) / (time.monotonic() - self.began)
        return [cost - idle * seconds for cost, seconds in zip(costs, self.seconds, strict=True)]

    def end(self):
        self.process.end()
        self.twin.end()


class NodeExporter(Peer):
    """Scraped over one connection, which it counts as every other program does."""

    PORT = 9100
    # Its listener and the two ends of the connection; its twin's listener.
    OWN_SOCKETS = {"listen": 2, "established": 2}

    def __init__(self, program):
        process, twin = (self.start(program, port) for port in (self.PORT, self.PORT + 1))
        super().__init__("node_exporter, `tcpstat`", process, twin)
        self.connection = connect(self.PORT)
        self.read(1)
        self.process.pause()

    @staticmethod
    def start(program, port):
        only = ["--collector.disable-defaults", "--collector.tcpstat", "--web.disable-exporter-metrics"]
        return Lasting([program, *only, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"])

    def read(self, readings):
        for _ in range(readings):
            self.connection.request("GET", "/metrics")
            self.page = self.connection.getresponse().read().decode()

    def counts(self):
        self.measure(1)
        return tally(
            (state, float(count))
            for state, count in re.findall(r'^node_tcp_connection_states{state="(\w+)"} (\S+)', self.page, re.M)
        )

    def end(self):
        self.connection.close()
        super().end()


def connect(port):
    deadline = time.monotonic() + 30
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
            # Neither end is left in TIME_WAIT when it is closed.
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return connection
        except ConnectionRefusedError as refused:
            if time.monotonic() > deadline:
                raise Failed(f"nothing listens on port {port}") from refused
            time.sleep(0.05)


class Ticking(Peer):
    """One that reads at an interval of its own, and says `mark` when it has."""

    def __init__(self, name, command, directory, mark):
        self.mark = mark
        super().__init__(name, *(Lasting(command(INTERVAL, directory)), Lasting(command(NEVER, directory))))
        self.process.hear(mark)
        self.process.pause()

    def read(self, readings):
        self.said = self.process.hear(self.mark, readings)

    def taken(self, readings):
        self.said += self.process.heard_meanwhile()
        return self.said.count(self.mark.decode())


class Collector(Ticking):
    """Its debug exporter prints what was read."""

    CONFIG = """
receivers: {{host_metrics: {{collection_interval: {interval}, initial_delay: {delay}, scrapers: {{network: }}}}}}
exporters: {{debug: {{verbosity: detailed, use_internal_logger: false}}}}
service:
  pipelines: {{metrics: {{receivers: [host_metrics], exporters: [debug]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
"""

    def __init__(self, program, directory):
        def command(interval, directory):
            path = os.path.join(directory, f"collector-{interval}.yaml")
            delay = NEVER if interval == NEVER else "1ms"
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.CONFIG.format(interval=interval, delay=delay))
            return [program, "--config", path]

        # The metric that it prints last: when it is heard, the connections have been.
        last = b"Name: system.network.packets"
        super().__init__("OpenTelemetry Collector, `hostmetrics` network", command, directory, last)

    def counts(self):
        self.measure(1)
        points = re.findall(r"-> protocol: Str\(tcp\)\s+-> state: Str\((\w+)\)(?:\n\w*Timestamp.*)*\nValue: (\d+)", self.said)
        return tally(dict(points).items())


class Telegraf(Ticking):
    """Writes every reading at once to where nothing is kept, and says so; `--test` prints a reading."""

    CONFIG = """
[agent]
interval = "{interval}"
round_interval = {aligned}
flush_interval = "{interval}"
metric_batch_size = 1
metric_buffer_limit = 10
debug = true
omit_hostname = true
[[inputs.netstat]]
[[outputs.discard]]
"""

    def __init__(self, program, directory):
        def command(interval, directory):
            path = os.path.join(directory, f"telegraf-{interval}.toml")
            # One that is not aligned to its interval reads as soon as it has started.
            aligned = "true" if interval == NEVER else "false"
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.CONFIG.format(interval=interval, aligned=aligned))
            return [program, "--config", path]

        self.test = [*command(INTERVAL, directory), "--test"]
        super().__init__("Telegraf, `netstat`", command, directory, b"Wrote batch of ")

    def counts(self):
        said = subprocess.run(self.test, capture_output=True, text=True, check=True).stdout
        return tally(re.findall(r"tcp_(\w+)=(\d+)i", said))


class SendingAgent(Agent):
    """The agent with a Collector to send to, which is not measured."""

    PORT = 4317
    # The Collector's listener and the two ends of the connection.
    OWN_SOCKETS = {"listen": 1, "established": 2}
    DOES = "sends to a Collector"

    CONFIG = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{debug: }}
service:
  pipelines: {{metrics: {{receivers: [otlp], exporters: [debug]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
"""

    def __init__(self, program, collector, directory):
        path = os.path.join(directory, "collector.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.CONFIG.format(port=self.PORT))
        self.collector = Lasting([collector, "--config", path])
        connect(self.PORT).close()
        super().__init__(program, ("--endpoint", f"http://127.0.0.1:{self.PORT}"))

    def end(self):
        super().end()
        self.collector.end()
