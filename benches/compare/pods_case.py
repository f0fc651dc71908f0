"""One case: pods are made, the agent looks at them, and what that costs is set beside what it costs to read them all."""

import contextlib
import pathlib
import sys
import tempfile
from dataclasses import dataclass
from statistics import median

import programs
from accounts import Failed
from pods_agent import PodsAgent
from pods_population import Populated

# How often within a case they are all read the naive way.
ROUNDS = 5
# Within the default budget, the slowest case takes half as many until every pod has been told.
MOST_CYCLES_TO_WARM_UP = 24
# Two that are told are of one reading if they are no further apart; a clock may be set meanwhile.
SAME_READING_S = 0.5


@dataclass
class Case:
    """`kinds` has for each pod how many listeners and connections it has, in IPv4 and in IPv6."""

    key: str
    name: str
    kinds: list
    beside: int
    # Over how many the cost is measured.
    cycles: int

    @property
    def label(self):
        return f"{self.name} beside {self.beside:,} sockets"


def measure(case, interval, found):
    """What came out: plain data, for the table and the budgets."""
    say(case.label)
    with contextlib.ExitStack() as ended:
        directory = pathlib.Path(ended.enter_context(tempfile.TemporaryDirectory(prefix="compare-")))
        # The agent is another user.
        directory.chmod(0o755)
        populated = Populated(found, case.kinds, case.beside, directory, ended)
        naive = naive_programs(found, populated.pods, ended)
        agent = PodsAgent(found, directory, populated.links, interval, ended)
        warmed_up, ticks, costs = follow(agent, {pod.uid for pod in populated.pods}, case.cycles, naive)
        first, last = ticks[0], ticks[-1]
        ages = [tick.ages[pod.uid] for pod in populated.pods for tick in ticks[1:] if pod.uid in tick.ages]
        return {
            "key": case.key,
            "interval": interval,
            "warmed_up": warmed_up,
            "pods_ms": (last.pods_ms - first.pods_ms) / case.cycles,
            "own_ms": (last.own_ms() - first.own_ms()) / case.cycles,
            "all_ms": (last.all_ms - first.all_ms) / case.cycles,
            "naive_ms": costs,
            "told": sum(pod.uid in tick.gauges for pod in populated.pods for tick in ticks[1:]) / case.cycles,
            "age": median(ages) if ages else None,
            "longest": max(longest_without_reading(pod.uid, ticks) for pod in populated.pods),
            "gates": {gate: (count - first.gates().get(gate, 0)) / case.cycles for gate, count in last.gates().items()},
            "gaps": {why: count - first.gaps().get(why, 0) for why, count in last.gaps().items()},
            "namespaces": last.namespaces(),
            "wrong": list(wrong(populated.pods, last)),
            "peak_mib": agent.process.peak_mib(),
        }


def naive_programs(found, pods, ended):
    """What reads every pod's two files each time: our own reader of text, and `cat`."""
    text = programs.Readings(found["compare_readings"], "pods", "tcpgauge `text`", [str(pod.pid) for pod in pods])
    ended.callback(text.end)
    return {"text": text, "cat": programs.cat([f"/proc/{pod.pid}/net/{file}" for pod in pods for file in ("tcp", "tcp6")])}


def follow(agent, pods, cycles, naive):
    """Over how many cycles it warmed up, the ticks from then on, and what the naive ways cost meanwhile."""
    known, warmed_up = set(), 0
    while not pods <= known:
        tick = next_tick(agent)
        warmed_up += 1
        known |= tick.gauges.keys()
        say(f"  warming up, cycle {warmed_up}: {len(pods & known)} of {len(pods)} pods have been told")
        if warmed_up > MOST_CYCLES_TO_WARM_UP:
            raise Failed("the agent does not tell of every pod")
    ticks, costs = [next_tick(agent)], {key: [] for key in naive}
    for cycle in range(cycles):
        if cycle * ROUNDS // cycles == len(costs["cat"]):
            for key, program in naive.items():
                costs[key].append(program.measure(1))
        ticks.append(next_tick(agent))
        spent = ticks[-1].pods_ms - ticks[-2].pods_ms
        say(f"  cycle {cycle + 1} of {cycles}: {spent:.0f} ms, {len(pods & ticks[-1].gauges.keys())} told")
    return warmed_up, ticks, costs


def next_tick(agent):
    tick = agent.tick()
    for line in agent.process.heard_meanwhile().splitlines():
        if " INFO " not in line:
            say(f"    the agent: {line}")
    return tick


def longest_without_reading(pod, ticks):
    """Seconds; the last tick counts as if it were a reading."""
    readings = [ticks[0].at]
    for tick in ticks:
        if pod in tick.ages:
            reading = tick.at - tick.ages[pod]
            if tick is ticks[0]:
                readings = [reading]
            elif reading > readings[-1] + SAME_READING_S:
                readings.append(reading)
    readings.append(ticks[-1].at)
    return max(later - earlier for earlier, later in zip(readings, readings[1:]))


def wrong(pods, tick):
    """Pods that something else was told of than is there. One that is not told of is no wrong number."""
    for pod in pods:
        if (told := tick.gauges.get(pod.uid)) and told != {**pod.expected, "name": pod.name}:
            yield f"{pod.name} has {pod.expected}, and was told as {told}"


def say(line):
    print(line, file=sys.stderr, flush=True)
