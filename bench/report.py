"""The measurements as a table in docs/performance.md."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.capture import PLACES, SIZES, Timings
from bench.delivery import Delivered, Deliveries
from bench.long_session import WorkerCost
from bench.reading import ReadingRate
from bench.sessions import Walls
from bench.starts import ANEW, BESIDE, LINE, STATUS, Starts
from bench.stats import median, milliseconds, p95

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN = "<!-- measured: begin (make bench) -->"
END = "<!-- measured: end -->"
PLACE_WORDS = {
    "env": "in the environment",
    "first": "first in the payload",
    "last": "last in the payload",
    "absent": "nowhere",
}


@dataclass(frozen=True)
class Goal:
    """What a measured number has to be, and whether it is."""

    what: str
    goal: str
    measured: str
    met: bool


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def goals(
    timings: Timings, walls: Walls, worker: WorkerCost, rate: ReadingRate, starts: Starts
) -> list[Goal]:
    """The numbers that we promise."""
    worst = max(timings.ratio("10 kB", place) for place in PLACES)
    visible = median(walls.stop_to_visible)
    return [
        Goal(
            "capture of 10 kB, wherever the session id stands",
            "≤ 4 × `/bin/true`",
            f"{worst:.2f} ×",
            worst <= 4,
        ),
        Goal(
            "`claude -p` with a tool cycle",
            "≤ 1.05 × the run with `/bin/true` hooks",
            f"{walls.ratio:.3f} ×",
            walls.ratio <= 1.05,
        ),
        Goal(
            "`claude -p` with a backend that never answers",
            "≤ 1.05 × the run without a backend",
            f"{walls.ratio_hanging:.3f} ×",
            walls.ratio_hanging <= 1.05,
        ),
        Goal("Stop → turn final in the store", "≤ 1 s", milliseconds(visible), visible <= 1),
        Goal("long session: processor", "≤ 2 s", f"{worker.cpu_s:.2f} s", worker.cpu_s <= 2),
        Goal(
            "long session: peak memory",
            "≤ 80 MB",
            f"{worker.peak_memory_mb:.0f} MB",
            worker.peak_memory_mb <= 80,
        ),
        Goal(
            "reading a transcript",
            "≥ 30 MB/s",
            f"{rate.mb_per_s:.0f} MB/s",
            rate.mb_per_s >= 30,
        ),
        *(
            Goal(
                f"`{command}`: processor",
                f"≤ 1.5 × `{BESIDE}`",
                f"{starts.ratio(command):.2f} ×",
                starts.ratio(command) <= 1.5,
            )
            for command in (STATUS, LINE)
        ),
    ]


def capture_table(timings: Timings) -> str:
    """Capture per event by payload size and place of the session id."""
    rows = []
    for size in SIZES:
        rows.append([size, "`/bin/true`", *_spread(timings.true[size]), "1"])
        for place in PLACES:
            values = timings.capture[size, place]
            ratio = f"{timings.ratio(size, place):.2f}"
            rows.append([size, f"ours, session id {PLACE_WORDS[place]}", *_spread(values), ratio])
        hook = timings.baseline[size]
        ratio = f"{median(hook) / median(timings.true[size]):.1f}"
        rows.append([size, "Python hook that posts the event", *_spread(hook), ratio])
    for agent, values in timings.agents.items():
        ratio = f"{median(values) / median(timings.true['10 kB']):.2f}"
        rows.append(["10 kB", f"ours, the line of {agent}", *_spread(values), ratio])
    rows.append(
        ["500 B", "ours, first event: folders and worker", *_spread(timings.first_event), ""]
    )
    return table(["payload", "hook", "median", "p95", "× `/bin/true`"], rows)


def session_table(walls: Walls) -> str:
    """Wall time of the real client, and how soon its turn can be seen."""
    words = {
        "none": "no hooks",
        "true": "`/bin/true` on every event we register",
        "ours": "our hooks",
        "hanging": "our hooks, sending to a backend that never answers",
    }
    rows = [
        [words[variant], *_spread(values), str(len(values))]
        for variant, values in walls.runs.items()
    ]
    rows.append(
        [
            "Stop → turn final in the store",
            *_spread(walls.stop_to_visible),
            str(len(walls.stop_to_visible)),
        ]
    )
    return table(["`claude -p`, ten hook calls", "median", "p95", "runs"], rows)


def starts_table(starts: Starts) -> str:
    """Commands that others run all the time."""
    words = {
        BESIDE: f"`{BESIDE}`",
        STATUS: f"`{STATUS}`",
        ANEW: f"`{STATUS}` after something changed",
        LINE: f"`{LINE} AGENT EVENT`",
    }
    rows = [
        [words[name], *_spread(values), f"{starts.ratio(name):.2f}"]
        for name, values in starts.cpu_s.items()
    ]
    return table(["processor time", "median", "p95", f"× `{BESIDE}`"], rows)


def delivery_table(sent: Deliveries) -> str:
    """Ten thousand spans to a sink on the same machine, ours beside the plain exporter."""
    words = {"the outbox, as `harness flush` sends": sent.ours, "`OTLPSpanExporter`": sent.plain}
    header = ["sent by", "spans/s", "processor", "peak memory", "requests", "bytes/span", "gzip"]
    return table(header, [[name, *_delivered(each)] for name, each in words.items()])


def _delivered(each: Delivered) -> list[str]:
    return [
        f"{each.spans_per_s:,.0f}",
        f"{each.cpu_s:.2f} s",
        f"{each.peak_memory_mb:.0f} MB",
        f"{each.requests}",
        f"{each.unpacked_bytes / each.spans:,.0f}",
        f"{each.wire_bytes / each.spans:,.0f}",
    ]


def text(
    machine: str,
    timings: Timings,
    walls: Walls,
    worker: WorkerCost,
    rate: ReadingRate,
    sent: Deliveries,
    starts: Starts,
) -> str:
    """The measured part of the page."""
    goal_rows = [
        [goal.what, goal.goal, goal.measured, "yes" if goal.met else "**no**"]
        for goal in goals(timings, walls, worker, rate, starts)
    ]
    return "\n\n".join(
        [
            f"Machine: {machine}.",
            "### Goals",
            table(["what", "goal", "measured", "met"], goal_rows),
            "### Capture of one event",
            f"{len(timings.true['10 kB'])} rounds, everything in turn in each round; ratios are "
            "medians of the rounds' own ratios.",
            capture_table(timings),
            "### A session of the real client",
            session_table(walls),
            "### The worker over a long session",
            f"{worker.events} hook calls and {worker.transcript_bytes / 1e6:.2f} MB of transcript "
            f"in {worker.wall_s:.0f} s: {worker.cpu_s:.2f} s of processor time, "
            f"{worker.peak_memory_mb:.0f} MB at its peak.",
            "### Commands of a status line",
            f"{len(starts.cpu_s[STATUS])} rounds, everything in turn in each round; a home with a"
            " session and a backend.",
            starts_table(starts),
            "### Delivery",
            f"{sent.ours.spans} spans (shape `turns`) from the store to a sink that takes all; "
            "start and imports of the process count as processor time. They are those of one long "
            "turn over and over, which gzip makes more of than of turns that differ.",
            delivery_table(sent),
            "### Reading transcripts",
            f"{rate.mb_per_s:.0f} MB/s, from bytes on disk to finished turns (median of "
            f"{rate.rounds} readings of {rate.megabytes:.1f} MB; the slowest had "
            f"{rate.slowest_mb_per_s:.0f} MB/s).",
        ]
    )


def write(measured: str, page: Path = PAGE, begin: str = BEGIN) -> None:
    """Put the measured part between its marks in the page; the prose around it stays."""
    whole = page.read_text(encoding="utf-8")
    before, rest = whole.split(begin, 1)
    _, after = rest.split(END, 1)
    page.write_text(f"{before}{begin}\n\n{measured}\n\n{END}{after}", encoding="utf-8")


def verdict(goals: Sequence[Goal]) -> int:
    """Say which goals were missed; the exit code, 1 when one was."""
    missed = [goal.what for goal in goals if not goal.met]
    for what in missed:
        print(f"bench: goal missed: {what}", file=sys.stderr)
    return 1 if missed else 0


def _spread(values: Sequence[float]) -> list[str]:
    return [milliseconds(median(values)), milliseconds(p95(values))]
