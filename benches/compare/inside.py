"""What happens inside the network namespace: sockets are made, and the programs read them in turn."""

import contextlib
import fcntl
import json
import os
import socket
import struct
import sys
import tempfile
import time
from statistics import fmean

import peers
import programs
from accounts import Failed, Lasting

# What a program should use in one measurement: enough for what is around the readings to be little.
ENOUGH_MS = 400
MOST_READINGS = 100
# What is judged to a few hundredths takes turns within a round too: a walk of the kernel's table is slowed by whoever else uses
# the cache, which changes from second to second.
CLOSELY = ["cat", "walk", "diag", "text"]
SLICES = 5


def measure(number, rounds, found):
    """Everything about one number of sockets; `found` says where the programs are."""
    if not os.path.exists("/proc/self/schedstat"):
        raise Failed("this kernel keeps no account of CPU in /proc/PID/schedstat (CONFIG_SCHED_INFO)")
    bring_loopback_up()
    with contextlib.ExitStack() as started:
        maker = Lasting([found["compare_sockets"], str(number)])
        started.callback(maker.end)
        expected = json.loads(maker.hear(b"\n"))
        at_rest = AgentsAtRest(found["tcpgauge"]) if number == 0 else None
        if at_rest:
            started.callback(at_rest.end)
        directory = started.enter_context(tempfile.TemporaryDirectory(prefix="compare-"))
        taking_part = {}
        for key, start in what_takes_part(found, directory):
            say(f"  starting {key}")
            taking_part[key] = start()
            started.callback(taking_part[key].end)
        for program in taking_part.values():
            for state, count in program.OWN_SOCKETS.items():
                expected[state] += count
        expected = {state: count for state, count in expected.items() if count}

        readings = {key: enough(program.measure(1)) for key, program in taking_part.items()}
        differences = compare_counts(expected, taking_part)
        costs = measure_rounds(rounds, readings, taking_part)
        return {
            "sockets": number,
            "expected": expected,
            "differences": differences,
            "names": {key: program.name for key, program in taking_part.items()},
            "costs": {key: program.without_idling(costs[key]) for key, program in taking_part.items()},
            "peaks": {key: program.peak_mib() for key, program in taking_part.items()},
            "at_rest": at_rest.account() if at_rest else None,
        }


def what_takes_part(found, directory):
    """In the order in which they read."""
    readings = found["compare_readings"]
    yield "cat", programs.cat
    yield "walk", lambda: programs.Readings(readings, "walk", "the bare sparse walk")
    yield "diag", lambda: programs.Readings(readings, "diag", "**tcpgauge `diag`**")
    yield "diag-full", lambda: programs.Readings(readings, "diag-full", "tcpgauge `diag`, stepped down to a full dump")
    yield "text", lambda: programs.Readings(readings, "text", "**tcpgauge `text`**")
    yield "ports-diag", lambda: programs.Readings(readings, "ports-diag", "tcpgauge, the ports in use (a full dump)")
    yield "ports-text", lambda: programs.Readings(readings, "ports-text", "tcpgauge, the ports in use (the tables)")
    yield "agent", lambda: programs.Agent(found["tcpgauge"])
    if "otelcol" in found:
        yield "agent-sending", lambda: peers.SendingAgent(found["tcpgauge"], found["otelcol"], directory)
    if "ss" in found:
        yield "ss", lambda: programs.ss_rows(found["ss"])
        yield "ss -s", lambda: programs.ss_summary(found["ss"])
    if "node_exporter" in found:
        yield "node_exporter", lambda: peers.NodeExporter(found["node_exporter"])
    if "otelcol" in found:
        yield "otelcol", lambda: peers.Collector(found["otelcol"], directory)
    if "telegraf" in found:
        yield "telegraf", lambda: peers.Telegraf(found["telegraf"], directory)


def bring_loopback_up():
    set_flags, up = 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, set_flags, struct.pack("16sh14x", b"lo", up))


def enough(cost_ms):
    return max(1, min(MOST_READINGS, round(ENOUGH_MS / max(cost_ms, 0.001))))


def compare_counts(expected, taking_part):
    """Who counted something else than what is there. The last sockets may still be on their way into their states."""
    deadline = time.monotonic() + 10
    while taking_part["cat"].counts() != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    differences = {}
    for key, program in taking_part.items():
        counted = program.counts()
        if counted is not None and counted != expected:
            differences[key] = counted
    return differences


def measure_rounds(rounds, readings, taking_part):
    for program in taking_part.values():
        program.begin()
    costs = {key: [] for key in taking_part}
    for number in range(rounds):
        say(f"  round {number + 1} of {rounds}")
        slices = {key: [] for key in CLOSELY}
        for _ in range(SLICES):
            for key in CLOSELY:
                slices[key].append(taking_part[key].measure(max(1, readings[key] // SLICES)))
        for key, program in taking_part.items():
            costs[key].append(fmean(slices[key]) if key in CLOSELY else program.measure(readings[key]))
    return costs


class AgentsAtRest:
    """Two agents that nobody disturbs: one at the default interval, and one whose ticks are an hour apart."""

    CYCLE_S = 30
    CYCLES = 2

    def __init__(self, program):
        self.cyclic, self.idle = (programs.start_agent(program, interval) for interval in (f"{self.CYCLE_S}s", "1h"))
        time.sleep(3)
        self.before = self.between_ticks()

    def between_ticks(self):
        """What was used until now, at a moment that is not within two seconds of a tick."""
        while not 2 < time.time() % self.CYCLE_S < self.CYCLE_S - 2:
            time.sleep(0.1)
        used = self.cyclic.cpu_ms(), self.idle.cpu_ms(), self.idle.voluntary_switches()
        return int(time.time() // self.CYCLE_S), time.monotonic(), *used

    def account(self):
        while int(time.time() // self.CYCLE_S) < self.before[0] + self.CYCLES:
            time.sleep(0.5)
        names = ["cycles", "seconds", "cyclic_ms", "idle_ms", "idle_switches"]
        spans = (after - before for after, before in zip(self.between_ticks(), self.before, strict=True))
        return dict(zip(names, spans, strict=True))

    def end(self):
        self.cyclic.end()
        self.idle.end()


def say(line):
    print(line, file=sys.stderr, flush=True)
