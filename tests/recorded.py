"""Recordings of real agents, played into a reader without any process or clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness_tracing.agents import get
from harness_tracing.agents.base import Document, HookEvent, Item, Line, Listing, Reader, WantedFile
from harness_tracing.model import Session, Step, Turn, step_id

FOLDER = Path(__file__).parent / "recordings"
RECORDED_HOME = "/home/dev/"
QUIET_NS = 5 * 10**9


def recordings(agent: str) -> list[Path]:
    """The recording folders of an agent, ours after the shared ones."""
    found = [*FOLDER.glob(f"{agent}/*/events.jsonl"), *FOLDER.glob(f"{agent}-own/*/events.jsonl")]
    return sorted(path.parent for path in found)


def expected(folder: Path) -> dict[str, Any]:
    """The right answer of a recording."""
    answer: dict[str, Any] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return answer


@dataclass(frozen=True)
class Recorded:
    """One hook call of a recording: the event and how many bytes each file had."""

    session_id: str
    event: HookEvent
    sizes: dict[str, int]


def recorded_events(folder: Path) -> list[Recorded]:
    """The hook calls of a recording in order; those that name no session are left out."""
    agent = get(folder.parent.name.replace("-own", ""))
    registered = {event.name for event in agent.events}
    events = []
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(filter(None, lines)):
        raw = json.loads(line)
        if raw["event"] not in registered:
            continue
        payload = json.loads(raw["stdin"])
        sizes = {
            RECORDED_HOME + _undotted(path): state["bytes"]
            for path, state in (raw.get("files") or {}).items()
        }
        event = HookEvent(f"{number:05d}", raw["event"], raw["at_ns"], payload, 4711)
        events.append(Recorded(payload[agent.session_key], event, sizes))
    return _gathered(events)


def _gathered(events: list[Recorded]) -> list[Recorded]:
    """Events of sub-agents' own conversations with the session they work for, as a worker's are."""
    parents = {}
    for recorded in events:
        payload = recorded.event.payload or {}
        parent = payload.get("parent_conversation_id")
        if parent is not None:
            parents[payload.get("child_conversation_id") or payload.get("subagent_id")] = parent
    return [
        replace(each, session_id=parents.get(each.session_id, each.session_id)) for each in events
    ]


def _undotted(path: str) -> str:
    parts = path.split("/")
    return "/".join("." + part[4:] if part.startswith("dot-") else part for part in parts)


class Files:
    """The agent's files of a recording, each shown up to a point."""

    def __init__(self, folder: Path) -> None:
        home = folder / "home"
        self.content = {
            RECORDED_HOME + _undotted(str(path.relative_to(home))): path.read_bytes()
            for path in home.rglob("*")
            if path.is_file()
        }
        self.shown: dict[str, int] = {}
        self.fed: dict[str, int] = {}
        self.told: set[str] = set()
        self.listed: dict[str, Listing] = {}

    def show(self, sizes: dict[str, int]) -> None:
        """Let files have grown to the given sizes."""
        for path, size in sizes.items():
            self.shown[path] = max(size, self.shown.get(path, 0))

    def show_all(self) -> None:
        """Let every file have its final size."""
        self.show({path: len(content) for path, content in self.content.items()})

    def new_items(self, reader: Reader) -> list[Item]:
        """What the reader wants to see and has not seen yet."""
        items: list[Item] = []
        for wanted in reader.wanted_files():
            if wanted.how == "folder":
                prefix = wanted.path.rstrip("/") + "/"
                inside = [p for p, n in self.shown.items() if p.startswith(prefix) and n]
                listing = Listing(wanted.key, tuple(sorted(p[len(prefix) :] for p in inside)))
                if self.listed.get(wanted.key) != listing:
                    self.listed[wanted.key] = listing
                    items.append(listing)
            elif wanted.how == "lines":
                items += self._lines(wanted.key, wanted.path, reader)
            elif self._is_due(wanted):
                self.told.add(wanted.key)
                text = self.content[wanted.path].decode("utf-8")
                items.append(Document(wanted.key, text))
        return items

    def _is_due(self, wanted: WantedFile) -> bool:
        there = self.shown.get(wanted.path) or wanted.how == "once"
        return bool(there) and wanted.path in self.content and wanted.key not in self.told

    def _lines(self, key: str, path: str, reader: Reader) -> Iterator[Item]:
        start, end = self.fed.get(path, 0), self.shown.get(path, 0)
        self.fed[path] = max(start, end)
        for raw in self.content.get(path, b"")[start:end].split(b"\n"):
            if raw and not raw.startswith(reader.skipped_lines):
                yield Line(key, json.loads(raw), start)


class Collected:
    """What a store would hold of a session: the last of each turn and step.

    `with_open` off: it asks for turns that are final alone, as an import does.
    """

    def __init__(self, with_open: bool = True) -> None:
        self.with_open = with_open
        self.session: Session | None = None
        self.turns: dict[str, Turn] = {}
        self.steps: dict[str, dict[str, Step]] = {}
        self.final: list[str] = []

    def take(self, reader: Reader) -> None:
        """Take the reader's changes in as the store does."""
        changes = reader.changes(with_open=self.with_open)
        self.session = changes.session or self.session
        for change in changes.turns:
            turn, steps = change.turn, self.steps.setdefault(change.turn.turn_id, {})
            late = turn.turn_id in self.final
            for step in turn.steps:
                if not (late and step_id(step) in steps):
                    steps[step_id(step)] = step
            if late:
                continue
            self.turns[turn.turn_id] = turn
            if change.final:
                self.final.append(turn.turn_id)

    def whole(self) -> list[Turn]:
        """The turns with all their steps, in order."""
        turns = sorted(self.turns.values(), key=lambda turn: turn.number)
        return [replace(t, steps=tuple(self.steps[t.turn_id].values())) for t in turns]


def play(folder: Path, *, whole: bool = False) -> dict[str, Collected]:
    """Play a recording as a worker would meet it; what was collected of each session.

    `whole`: the agent's files lie there in full from the start. At the end the agent is dead,
    unless the right answer has a turn that never ended.
    """
    agent = get(folder.parent.name.replace("-own", ""))
    events = recorded_events(folder)
    sessions = list(dict.fromkeys(event.session_id for event in events))
    alive = any(turn["status"] == "open" for turn in expected(folder)["turns"])
    collected = {}
    for session_id in sessions:
        own = [event for event in events if event.session_id == session_id]
        collected[session_id] = _play_session(agent.reader, session_id, folder, own, whole, alive)
    return {session_id: c for session_id, c in collected.items() if c.turns}


def _play_session(
    make: Any, session_id: str, folder: Path, own: list[Recorded], whole: bool, alive: bool
) -> Collected:
    reader = make(session_id, "order-pricing", None)
    files, result = Files(folder), Collected()
    for number, recorded in enumerate(own):
        now_ns = recorded.event.at_ns
        reader.tick(now_ns, True)
        files.show(recorded.sizes)
        if whole or number == len(own) - 1:
            files.show_all()
        feed_until_quiet(reader, files, [recorded.event], result)
        reader.tick(now_ns, True)
    for _ in range(3):
        now_ns += QUIET_NS
        feed_until_quiet(reader, files, [], result)
        reader.tick(now_ns, alive)
    result.take(reader)
    return result


def feed_until_quiet(
    reader: Reader, files: Files, events: list[HookEvent], result: Collected
) -> None:
    """Feed events and all files the reader asks for, until it asks for nothing new."""
    items: list[Item] = [*files.new_items(reader), *events]
    while items:
        reader.feed_all(items)
        result.take(reader)
        items = files.new_items(reader)
    result.take(reader)
