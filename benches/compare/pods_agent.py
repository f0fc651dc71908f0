"""An agent that looks at every pod, what it tells of them and of itself, and what the kernel says that it costs."""

import contextlib
import json
import socket
import time

import programs
from accounts import Failed, Lasting

# The thread that the pods' part runs on.
THREAD = "pods"
GAUGES = ("tcp_connections", "tcp_established", "tcp_time_wait", "tcp_close_wait", "tcp_listen")
AGE = "tcpgauge.pods.reading_age"
CPU = "tcpgauge.pods.cpu"
READINGS = "tcpgauge.pods.readings"
GAPS = "tcpgauge.pods.gaps"
NAMESPACES = "tcpgauge.pods.namespaces"


class Tick:
    """What came with one export, and what had been used by then."""

    def __init__(self, export, agent):
        self.pods_ms, self.all_ms = agent.thread_ms(THREAD), agent.cpu_ms()
        self.at, self.gauges, self.ages, self.own = 0, {}, {}, {}
        for name, attributes, value, at in points(export):
            self.at = max(self.at, at)
            pod = attributes.get("k8s.pod.uid")
            if name == AGE and pod:
                self.ages[pod] = value
            elif name in GAUGES and pod:
                told = self.gauges.setdefault(pod, {"name": attributes.get("k8s.pod.name")})
                told[name] = value
            elif name.startswith("tcpgauge.pods."):
                self.own.setdefault(name, {})[next(iter(attributes.values()), "")] = value

    def own_ms(self):
        return sum(self.own.get(CPU, {}).values()) * 1e3

    def gates(self):
        return self.own.get(READINGS, {})

    def gaps(self):
        return self.own.get(GAPS, {})

    def namespaces(self):
        return self.own.get(NAMESPACES, {})


def points(export):
    """Name, attributes, value and time of each point of an export, as the Collector writes it."""
    for resource in export["resourceMetrics"]:
        for scope in resource["scopeMetrics"]:
            for metric in scope["metrics"]:
                for point in (metric.get("gauge") or metric.get("sum") or {}).get("dataPoints", ()):
                    attributes = {entry["key"]: next(iter(entry["value"].values())) for entry in point.get("attributes", ())}
                    value = float(point.get("asInt", point.get("asDouble", 0)))
                    yield metric["name"], attributes, value, int(point["timeUnixNano"]) / 1e9


class PodsAgent:
    """The whole agent, unprivileged, and a Collector that writes down what it sends. `ended` has what ends them."""

    def __init__(self, found, directory, links, interval, ended):
        self.interval = interval
        port = free_port()
        self.file = directory / "written.jsonl"
        config = directory / "collector.json"
        config.write_text(json.dumps(collector(port, self.file)), encoding="utf-8")
        receiver = Lasting([found["otelcol"], "--config", str(config)])
        ended.callback(receiver.end)
        until_it_listens(port)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--pdeathsig=KILL"]
        command += [found["tcpgauge"], "run", "--scope", "pods", "--metrics", "five,self", "--send-spread", "0s"]
        command += ["--interval", f"{interval}s", "--container-logs-dir", str(links), "--endpoint", f"http://127.0.0.1:{port}"]
        self.process = Lasting(command, programs.agents_environment())
        ended.callback(self.process.end)
        self.lines = self.exports()

    def exports(self):
        """Each export, when it has been written; nothing while none comes."""
        deadline = time.monotonic() + 60
        while not self.file.exists():
            self.still_waiting(deadline)
            yield None
        with self.file.open(encoding="utf-8") as file:
            line = ""
            while True:
                line += file.readline()
                if line.endswith("\n"):
                    yield json.loads(line)
                    line, deadline = "", time.monotonic() + 3 * self.interval + 30
                else:
                    self.still_waiting(deadline)
                    yield None

    def still_waiting(self, deadline):
        if self.process.process.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"the agent sends nothing; its last words:\n{self.process.heard_meanwhile()[-2000:]}")

    def tick(self):
        """Waits for the next export."""
        for export in self.lines:
            if export:
                return Tick(export, self.process)
            time.sleep(0.05)
        raise Failed("the exports have ended")


def collector(port, file):
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {"file": {"path": str(file), "flush_interval": "100ms"}},
        "service": {
            "pipelines": {"metrics": {"receivers": ["otlp"], "exporters": ["file"]}},
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
    }


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def until_it_listens(port):
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        if time.monotonic() > deadline:
            raise Failed("the Collector does not listen")
        time.sleep(0.05)
