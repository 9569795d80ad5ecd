"""Our hooks in a file of the user's: put in, found, taken out to the byte.

All agents that take hooks from a JSON file differ in little: where it lies, how a handler
looks, what the agent itself would not read. An agent's `register.py` says that; the rest is
here. What uninstalling has to restore is kept below our home, see `kept`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Optional

from harness_tracing.agents import json_text, kept
from harness_tracing.agents.base import Event, Machine, Outcome
from harness_tracing.agents.json_text import Node
from harness_tracing.agents.kept import Kept
from harness_tracing.agents.user_files import (
    bom,
    check_writable,
    decode,
    digest,
    encode,
    is_link,
    read,
    real_path,
    write,
)
from harness_tracing.errors import RegistrationError

_OURS = re.compile(
    r"""(?:set[ ]--|exec[ ]/bin/sh[ ]-c[ ]'[^']*'[ ]harness)[ ](?P<agent>[a-z-]+)[ ]\w+[ ]
        .*capture\.sh | capture\.py"?[ ](?P<other>[a-z-]+)[ ]\w+$""",
    re.VERBOSE,
)


def agent_of(command: object) -> Optional[str]:
    """The agent that a registered command of ours is for; None for anybody else's."""
    found = _OURS.search(command) if isinstance(command, str) else None
    return (found["agent"] or found["other"]) if found else None


_TRACER = re.compile(
    r"arize|braintrust|helicone|laminar|langfuse|langsmith|openinference|opentelemetry|opik|otel"
    r"|traceloop|tracing|wandb|weave",
    re.IGNORECASE,
)


def traces(text: str) -> bool:
    """Whether the name of a plugin or a hook's command is that of some tracer."""
    return _TRACER.search(text) is not None


@dataclass(frozen=True)
class HooksFile:
    """A JSON file of an agent with `hooks` by event. It is the agent's `Registration`.

    `grouped`: an event's list holds groups with handlers in them, not handlers. `fresh` is what
    a new file holds besides. `refuses` says why the agent would not read a file's text, given
    its nodes; `bom`: whether it takes a byte order mark. `notes` are for the user. `typed`: a
    handler says that it is a command. `beside` are files whose hooks the agent runs as well.
    `undo` gives the command that takes our hooks out of another such file.
    """

    agent: str
    title: str
    path: Path
    events: tuple[Event, ...]
    machine: Machine
    grouped: bool = True
    bom: bool = True
    fresh: Mapping[str, Any] = field(default_factory=dict)
    refuses: Callable[[str, Node], Optional[str]] = lambda text, root: None
    notes: tuple[str, ...] = ()
    typed: bool = True
    beside: tuple[Path, ...] = ()
    undo: Callable[[Path], str] = lambda path: "harness uninstall"

    # --- what a Registration is asked for

    def install(self) -> Outcome:
        """Put our hooks in; RegistrationError, with nothing touched, where that cannot be."""
        folder = kept.folder_of(self.machine.records / self.agent, self.path)
        record, content = Kept.read(folder), read(self.path)
        text = self._text(content)
        if self._found(text) == self._wanted():
            return Outcome(self.path, False, self._notes_now())
        if record is not None and record.is_untouched(self.path, content):
            before = record.before if record.existed else None
        else:
            before = None if content is None else encode(self._without(text), content)
        base = decode(before or b"", self.path)
        written = encode(self._with(base), before or b"")
        self._check(decode(written, self.path))
        check_writable(self.path)
        made_folder = not self.path.parent.exists() or bool(record and record.made_folder)
        existed = before is not None
        path = str(self.path)
        Kept(path, existed, made_folder, digest(written), before or b"").write(folder)
        if content is not None and not (folder / kept.BACKUP).exists():
            write(folder / kept.BACKUP, content)
        try:
            write(self.path, written)
        except RegistrationError:
            if record is None:
                kept.forget(folder)
            raise
        return Outcome(self.path, True, self._notes_now())

    def uninstall(self) -> Outcome:
        """Take our hooks out: the file as it was, or without them where it changed since."""
        folder = kept.folder_of(self.machine.records / self.agent, self.path)
        record, content = Kept.read(folder), read(self.path)
        if content is None:
            kept.forget(folder)
            return Outcome(self.path, False, self._left())
        restored = self._restored(record, content)
        made_folder = record is not None and record.made_folder
        changed = kept.put_back(self.path, content, restored, made_folder=made_folder)
        kept.forget(folder)
        return Outcome(self.path, changed, self._left())

    def _restored(self, record: Optional[Kept], content: bytes) -> Optional[bytes]:
        """What the file has to hold without us; None: it was not there before us."""
        if record is not None and record.is_untouched(self.path, content):
            return record.before if record.existed else None
        restored = encode(self._without(self._text(content)), content)
        made_by_us = record is not None and not record.existed
        if made_by_us and self._scan(self._text(restored)).value in ({}, dict(self.fresh)):
            return None
        return restored

    def registered(self) -> bool:
        """Whether all our hooks stand in the file as they have to."""
        return self._found(self._text(read(self.path))) == self._wanted()

    def present(self, event: Optional[str] = None) -> bool:
        """Whether any hook of ours, or that of one event, stands in the file."""
        try:
            found = self._found(self._text(read(self.path)))
        except RegistrationError:
            return False
        return any(event in (None, name) for name, _ in found)

    def others(self) -> tuple[str, ...]:
        """The commands in the file, each once, that look like another tracer's."""
        try:
            root = json_text.scan(self._text(read(self.path)))
        except (RegistrationError, ValueError):
            return ()
        found = (command for command in _commands(root.member("hooks")) if traces(command))
        return tuple(dict.fromkeys(each for each in found if agent_of(each) is None))

    # --- what the user is told besides

    def _notes_now(self) -> tuple[str, ...]:
        link = (f"{self.path} is a link: they stand in {real_path(self.path)}.",)
        twice = (
            f"They stand in {path} too. {self.title} may run both; what is told twice is counted"
            f" once, so nothing appears double. One is enough: {self.undo(path)}"
            for path in self.beside
            if path != self.path and replace(self, path=path).present()
        )
        return (*self.notes, *(link if is_link(self.path) else ()), *twice)

    def _left(self) -> tuple[str, ...]:
        """Where else our hooks are still registered, and the command that takes them out."""
        paths = dict.fromkeys((*self.beside, *recorded_paths(self.machine.records, self.agent)))
        return tuple(
            f"They are still in {path}; to take them out there: {self.undo(path)}"
            for path in paths
            if path != self.path and replace(self, path=path).present()
        )

    # --- the text

    def _wanted(self) -> list[tuple[str, Any]]:
        return sorted(((event.name, self._handler(event)) for event in self.events), key=str)

    def _handler(self, event: Event) -> dict[str, Any]:
        timeout = {} if event.timeout_s is None else {"timeout": event.timeout_s}
        typed = {"type": "command"} if self.typed else {}
        return {**typed, "command": self.machine.command(event.name), **timeout}

    def _text(self, content: Optional[bytes]) -> str:
        """The file's text, found to be sound; that of a new one where there is none."""
        text = decode(content or b"", self.path)
        if not self.bom and bom(content or b""):
            raise self._refusal("it begins with a byte order mark")
        if not text.strip():
            return text
        self._check(text)
        return text

    def _check(self, text: str) -> None:
        root = self._scan(text)
        hooks = root.member("hooks")
        problem = self.refuses(text, root)
        if not isinstance(root.value, dict):
            problem = "it holds no object"
        elif hooks is not None and not isinstance(hooks.value, dict):
            problem = '"hooks" is no object'
        for event in json_text.children(hooks):
            if not isinstance(event.value, list):
                problem = f'"hooks" has a {event.key!r} that is no list'
        if problem is not None:
            raise self._refusal(problem)

    def _scan(self, text: str) -> Node:
        try:
            return json_text.scan(text)
        except ValueError as error:
            raise self._refusal(str(error)) from error

    def _refusal(self, problem: str) -> RegistrationError:
        return RegistrationError(
            f"{self.path} was left as it is, since {self.title} cannot use it: {problem}."
            " Mend it and run this again"
        )

    def _handlers(self, root: Node) -> Iterator[tuple[str, list[Node], Node]]:
        """Our handlers: event, the containers from the outermost on, the handler."""
        hooks = root.member("hooks")
        for event in json_text.children(hooks):
            for item in event.children:
                inner = item.member("hooks") if self.grouped else None
                for handler in json_text.children(inner) if self.grouped else iter((item,)):
                    command = handler.member("command")
                    if command is not None and agent_of(command.value) == self.agent:
                        above = [root, hooks, event, *([item, inner] if self.grouped else [])]
                        yield str(event.key), [node for node in above if node], handler

    def _found(self, text: str) -> list[tuple[str, Any]]:
        if not text.strip():
            return []
        found = [(event, handler.value) for event, _, handler in self._handlers(self._scan(text))]
        return sorted(found, key=str)

    def _with(self, text: str) -> str:
        """The text with our hooks appended."""
        if not text.strip():
            text = json.dumps(dict(self.fresh), indent=2) + "\n"
            text = text if self.fresh else "{\n}\n"
        if self._scan(text).member("hooks") is None:
            text = json_text.append(text, self._scan(text), {}, "hooks")
        for event in self.events:
            handler: Any = self._handler(event)
            item = {"hooks": [handler]} if self.grouped else handler
            hooks = self._scan(text).member("hooks")
            assert hooks is not None
            place = hooks.member(event.name)
            if place is None:
                text = json_text.append(text, hooks, [item], event.name)
            else:
                text = json_text.append(text, place, item)
        return text

    def _without(self, text: str) -> str:
        """The text without our hooks, and without what they leave empty."""
        while text.strip():
            found = next(self._handlers(self._scan(text)), None)
            if found is None:
                break
            _, above, child = found
            while len(above) > 1 and len(above[-1].children) == 1 and _only(above[-1], child):
                child = above.pop()
            text = json_text.cut(text, above[-1], child)
        return text


def _commands(node: Optional[Node]) -> Iterator[str]:
    for child in json_text.children(node):
        if child.key == "command" and isinstance(child.value, str):
            yield child.value
        yield from _commands(child)


def _only(container: Node, child: Node) -> bool:
    """Whether a container is nothing without this child."""
    return [each.begins for each in container.children] == [child.begins]


# --- the files we are in -------------------------------------------------------------------


def recorded_paths(records: Path, agent: str) -> list[Path]:
    """The files of an agent that our hooks were put into and not taken out of."""
    return [Path(record.path) for record in Kept.all(records / agent)]


def recorded_at_ns(records: Path, agent: str) -> Optional[int]:
    """When our hooks were last put into a file of an agent's (Unix ns)."""
    times = [path.stat().st_mtime_ns for path in (records / agent).glob("*/record.json")]
    return max(times, default=None)
