"""What the rules say of every recording, and what a person thinks of it who looked."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

from harness_tracing.activity import Gate, gate_of
from harness_tracing.evaluate.finding import Failed, NotMeasurable
from harness_tracing.evaluate.rules import RULES, judged
from harness_tracing.model import Turn
from harness_tracing.redact import Policy, redact_turn
from tests.recorded import RECORDED_HOME, play, recordings

AGENTS = ("claude-code", "codex", "cursor")
DEMO = Path(__file__).parents[2] / "python/src/harness_tracing/loop_demo/recordings"
DEMO_GATE = Gate(("make", "check"), "Makefile on disk")
NAMES = tuple(rule().about.name for rule in RULES)
PASSES_ABOVE = 0.5

_NO_GATE = "Right: nothing that the session saw declares a gate, and none is assumed."
JUDGED_BY_HAND: dict[tuple[str, int, str], str] = {
    ("demo/freeship", 1, "verified_before_done"): (
        "Right: after the edit it ran `make test` and stopped; a narrower check is not the gate."
    ),
    ("demo/freeship", 2, "verified_before_done"): "Right: the same again, a ticket later.",
    ("claude-code-own/tui_allowed_late", 1, "verified_before_done"): _NO_GATE,
    ("claude-code/long_session", 1, "verified_before_done"): _NO_GATE,
    ("codex/tool_cycle", 1, "verified_before_done"): _NO_GATE,
    ("codex/tool_cycle__modelhooks", 1, "verified_before_done"): _NO_GATE,
    ("cursor/tool_cycle", 1, "verified_before_done"): _NO_GATE,
    ("cursor/ide-2.7.0-pre", 1, "edit_without_read"): (
        "Right: one conversation is recorded from its middle on, and of the other edit it was not"
        " told whether the file was new."
    ),
    ("cursor/ide-2.7.0-pre", 1, "identical_call_loop"): (
        "Right: the hooks that were set did not tell what the commands printed."
    ),
}
"""Every hit and every *not measurable*, by recording, turn and rule."""


@dataclass(frozen=True)
class Said:
    """What a rule said of a turn. `label` is "not_measurable" where it could not tell."""

    recording: str
    session_id: str
    turn: int
    rule: str
    label: str
    score: Optional[float]
    why: str
    evidence: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """``pass``, ``hit`` or ``not measurable``."""
        if self.score is None:
            return "not measurable"
        return "pass" if self.score > PASSES_ABOVE else "hit"


Recorded = tuple[str, str, list[Turn], Optional[Gate]]


@lru_cache(maxsize=1)
def sessions() -> tuple[Recorded, ...]:
    """Each recorded session by recording and id with its turns, and its project's gate."""
    return tuple(_sessions())


def _sessions() -> Iterator[Recorded]:
    for folder in (folder for agent in AGENTS for folder in recordings(agent)):
        for session_id, session in play(folder).items():
            turns = session.whole()
            yield f"{folder.parent.name}/{folder.name}", session_id, turns, gate_of(turns)
    for names in (("freeship", "small_letters"), ("save25",)):
        for session_id, turns in _demo(names).items():
            yield f"demo/{names[0]}", session_id, turns, DEMO_GATE


def said(policy: Policy) -> list[Said]:
    """The verdicts on all of them, as they are stored under these content switches."""
    found = []
    for recording, session_id, whole, gate in sessions():
        turns = [redact_turn(turn, policy) for turn in whole]
        for turn, judgements in judged(turns, gate):
            for name, each in zip(NAMES, judgements):
                assert not isinstance(each, Failed)
                if each is None:
                    continue
                known = (recording, session_id, turn.number, name)
                if isinstance(each, NotMeasurable):
                    found.append(Said(*known, "not_measurable", None, each.why))
                else:
                    told = (each.label, each.score, each.explanation, each.evidence)
                    found.append(Said(*known, *told))
    return found


def table(verdicts: Sequence[Said]) -> str:
    """Recordings by rules: passes, hits (``h``) and not-measurables (``n``)."""
    cells = Counter((each.recording, each.rule, each.kind) for each in verdicts)
    lines = [["recording", *NAMES], ["---"] * (len(NAMES) + 1)]
    for recording in dict.fromkeys(each.recording for each in verdicts):
        lines.append([recording, *(_cell(cells, recording, rule) for rule in NAMES)])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cell(cells: Counter[tuple[str, str, str]], recording: str, rule: str) -> str:
    counted = (
        (cells[recording, rule, kind], sign)
        for kind, sign in (("pass", ""), ("hit", "h"), ("not measurable", "n"))
    )
    return " ".join(f"{count}{sign}" for count, sign in counted if count)


def _demo(names: Sequence[str]) -> dict[str, list[Turn]]:
    """Sessions of the demo, laid out as a recording and played like one."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "claude-code" / "demo"
        home = folder / "home"
        lines: list[str] = []
        sizes: dict[str, int] = {}
        for name in names:
            text = (DEMO / f"{name}.json").read_text(encoding="utf-8")
            recording: dict[str, Any] = json.loads(
                text.replace("/demo/home/", RECORDED_HOME).replace("/demo/", RECORDED_HOME)
            )
            events = recording["events"]
            path = Path(events[0]["payload"]["transcript_path"]).relative_to(RECORDED_HOME)
            shown = "/".join(f"dot-{part[1:]}" if part[0] == "." else part for part in path.parts)
            (home / shown).parent.mkdir(parents=True, exist_ok=True)
            with (home / shown).open("a", encoding="utf-8") as transcript:
                transcript.writelines(json.dumps(line) + "\n" for line in recording["transcript"])
            for event in events:
                stdin = json.dumps(event["payload"])
                files = {path: {"bytes": size} for path, size in sizes.items()}
                if event is events[-1]:
                    files = {shown: {"bytes": (home / shown).stat().st_size}}
                    sizes = {shown: (home / shown).stat().st_size}
                told = {"event": event["event"], "at_ns": event["at_ns"], "stdin": stdin}
                lines.append(json.dumps({**told, "files": files}))
        (folder / "events.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "expected.json").write_text('{"turns": []}', encoding="utf-8")
        return {session_id: each.whole() for session_id, each in play(folder).items()}
