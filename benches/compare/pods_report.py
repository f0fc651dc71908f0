"""From what pods cost to a table and to budgets."""

from statistics import median

from report import judged, number

BEGIN = "<!-- What benches/compare/pods --write puts here: do not edit. -->"

SHARE_OF_READING_ALL = 0.08
# Of one core; the agent's default.
CPU_BUDGET = 0.02
# What was begun is finished before it is paid for; over so many cycles that is less than this.
MEASURED_WITHIN = 0.01
INTERVALS_UNTIL_READ = 3
# The thread may have gone on when the kernel is asked.
SELF_METRIC_WITHIN = 0.02


def ratios(row, base):
    """The cost of a cycle to each time that all were read while it was measured."""
    return [row["pods_ms"] / cost for cost in row["naive_ms"][base]]


def table(rows):
    """A row for each case."""
    interval = rows[0]["interval"]
    head = [f"CPU in a cycle of {interval} s", "ms", "of one core", "× reading all (least–most)", "reading all, ms"]
    head += ["`cat` of all, ms", "told in a cycle", "age, s (median)", "longest not read, s", "read", "hold", "derive"]
    yield head
    for row in rows:
        to_text, gates = ratios(row, "text"), row["gates"]
        yield [
            row["case"].label,
            number(row["pods_ms"]),
            percent(share(row)),
            f"{number(median(to_text))} ({number(min(to_text))}–{number(max(to_text))})",
            number(median(row["naive_ms"]["text"])),
            number(median(row["naive_ms"]["cat"])),
            f"{number(row['told'])} of {len(row['case'].kinds)}",
            number(row["age"]) if row["age"] is not None else "–",
            f"{row['longest']:.0f}",
            *(number(gates.get(gate, 0)) for gate in ("read", "hold", "derive")),
        ]


def share(row):
    return row["pods_ms"] / (row["interval"] * 1e3)


def percent(share):
    return f"{number(share * 100)} %"


def counted(rows):
    """What is said about the counts, and whether it is good."""
    for row in rows:
        case, wrong = row["case"], row["wrong"]
        if wrong:
            yield False, f"{case.label}: **WRONG** of {len(wrong)}: {'; '.join(wrong[:3])}"
        else:
            yield True, f"{case.label}: the five gauges of every pod that was told are right"
        seen = {kind: int(count) for kind, count in row["namespaces"].items() if count}
        if seen != {"pod": len(case.kinds)}:
            yield seen.get("pod", 0) >= len(case.kinds), f"{case.label}: the agent saw other namespaces on this machine: {seen}"
        if gaps := ", ".join(f"{count:.0f} ({why})" for why, count in row["gaps"].items() if count):
            yield True, f"{case.label}: gaps while it was measured: {gaps}"


def budgets(rows):
    """Each with what was measured, and whether it was kept."""
    for row in rows:
        label = row["case"].label
        if row["case"].key == "idle":
            yield judged(f"{label}: CPU ÷ reading all", median(ratios(row, "text")), SHARE_OF_READING_ALL)
        if row["case"].key == "busy":
            bound = INTERVALS_UNTIL_READ * row["interval"]
            yield judged(f"{label}: the longest that a pod was not read", row["longest"], bound, " s")
        yield judged(f"{label}: CPU in % of one core", share(row) * 100, CPU_BUDGET * (1 + MEASURED_WITHIN) * 100, " %")
        off = abs(row["own_ms"] / row["pods_ms"] - 1)
        says = f"`tcpgauge.pods.cpu` ({number(row['own_ms'])} ms in a cycle)"
        yield judged(f"{label}: how far {says} is from what the kernel says", off * 100, SELF_METRIC_WITHIN * 100, " %")


def rest(rows):
    """What the table has no room for."""
    for row in rows:
        yield (
            f"{row['case'].label}: {number(row['all_ms'])} ms in a cycle for the whole agent, with what it sends; at most "
            f"{row['peak_mib']:.1f} MiB resident. Measured over {row['case'].cycles} cycles; by then every pod had been told, which "
            f"took {row['warmed_up']}."
        )
