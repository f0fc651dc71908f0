"""From what was measured to a table, to budgets, and into docs/performance.md."""

from statistics import median

BEGIN = "<!-- What benches/compare/run --write puts here: do not edit. -->"
END = "<!-- Here it ends. -->"

# A budget that is a share of something that grows with the sockets says nothing where there are few.
JUDGED_FROM = 100_000
GROUPS_MS = 0.5
AGENTS_MIB = 8
FLAT_WITHIN_MIB = 0.5
OURS = ["cat", "diag", "diag-full", "text", "agent", "agent-sending"]
PEERS = ["node_exporter", "otelcol", "telegraf"]


def ratios(scale, key, base):
    """In each round the one to the other, so that what slows a whole round down cancels."""
    return [cost / other for cost, other in zip(scale["costs"][key], scale["costs"][base], strict=True)]


def table(scales):
    """A row for each program, three columns for each number of sockets."""
    rows = [["CPU of one reading"]]
    for scale in scales:
        rows[0] += [f"{scale['sockets']:,} sockets: × `cat` (least–most)", "ms", "MiB"]
    for key in scales[-1]["names"]:
        row = [scales[-1]["names"][key]]
        for scale in scales:
            to_cat, peak = ratios(scale, key, "cat"), scale["peaks"][key]
            spread = f" ({number(min(to_cat))}–{number(max(to_cat))})" if key != "cat" else ""
            row += [
                number(median(to_cat)) + spread,
                number(median(scale["costs"][key])),
                f"{peak:.1f}" if peak else "–",
            ]
        rows.append(row)
    return rows


def markdown(rows):
    head, *rest = ["| " + " | ".join(row) + " |" for row in rows]
    return [head, "| --- |" + " --: |" * (len(rows[0]) - 1), *rest]


def aligned(rows):
    """For a terminal."""
    plain = [[cell.replace("*", "").replace("`", "") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    for first, *others in plain:
        yield "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))])


def number(value):
    """Three digits, without an exponent."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}" if abs(value) >= 0.001 else f"{value:.4f}"


def agents_rest(scales):
    """What the agent costs that has nothing to count."""
    for scale in scales:
        if rest := scale["at_rest"]:
            cycle_ms = rest["cyclic_ms"] / rest["cycles"]
            yield (
                f"The agent's own steady state, with no sockets to count: {number(cycle_ms)} ms of CPU in a cycle of 30 s "
                f"({number(cycle_ms / 300)} % of one CPU), from {rest['cycles']} cycles of an agent at its default interval. "
                f"Between ticks: in {rest['seconds']:.0f} s, an agent with `--interval 1h` used {number(rest['idle_ms'])} ms, and its "
                f"threads woke up {rest['idle_switches']} times (voluntary context switches)."
            )


def budgets(scales):
    """Each with what was measured, and whether it was kept."""
    for scale in scales:
        if scale["sockets"] >= JUDGED_FROM:
            yield from budgets_of_readings(scale)
    first, last = scales[0], scales[-1]
    if last["sockets"] >= JUDGED_FROM:
        at = f"at {last['sockets']:,} sockets"
        for key in ("agent", "agent-sending"):
            if key in last["peaks"]:
                agent = f"most memory of {bare(last['names'][key])} {at}"
                yield judged(agent, last["peaks"][key], AGENTS_MIB, " MiB")
                if first["sockets"] == 0:
                    more = last["peaks"][key] - first["peaks"][key]
                    yield judged(f"{agent}, more than at none", more, FLAT_WITHIN_MIB, " MiB")


def budgets_of_readings(scale):
    for key, base, bound in [("diag", "cat", 0.08), ("diag", "walk", 1.25), ("text", "cat", 1.10)]:
        yield judged(*compared(scale, key, base), bound)
    for key, others in [("diag", ["ss", *PEERS]), ("text", PEERS)]:
        for base in others:
            if base in scale["costs"]:
                yield judged(*compared(scale, key, base), 1)
    groups = median(scale["costs"]["groups"])
    yield judged("CPU of what `counters` and `capacity` read in a tick", groups, GROUPS_MS, " ms")


def compared(scale, key, base):
    what = f"`{key}` ÷ {bare(scale['names'][base])} at {scale['sockets']:,} sockets"
    return what, median(ratios(scale, key, base))


def bare(name):
    return name.replace("*", "")


def judged(what, measured, bound, unit=""):
    kept = measured <= bound
    return kept, f"{what}: {number(measured)}{unit}, at most {number(bound)}{unit}: {'kept' if kept else '**EXCEEDED**'}"


def counted(scales, known):
    """What is said about the counts, and whether it is good: `cat` and ours must be right."""
    for scale in scales:
        states = ", ".join(f"{count:,} {state}" for state, count in scale["expected"].items()) or "none"
        who = "all" if not scale["differences"] else "all others"
        # The programs that are measured have sockets too.
        yield True, f"{scale['sockets']:,} sockets: {who} counted the same: {states}"
        for key, counts in scale["differences"].items():
            yield key not in OURS, f"  {scale['names'][key]} counted {counts}: {known.get(key, 'the reason is not known')}"


def write(path, begin, lines):
    """Puts the lines between a mark of the page and the next `END`."""
    text = path.read_text(encoding="utf-8")
    head, found, rest = text.partition(begin)
    _, found_too, tail = rest.partition(END)
    if not (found and found_too):
        raise ValueError(f"{path} has no place for the table: {begin} and {END}")
    path.write_text("\n".join([head + begin, "", *lines, "", END]) + tail, encoding="utf-8")
