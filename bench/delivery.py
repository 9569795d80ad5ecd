"""Delivery of ten thousand spans to a local sink, beside the plain OTLP exporter.

Both run in a process of their own, from the same stored turns: ours through the outbox, as
`harness flush` does it; the plain one builds the same spans and hands them to OpenTelemetry's
exporter in batches of as many, and believes what that says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.machine import own_peak_memory_mb
from bench.reading import finished_turns
from bench.sink import Sink, taking
from harness_tracing.destinations import Target
from harness_tracing.model import Session, Turn
from harness_tracing.store import SessionChange, Store, TurnWrite, enqueue

SPANS = 10_000
BATCH = 512
PROJECT = "bench"


@dataclass(frozen=True)
class Delivered:
    """What one way of sending took for `spans` spans; `wall_s` is without the process's start."""

    spans: int
    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    requests: int
    unpacked_bytes: int
    wire_bytes: int

    @property
    def spans_per_s(self) -> float:
        """Spans per second, from the first look into the store to the last answer."""
        return self.spans / self.wall_s


@dataclass(frozen=True)
class Deliveries:
    """Both ways of sending the same spans."""

    ours: Delivered
    plain: Delivered


def measure(folder: Path) -> Deliveries:
    """Send the same turns in both ways; RuntimeError unless all spans arrive, ours once."""
    turns = list(_enough(finished_turns(folder / "read")))
    return Deliveries(_run("ours", folder / "ours", turns), _run("plain", folder / "plain", turns))


def _enough(turns: Iterable[Turn]) -> Iterator[Turn]:
    from harness_tracing.model import ToolCall

    count = 0
    for turn in turns:
        if count >= SPANS:
            return
        count += 1 + sum(isinstance(step, ToolCall) for step in turn.steps)
        yield turn


def _run(way: str, home: Path, turns: list[Turn]) -> Delivered:
    root = home / ".arize" / "harness"
    with taking() as sink:
        _fill(root, turns, f"{sink.url}/v1/traces")
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        }
        words = [sys.executable, "-m", "bench.delivery", way, str(root)]
        started = subprocess.Popen(words, env=env, stdout=subprocess.PIPE)
        assert started.stdout is not None
        told = json.loads(started.stdout.read())
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = status
        if status:
            raise RuntimeError(f"delivery ({way}) ended with wait status {status}")
    return _delivered(sink, told, used.ru_utime + used.ru_stime)


def _delivered(sink: Sink, told: Mapping[str, float], cpu_s: float) -> Delivered:
    counts = Counter(span.span_id for span in sink.spans())
    if len(counts) < SPANS or max(counts.values()) > 1:
        raise RuntimeError(f"{len(counts)} spans arrived, {max(counts.values())} times at most")
    return Delivered(
        spans=len(counts),
        wall_s=told["wall_s"],
        cpu_s=cpu_s,
        peak_memory_mb=told["peak_memory_mb"],
        requests=len(sink.bodies),
        unpacked_bytes=sum(map(len, sink.unpacked)),
        wire_bytes=sink.wire_bytes,
    )


def _fill(root: Path, turns: list[Turn], endpoint: str) -> None:
    """Turns as a worker stores them, each with its rows in the outbox."""
    add = partial(enqueue, targets=[Target("otlp", endpoint, PROJECT)], now_ns=time.time_ns())
    with Store.open(root / "store.sqlite3") as store:
        for turn in turns:
            session = Session(turn.agent, turn.session_id, PROJECT)
            store.write(SessionChange(session, (TurnWrite(turn, True),)), add)


# -- in a process of its own


def _ours(root: Path) -> None:
    from harness_tracing import worker
    from harness_tracing.paths import Home

    result = worker.flush(Home(root), os.environ, timeout_s=300)
    if result.left:
        raise RuntimeError("; ".join(result.messages))


def _plain(root: Path) -> None:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    from harness_tracing.prices import PriceTable
    from harness_tracing.worker.delivery import readables

    target, table = Target("otlp", "", PROJECT), PriceTable.load()
    exporter = OTLPSpanExporter(compression=Compression.Gzip)
    with Store.open(root / "store.sqlite3", readonly=True) as store:
        spans = [
            span
            for row in store.sessions()
            for turn in store.turns(row.agent, row.session_id)
            for span in readables(turn, row.session, target, table).values()
        ]
    for start in range(0, len(spans), BATCH):
        exporter.export(spans[start : start + BATCH])


def main() -> None:
    """Send in one way; prints how long it took, and how much memory."""
    way, root = sys.argv[1], Path(sys.argv[2])
    started = time.perf_counter()
    {"ours": _ours, "plain": _plain}[way](root)
    wall_s = time.perf_counter() - started
    print(json.dumps({"wall_s": wall_s, "peak_memory_mb": own_peak_memory_mb()}))


if __name__ == "__main__":
    main()
