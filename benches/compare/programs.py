"""The programs that are measured: how each is started, made to read, and asked what it counted.

`peers.py` has those of others that last.
"""

import collections
import json
import os
import re
import subprocess
import time

import accounts
from accounts import Lasting

TABLES = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]

# The kernel's order, in which it numbers them from 1; and how others spell those that they do not spell like this.
NAMES = {
    "established": ["ESTAB"],
    "syn_sent": [],
    "syn_received": ["SYN_RECV"],
    "fin_wait_1": [],
    "fin_wait_2": [],
    "time_wait": [],
    "closed": ["CLOSE", "UNCONN"],
    "close_wait": [],
    "last_ack": [],
    "listen": [],
    "closing": [],
}


def plain(name):
    return re.sub("[^A-Z0-9]", "", name.upper())


STATES = {plain(spelling): state for state, others in NAMES.items() for spelling in [state, *others]}


def tally(pairs):
    """Counts by state under one spelling, without zeros; what is no TCP state (`NONE` are UDP sockets) is left out."""
    counts = collections.Counter()
    for name, count in pairs:
        if state := STATES.get(plain(name)):
            counts[state] += int(count)
    return {state: count for state, count in counts.items() if count}


class Program:
    """Something that takes readings."""

    name = ""
    # Sockets that are there because it is.
    OWN_SOCKETS = {}

    def measure(self, readings):
        """CPU ms of one reading, from so many of them."""
        raise NotImplementedError

    def counts(self):
        """What it counted by state; nothing where it does not count by state."""
        return None

    def peak_mib(self):
        """The most memory it had resident."""
        return self.process.peak_mib()

    def begin(self):
        """The rounds begin."""

    def without_idling(self, costs):
        """The costs of the rounds, without what is spent when nothing is read."""
        return costs

    def end(self):
        self.process.end()


class Ending(Program):
    """A program that is started for each reading. What `start` costs is subtracted."""

    def __init__(self, name, command, parse=None, start=None):
        self.name, self.command, self.parse, self.start = name, command, parse, start

    def measure(self, readings):
        cost = sum(accounts.spent_ms(self.command) for _ in range(readings))
        if self.start:
            cost -= sum(accounts.spent_ms(self.start) for _ in range(readings))
        return cost / readings

    def counts(self):
        if not self.parse:
            return None
        said = subprocess.run(self.command, capture_output=True, text=True, check=True)
        return self.parse(said.stdout)

    def peak_mib(self):
        return accounts.peak_of_one_that_ends(self.command)

    def end(self):
        pass


def cat(tables=TABLES):
    def parse(text):
        rows = (line.split(maxsplit=4) for line in text.splitlines() if "local_address" not in line)
        numbers = collections.Counter(int(row[3], 16) for row in rows)
        return tally((list(NAMES)[number - 1], count) for number, count in numbers.items())

    return Ending("`cat` of the two files", ["cat", *tables], parse, start=["cat", os.devnull])


def ss_rows(program):
    def parse(text):
        return tally(collections.Counter(line.split(maxsplit=1)[0] for line in text.splitlines()).items())

    return Ending("`ss -tanH`", [program, "-tanH"], parse)


def ss_summary(program):
    """Three counters and no states: it is here for those who would use it."""
    return Ending("`ss -s` (no states)", [program, "-s"])


class Readings(Program):
    """One of the ways to take a reading, in a process that does nothing else."""

    def __init__(self, program, way, name, places=()):
        self.name = name
        self.process = Lasting([program, way, *places])
        self.answer = ""

    def measure(self, readings):
        before = self.process.cpu_ms()
        self.process.ask(str(readings))
        self.answer = self.process.hear(b"\n")
        return (self.process.cpu_ms() - before) / readings

    def counts(self):
        self.measure(1)
        counted = json.loads(self.answer)
        return tally(counted.items()) if counted else None


class Agent(Program):
    """The whole agent at its shortest interval. Nothing is subtracted."""

    # Of a second: the ticks are on the second, and what they bring about is over by then.
    AT_REST = 0.8
    TICKS = 2

    DOES = "sends nothing"

    def __init__(self, program, export=("--exporter", "none")):
        self.program = program
        self.source = "?"
        self.process = start_agent(program, "1s", export)
        time.sleep(1.5)
        self.process.pause()

    @property
    def name(self):
        return f"**tcpgauge, the whole agent** (`{self.source}`, {self.DOES})"

    def measure(self, _readings):
        self.process.resume()
        until_rest = (self.AT_REST - time.time()) % 1
        # The tick that it missed comes as soon as it is resumed.
        time.sleep(until_rest if until_rest > 0.5 else until_rest + 1)
        before = self.process.cpu_ms()
        time.sleep(self.TICKS)
        cost = (self.process.cpu_ms() - before) / self.TICKS
        self.process.pause()
        self.process.heard_meanwhile()
        return cost

    def counts(self):
        command = [self.program, "snapshot", "--scope", "self", "--format", "json"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, env=agents_environment())
        [reading] = json.loads(said.stdout)["readings"]
        self.source = reading["source"]
        families = [family for family in reading["states"].values() if family]
        return tally(pair for family in families for pair in family.items())


def start_agent(program, interval, export=("--exporter", "none")):
    # A listener of its own would be one of the sockets that all others are to count; tests/budgets has what it takes.
    command = [program, "run", "--scope", "self", "--http-listen", "none", "--interval", interval, *export]
    return Lasting(command, agents_environment())


def agents_environment():
    """Without the variables that would make it another agent than the one that is described."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TCPGAUGE_", "HOST_"))}
