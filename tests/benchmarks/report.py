"""The README's table out of what was measured. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks import operations
from tests.benchmarks.measure import Measured, Round, workers


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    must: str
    aim: str


def rows(found: Measured) -> list[Row]:
    """The README's lines."""
    catalogue, query = operations.counted()
    waited = statistics.median(one.pipeline for one in found.latencies)
    bare = statistics.median(sum(one.bare.values()) for one in found.latencies)
    small = paired(found, "small", ("one process, two threads", "two processes"))
    more = paired(found, "more", ("one process, two threads", "two processes"))
    more_s3 = paired(found, "more", ("two processes, pixels through S3",))
    six = paired(found, "six", ("one process, two threads", "two processes"))
    naive = [ours.rate / rate for ours, (rate, _) in zip(found.six, found.loops["six naive"], strict=True)]
    same = paired(found, "small", ("two processes, pixels through S3",))
    rates = f"{statistics.median(one.rate for one in found.small):.1f} photos/s"
    rates_more = f"{statistics.median(one.rate for one in found.more):.1f} photos/s"
    rates_six = f"{statistics.median(one.rate for one in found.six):.1f} photos/s"
    largest = max((size, name) for name, size in found.pss.items() if name in function_parts())
    return [
        Row("pipeline ÷ the fastest straight loop, photos of 500–700 px", f"{middle(more)} ({rates_more})", "0.75", "0.90"),
        Row("the same, photos of 6 megapixels", f"{middle(six)} ({rates_six})", "0.75", "0.90"),
        Row(
            "the same, new objects of 500–700 px: the pipeline also indexes the record, which the loop only stores",
            f"{middle(small)} ({rates})",
            "",
            "",
        ),
        Row(
            "CPU of functions and triggers beyond decoding, local features and search, a query; "
            f"{operations.shown(query)} operations of S3",
            f"{query_overhead(found):.1f} ms",
            "30 ms",
            "18 ms",
        ),
        Row(
            "the same beyond decoding and local features, a further photo of a catalogued object",
            f"{overhead(found, found.more):.1f} ms",
            "30 ms",
            "18 ms",
        ),
        Row(
            f"the same, a new object: a record and its photo, two uploads; {operations.shown(catalogue)} operations of S3",
            f"{overhead(found, found.small):.1f} ms",
            "",
            "",
        ),
        Row(
            "upload complete → result, p50 ÷ sum of the bare stages",
            f"{waited / bare:.2f} ({waited:.0f} ÷ {bare:.0f} ms)",
            "2.0",
            "1.3",
        ),
        Row(f"6 megapixels ÷ naive loop; cosine to it at least {min(found.cosines):.4f}", f"{middle(naive)}×", "1.6×", "1.9×"),
        Row("two workers ÷ two straight loops that also pass the pixels through S3", middle(more_s3), "0.80", "0.88"),
        Row("the same, new objects", middle(same), "", ""),
        Row(f"memory (PSS) of one function: the largest, {largest[1]}", f"{largest[0]:.0f} MB", "200 MB", "120 MB"),
        Row("memory (RSS) of the whole stack", f"{found.rss / 1000:.1f} GB", "3 GB", ""),
        Row("idle CPU of the whole stack", f"{found.idle:.1f} % of a core", "5 %", ""),
    ]


def paired(found: Measured, kind: str, styles: Sequence[str]) -> list[float]:
    """Of each round, the pipeline's rate by that of the loop that was fastest over all rounds."""
    rounds = {"small": found.small, "more": found.more, "six": found.six}[kind]
    best = max(styles, key=lambda style: statistics.median(rate for rate, _ in found.loops[f"{kind} {style}"]))
    return [ours.rate / rate for ours, (rate, _) in zip(rounds, found.loops[f"{kind} {best}"], strict=True)]


def middle(ratios: Sequence[float]) -> str:
    """Median and spread of some ratios."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def function_parts() -> set[str]:
    """Parts that are functions."""
    return {name for name in workers() if not name.startswith("trigger") and name != "sweep"}


def overhead(found: Measured, rounds: Sequence[Round]) -> float:
    """CPU a catalogued photo of all functions and triggers beyond decoding; the write to the index is in it."""
    whole = [sum(cost for name, cost in one.cpu_ms.items() if name in workers()) for one in rounds]
    return statistics.median(whole) - decode_ms(found)


def decode_ms(found: Measured) -> float:
    """CPU of decoding a small photo with display copies, pixels and local features, from the loops of the same rounds."""
    name = "small two processes"
    return statistics.median(
        spent.decode_ms / (rate * spent.seconds) for rate, spent in found.loops[name]
    )  # rate × seconds is the number of photos


def query_overhead(found: Measured) -> float:
    """CPU a query of all functions and triggers, beyond decoding and search."""
    whole = sum(cost for name, cost in found.query_cpu.items() if name in workers())
    return whole - decode_ms(found) - statistics.median(one.search_cpu for one in found.latencies)


def markdown(found: Measured) -> str:
    """The table, with what stands beside it."""
    lines = ["| what | measured | must | aim |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.what} | {row.measured} | {row.must} | {row.aim} |" for row in rows(found)]
    bare = {name: statistics.median(getattr(one, name) for one in found.bare) for name in ("fsync", "broker", "s3_put", "s3_get")}
    lines += [
        "",
        f"Beside them: bare fsync {bare['fsync']:.1f} ms, bare publish with confirm {bare['broker']:.1f} ms, bare S3 PUT "
        f"of 100 KB {bare['s3_put']:.1f} ms and GET {bare['s3_get']:.1f} ms; load average at the end {found.load[0]:.1f}.",
    ]
    return "\n".join(lines)


def details(found: Measured) -> str:
    """Where the time goes: CPU a photo by part, rates by loop, latency by stage."""
    lines = ["CPU in ms a photo (a new object's, a further one, of 6 megapixels, a query):"]
    for name in found.small[0].cpu_ms:
        small = statistics.median(one.cpu_ms[name] for one in found.small)
        more = statistics.median(one.cpu_ms[name] for one in found.more)
        six = statistics.median(one.cpu_ms[name] for one in found.six)
        query = found.query_cpu.get(name, 0.0)
        if max(small, six, query) >= 0.5:
            lines.append(f"  {name:24} {small:7.1f} {more:7.1f} {six:7.1f} {query:7.1f}")
    for name, rounds in found.loops.items():
        rate = statistics.median(rate for rate, _ in rounds)
        cost = statistics.median(spent.cpu_ms / (rate * spent.seconds) for rate, spent in rounds)
        lines.append(f"  {name:48} {rate:6.2f}/s {cost:6.1f} ms CPU a photo")
    stages = {name: statistics.median(one.bare[name] for one in found.latencies) for name in found.latencies[0].bare}
    lines.append("bare stages: " + ", ".join(f"{name} {took:.1f} ms" for name, took in stages.items()))
    return "\n".join(lines)
