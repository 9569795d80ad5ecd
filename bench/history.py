"""`harness import` beside two tools that read the same files, over a generated corpus.

python -m bench.history                    measure 250 MB, write that part of docs/performance.md
python -m bench.history --megabytes 1000   a larger corpus
python -m bench.history --quick            20 MB once, printed, not written
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil

from bench import corpus, machine, tokens
from bench.report import PAGE, Goal, table, verdict, write
from bench.stats import median, paired_ratio
from checkout import HARNESS, ROOT

BEGIN = "<!-- measured: begin (python -m bench.history) -->"
ROUNDS = 3
MEGABYTES, QUICK_MEGABYTES = 250.0, 20.0
SMALL_PART = 5
SAMPLE_S = 0.05
SAMPLES_PER_LISTING = 5
AGENTSVIEW = ROOT / ".e2e" / "agentsview" / "bin" / "agentsview"
CCUSAGE = ROOT / ".e2e" / "ccusage" / "node_modules" / ".bin" / "ccusage"
# Nobody is to ask the network for prices or for a newer version of itself.
NO_NETWORK = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Tool:
    """Something that reads what agents keep, and where it leaves what it made of it."""

    name: str
    command: tuple[str, ...]
    keeps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """One run from start to exit; the memory is that of all its processes together."""

    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    store_mb: float


@dataclass(frozen=True)
class History:
    """Everything measured: runs by tool, run over again, on a small part; tokens of both."""

    megabytes: float
    files: int
    runs: Mapping[str, Sequence[Run]]
    again: Mapping[str, Run]
    small_megabytes: float
    small: Run
    tokens: tokens.Comparison

    @property
    def ratio(self) -> float:
        """How many times as fast as agentsview ours is, by wall time."""
        ours, theirs = ([run.wall_s for run in self.runs[name]] for name in (OURS, AGENTS_VIEW))
        return paired_ratio(theirs, ours)

    @property
    def growth(self) -> float:
        """Ours' memory as a multiple of what a small part of the corpus takes."""
        return self.peak(OURS) / self.small.peak_memory_mb

    def peak(self, name: str) -> float:
        """The most memory of any run of a tool, MB."""
        return max(run.peak_memory_mb for run in self.runs[name])


OURS, AGENTS_VIEW, CC_USAGE = "`harness import`", "`agentsview sync`", "`ccusage`"
TOOLS = (
    Tool(OURS, (str(HARNESS), "import"), (".arize",)),
    Tool(AGENTS_VIEW, (str(AGENTSVIEW), "sync"), (".agentsview",)),
    Tool(CC_USAGE, (str(CCUSAGE), "--json", "--offline")),
)


def measure(folder: Path, megabytes: float, rounds: int) -> History:
    """Write the corpus; run the tools in turn, each from nothing; then compare the tokens."""
    say("corpus")
    made = corpus.write(folder / "user", megabytes)
    part = corpus.write(folder / "part", megabytes / SMALL_PART)
    runs: dict[str, list[Run]] = {tool.name: [] for tool in TOOLS}
    again: dict[str, Run] = {}
    for number in range(rounds):
        for tool in TOOLS[number % 3 :] + TOOLS[: number % 3]:
            say(f"round {number + 1}: {tool.name}")
            for name in tool.keeps:
                shutil.rmtree(made.home / name, ignore_errors=True)
            runs[tool.name].append(run(tool, made.home))
            if tool.keeps and number == rounds - 1:
                again[tool.name] = run(tool, made.home)
    small = run(TOOLS[0], part.home)
    told = {
        agent: _output((str(CCUSAGE), command, "daily", "--json", "--offline"), made.home)
        for agent, command in (("claude-code", "claude"), ("codex", "codex"))
    }
    compared = tokens.compare(made.home, told)
    return History(made.megabytes, made.files, runs, again, part.megabytes, small, compared)


def run(tool: Tool, home: Path) -> Run:
    """Run a tool in a home with nothing else in its environment; RuntimeError when it fails."""
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            tool.command, env=_env(home), stdout=subprocess.DEVNULL, stderr=errors
        )
        peak = _Peak(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if process.returncode:
            said = errors.read()[-500:].decode(errors="replace")
            raise RuntimeError(f"{tool.name} exited with {process.returncode}: {said}")
    kept = [path for name in tool.keeps for path in (home / name).rglob("*") if path.is_file()]
    store_mb = sum(path.stat().st_size for path in kept) / 1e6
    return Run(wall_s, used.ru_utime + used.ru_stime, peak.stop(), store_mb)


def _env(home: Path) -> dict[str, str]:
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NO_NETWORK)
    path = os.environ.get("PATH", os.defpath)
    return {"HOME": str(home), "PATH": path, "AGENTSVIEW_NO_DAEMON": "1", **proxies}


def _output(command: Sequence[str], home: Path) -> bytes:
    return subprocess.run(command, env=_env(home), stdout=subprocess.PIPE, check=True).stdout


class _Peak:
    """The most memory that a process and those below it have at once, seen every 50 ms.

    Which processes there are is asked more seldom: it takes a millisecond of what is measured.
    """

    def __init__(self, pid: int) -> None:
        self._pid, self._most, self._over = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        processes: list[psutil.Process] = []
        for number in count():
            if self._over.wait(SAMPLE_S):
                return
            if number % SAMPLES_PER_LISTING == 0:
                processes = _tree(self._pid)
            self._most = max(self._most, sum(map(_memory, processes)))

    def stop(self) -> float:
        """End watching; MB."""
        self._over.set()
        self._thread.join()
        return self._most / 1e6


def _tree(pid: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


# -- in words


def goals(measured: History) -> list[Goal]:
    """What the issue of importing history promises."""
    left = measured.tokens.unexplained
    return [
        Goal(
            "`harness import`", "≥ 2 × `agentsview sync`", f"{measured.ratio:.2f} ×",
            measured.ratio >= 2,
        ),
        Goal(
            f"its memory for {measured.megabytes / measured.small_megabytes:.0f} times the files",
            "≤ 1.2 ×", f"{measured.growth:.2f} ×", measured.growth <= 1.2,
        ),
        Goal(
            "tokens that differ from `ccusage`'s by no rule below", "0", f"{left:,}", left == 0
        ),
    ]  # fmt: skip


def text(words: str, measured: History) -> str:
    """The measured part of the page."""
    rows = [[g.what, g.goal, g.measured, "yes" if g.met else "**no**"] for g in goals(measured)]
    header = ["", "time", "MB/s", "processor", "memory", "what it keeps", "run again"]
    tools = [_row(measured, tool) for tool in TOOLS]
    return "\n\n".join(
        [
            f"Machine: {words}.",
            table(["what", "goal", "measured", "met"], rows),
            f"{measured.megabytes:,.0f} MB in {measured.files:,} files, medians of "
            f"{len(measured.runs[OURS])} rounds in turn. {measured.small_megabytes:,.0f} MB take "
            f"{measured.small.peak_memory_mb:.0f} MB of memory.",
            table(header, tools),
            "### Tokens beside `ccusage`",
            measured.tokens.text(),
        ]
    )


def _row(measured: History, tool: Tool) -> list[str]:
    runs = measured.runs[tool.name]
    wall = median([run.wall_s for run in runs])
    kept = f"{runs[-1].store_mb:.0f} MB" if tool.keeps else "nothing"
    again = f"{measured.again[tool.name].wall_s:.1f} s" if tool.keeps else ""
    cpu = f"{median([run.cpu_s for run in runs]):.1f} s"
    memory = f"{measured.peak(tool.name):.0f} MB"
    return [
        tool.name,
        f"{wall:.1f} s",
        f"{measured.megabytes / wall:.0f}",
        cpu,
        memory,
        kept,
        again,
    ]


def say(what: str) -> None:
    """Tell on stderr what is being measured."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


def main() -> int:
    """Measure, write, and say which goals were missed; 1 when one was."""
    parser = argparse.ArgumentParser(prog="bench.history", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 MB once, print only")
    parser.add_argument("--megabytes", type=float, default=MEGABYTES, help="size of the corpus")
    arguments = parser.parse_args()
    for needed in (AGENTSVIEW, CCUSAGE):
        if not needed.exists():
            print(f"{needed.name} is missing: make setup-bench", file=sys.stderr)
            return 2
    megabytes = QUICK_MEGABYTES if arguments.quick else arguments.megabytes
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        measured = measure(Path(folder).resolve(), megabytes, 1 if arguments.quick else ROUNDS)
    page = text(machine.in_words(), measured)
    print(page)
    if not arguments.quick:
        write(page, PAGE, BEGIN)
    return verdict(goals(measured))


if __name__ == "__main__":
    sys.exit(main())
