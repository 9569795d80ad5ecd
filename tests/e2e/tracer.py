"""The tracer as the tests use it: prepared in a home, flushed, and its spans as a tree."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from checkout import HARNESS, install
from claude_client import Home

ASKED = re.compile(r"llm\.output_messages\.\d+\.message\.tool_calls\.\d+\.tool_call\.id$")
Json = Any


@dataclass(frozen=True)
class Tracer:
    """The tracer of one home. `harness` is the command that answers for it."""

    home: Home
    harness: Path = HARNESS

    @property
    def root(self) -> Path:
        """The tracer's own home."""
        return self.home.path / ".arize" / "harness"

    def install(self) -> None:
        """Make this checkout's .venv the installed version, as if it had been built here."""
        install(self.root)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `harness` in this home."""
        done = subprocess.run(
            [str(self.harness), *arguments],
            cwd=self.home.path,
            env=self.home.env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert not check or done.returncode == 0, f"harness {arguments}: {done}\n{self.logs()}"
        return done

    def flush(self) -> None:
        """Have everything captured stored; fails when something is left."""
        self.run("flush", "--wait")

    def spans(self, session_id: str, shape: str = "calls") -> list[Span]:
        """The session's spans, oldest first."""
        arguments = ("--session-id", session_id, "--shape", shape, "--stdout")
        exported = json.loads(self.run("spans", "export", *arguments).stdout)
        return sorted((Span(each) for each in exported), key=lambda span: span.start_time)

    def sessions(self) -> list[dict[str, Json]]:
        """All stored sessions."""
        listed: list[dict[str, Json]] = json.loads(self.run("sessions", "list", "--json").stdout)
        return listed

    def workers(self) -> list[int]:
        """Processes that say they work for a session of this home and are alive."""
        found = []
        for path in (self.root / "spool").glob("*/*/worker.pid"):
            try:
                pid = int(path.read_text().split()[0])
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except (OSError, ValueError, IndexError):
                continue
            if b"harness_tracing" in command:
                found.append(pid)
        return found

    def kill_workers(self) -> int:
        """kill -9 every worker; the number of those that were there."""
        killed = 0
        for pid in self.workers():
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                continue
        return killed

    def logs(self) -> str:
        """The end of what the tracer wrote into its logs."""
        parts = []
        for path in sorted(self.root.glob("logs/*")) + sorted(self.root.glob("bootstrap/*")):
            if path.is_file() and path.stat().st_size < 1_000_000:
                parts.append(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}")
        return "\n".join(parts)


@dataclass(frozen=True)
class Span:
    """One exported span."""

    json: Mapping[str, Json]

    @property
    def attributes(self) -> Mapping[str, Json]:
        """Its flat attributes."""
        found: Mapping[str, Json] = self.json["attributes"]
        return found

    def __getitem__(self, attribute: str) -> Json:
        return self.attributes.get(attribute)

    @property
    def id(self) -> str:
        """Its span id."""
        return str(self.json["context"]["span_id"])

    @property
    def parent_id(self) -> Optional[str]:
        """Its parent's span id."""
        return self.json.get("parent_id")

    @property
    def kind(self) -> str:
        """The OpenInference kind."""
        return str(self.json["kind"])

    @property
    def type(self) -> str:
        """turn, model_call, tool, subagent or moment."""
        return str(self["harness.span.type"])

    @property
    def start_time(self) -> str:
        """When it began, as sortable text."""
        return str(self.json["start_time"])

    @property
    def texts(self) -> set[str]:
        """All its attributes that are text."""
        return {value for value in self.attributes.values() if isinstance(value, str)}

    def __str__(self) -> str:
        name = self["tool.id"] or self["harness.model_call.id"] or ""
        return f"{self.json['name']!r} ({self.kind} {name})"


@dataclass(frozen=True)
class Tree:
    """A session's spans by id, with the way up and down."""

    spans: Sequence[Span]

    def of_type(self, kind: str) -> list[Span]:
        """Spans of one harness.span.type, oldest first."""
        return [span for span in self.spans if span.type == kind]

    @property
    def turns(self) -> list[Span]:
        """The roots."""
        return self.of_type("turn")

    def parent(self, span: Span) -> Optional[Span]:
        """The span above."""
        return next((each for each in self.spans if each.id == span.parent_id), None)

    def above(self, span: Span) -> Iterator[Span]:
        """All spans above, the nearest first."""
        parent = self.parent(span)
        while parent is not None:
            yield parent
            parent = self.parent(parent)

    def tool(self, tool_id: str) -> Optional[Span]:
        """The span of a tool call."""
        return next((span for span in self.of_type("tool") if span["tool.id"] == tool_id), None)


TOKENS = {
    "llm.token_count.prompt": lambda u: (
        u["input"] + u["cache_read"] + u["cache_write_5m"] + u["cache_write_1h"]
    ),
    "llm.token_count.completion": lambda u: u["output"],
    "llm.token_count.prompt_details.cache_read": lambda u: u["cache_read"],
    "llm.token_count.prompt_details.cache_write": lambda u: (
        u["cache_write_5m"] + u["cache_write_1h"]
    ),
}


def differences(
    spans: Iterable[Span],
    log: Sequence[Mapping[str, Json]],
    *,
    turns: Sequence[str],
    tool_status: Optional[Mapping[str, str]] = None,
    failed_calls: Optional[int] = None,
) -> list[str]:
    """How a session's spans (shape calls) differ from what the model server answered.

    `turns` are the turns' statuses in order. `tool_status` maps a part of a tool's arguments or
    its name to the status expected of it; others are ok.
    """
    tree = Tree(list(spans))
    answered = [entry for entry in log if entry["status"] == 200 and entry["complete"]]
    conversation = [entry for entry in answered if entry["kind"] == "main"]
    found = [*_structure(tree), *_turns(tree, turns)]
    for entry in conversation:
        found += _call_differences(tree, entry, _starter(conversation, entry["marker"]))
    for entry in conversation:
        for tool in entry["tools"]:
            found += _tool_differences(tree, entry, tool, tool_status or {})
    found += _surplus(tree, conversation)
    if failed_calls is not None:
        failed = [s for s in tree.of_type("model_call") if s.json["status_code"] == "ERROR"]
        if len(failed) != failed_calls:
            found.append(f"{len(failed)} failed model calls, expected {failed_calls}")
    return found


def _structure(tree: Tree) -> Iterator[str]:
    ids = [span.id for span in tree.spans]
    for each in sorted({each for each in ids if ids.count(each) > 1}):
        yield f"span id {each} twice"
    for span in tree.spans:
        if span.type == "turn" and (span.parent_id or span.kind != "AGENT"):
            yield f"{span} is no root of kind AGENT"
        if span.type != "turn" and tree.parent(span) is None:
            yield f"{span} has no parent"
        if span.json.get("end_time") is None:
            yield f"{span} has no end"


def _turns(tree: Tree, statuses: Sequence[str]) -> Iterator[str]:
    got = [turn["harness.turn.status"] for turn in tree.turns]
    if got != list(statuses):
        yield f"turns {got}, expected {list(statuses)}"
    for turn in tree.turns:
        failed = turn["harness.turn.status"] in ("failed", "interrupted")
        if failed != (turn.json["status_code"] == "ERROR"):
            yield f"{turn} has status code {turn.json['status_code']}"


def _starter(log: Sequence[Mapping[str, Json]], marker: Optional[str]) -> Optional[str]:
    """The tool call whose prompt holds this marker: the one that started the sub-agent."""
    for entry in log:
        for tool in entry["tools"]:
            if f"[[{marker}]]" in str(tool["input"].get("prompt", "")):
                return str(tool["id"])
    return None


def _call_of(tree: Tree, entry: Mapping[str, Json]) -> list[Span]:
    names = {entry["message_id"], entry["request_id"]}
    return [span for span in tree.of_type("model_call") if names & span.texts]


def _call_differences(
    tree: Tree, entry: Mapping[str, Json], starter: Optional[str]
) -> Iterator[str]:
    name = f"call {entry['marker']}.{entry['position']} ({entry['message_id']})"
    calls = _call_of(tree, entry)
    if len(calls) != 1:
        yield f"{name}: {len(calls)} spans"
        return
    call = calls[0]
    for attribute, count in TOKENS.items():
        if (call[attribute] or 0) != count(entry["usage"]):
            yield f"{name}: {attribute} {call[attribute]}, expected {count(entry['usage'])}"
    for part in ("text", "thinking"):
        if entry[part] and not any(entry[part] in text for text in call.texts):
            yield f"{name}: its {part} is nowhere"
    asked = {value for key, value in call.attributes.items() if ASKED.match(key)}
    if asked != {tool["id"] for tool in entry["tools"]}:
        yield f"{name}: names tools {asked}"
    agents = [span for span in tree.above(call) if span.type == "subagent"]
    if starter is None and agents:
        yield f"{name}: below {agents[0]}, is the main agent's"
    if starter is not None:
        parent = tree.parent(agents[0]) if agents else None
        if parent is None or parent["tool.id"] != starter:
            yield f"{name}: its sub-agent is below {parent}, started by {starter}"


def _tool_differences(
    tree: Tree, entry: Mapping[str, Json], tool: Mapping[str, Json], statuses: Mapping[str, str]
) -> Iterator[str]:
    arguments = json.dumps(tool["input"])
    expected = next((s for p, s in statuses.items() if p in arguments or p == tool["name"]), "ok")
    span = tree.tool(tool["id"])
    if span is None:
        yield f"tool {tool['name']} {tool['id']}: no span"
        return
    if span["harness.tool.status"] != expected:
        yield f"{span}: {span['harness.tool.status']}, expected {expected}"
    if span["tool.name"] != tool["name"]:
        yield f"{span}: named {span['tool.name']}"
    if (span.json["status_code"] == "ERROR") != (expected in ("error", "denied", "interrupted")):
        yield f"{span}: status code {span.json['status_code']}"
    if tree.parent(span) not in _call_of(tree, entry):
        yield f"{span}: below {tree.parent(span)}, asked for by {entry['message_id']}"


def _surplus(tree: Tree, log: Sequence[Mapping[str, Json]]) -> Iterator[str]:
    known = [span.id for entry in log for span in _call_of(tree, entry)]
    for span in tree.of_type("model_call"):
        below_moment = any(each.type == "moment" for each in tree.above(span))
        if span.id not in known and span.json["status_code"] != "ERROR" and not below_moment:
            yield f"{span}: nobody answered that"
    tools = {tool["id"] for entry in log for tool in entry["tools"]}
    for span in tree.of_type("tool"):
        if span["tool.id"] not in tools:
            yield f"{span}: nobody asked for that"
