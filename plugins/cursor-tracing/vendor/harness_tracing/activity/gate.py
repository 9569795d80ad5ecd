"""A project's declared gate: the one command that has to pass before work is done.

It is taken from the project's own files (``check`` in a Makefile, a justfile or package.json …),
as they were seen in the session or lie on disk, or from a session that ran it. Without any of
these there is no gate known: none is assumed.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Optional

from harness_tracing.activity import tools
from harness_tracing.activity.commands import Command
from harness_tracing.activity.reading import Readable, TurnActivity, activities_of
from harness_tracing.activity.runners import LOOKS_ONLY, tasks_of
from harness_tracing.activity.words import unwrapped
from harness_tracing.model import ToolCall

GATE_FILES = (
    "Makefile",
    "makefile",
    "GNUmakefile",
    "justfile",
    "Justfile",
    "Taskfile.yml",
    "Taskfile.yaml",
    "package.json",
    "pyproject.toml",
    "tox.ini",
    "noxfile.py",
)
"""The files of a project that may declare its gate, the first that does so wins."""

_NUMBERED = re.compile(r"^ *\d+(?:\t|→)", re.MULTILINE)
_TARGET = re.compile(r"^check\s*:(?!=)", re.MULTILINE)
_RECIPE = re.compile(r"^@?check\b[^:=\n]*:(?!=)", re.MULTILINE)
_TASK = re.compile(r"^  check:", re.MULTILINE)
_POE = re.compile(
    r"^\[tool\.poe\.tasks\.check\]|^\[tool\.poe\.tasks\]\s(?:[^\[]*\n)?check\s*=", re.M
)
_PDM = re.compile(r"^\[tool\.pdm\.scripts\]\s(?:[^\[]*\n)?check\s*=", re.MULTILINE)
_HATCH = re.compile(r"^\[tool\.hatch\.envs\.[\w.-]+\.scripts\]\s(?:[^\[]*\n)?check\s*=", re.M)
_PACKAGE_RUNNERS = ("npm", "pnpm", "yarn", "bun")
_MAKES = ("make", "gmake")
_TASK_RUNNERS = ("just", "task", "poe")
_NOT_THERE = re.compile(
    r"No rule to make target|[Mm]issing script|does not contain recipe|not found"
)
_TARGETS = (*_MAKES, *_TASK_RUNNERS)
_FLAG = re.compile(r"-[qvsx]+|--\w[\w-]*")
Runs = Literal["whole", "narrower"]
_NARROWING = re.compile(r"(\w*ARGS|TESTS?|K|T|FILTER|ONLY|PYTEST_ADDOPTS|FILE|FILES)=.*", re.DOTALL)


@dataclass(frozen=True)
class Gate:
    """The command of the gate, and where it is known from."""

    words: tuple[str, ...]
    source: str

    @property
    def text(self) -> str:
        """The command as one would type it."""
        return shlex.join(self.words)

    @cached_property
    def bare(self) -> tuple[str, ...]:
        """Its words without wrappers."""
        return unwrapped(self.words) or self.words


def declared_gate(files: Mapping[str, str], where: str) -> Optional[Gate]:
    """The gate that a project's files declare; `files` maps names in its root to their text."""
    for name in GATE_FILES:
        words = _declared(name, files[name]) if name in files else None
        if words is not None:
            return Gate(words, f"{name} {where}")
    scripts = _scripts(files.get("package.json", ""))
    if scripts.get("test") and "no test specified" not in str(scripts["test"]):
        return Gate(("npm", "test"), f"package.json {where}")
    return None


def _declared(name: str, text: str) -> Optional[tuple[str, ...]]:
    if name.lower().endswith("makefile"):
        return ("make", "check") if _TARGET.search(text) else None
    if name.lower() == "justfile":
        return ("just", "check") if _RECIPE.search(text) else None
    if name.startswith("Taskfile"):
        return ("task", "check") if _TASK.search(text) else None
    if name == "package.json":
        return ("npm", "run", "check") if _scripts(text).get("check") else None
    if name == "pyproject.toml":
        known = ((_POE, ("poe", "check")), (_PDM, ("pdm", "run", "check")))
        found = next((words for pattern, words in known if pattern.search(text)), None)
        if found is None and _HATCH.search(text):
            found = ("hatch", "run", "check")
        return ("tox",) if found is None and "[tool.tox" in text else found
    return ("tox",) if name == "tox.ini" else ("nox",)


def _scripts(text: str) -> Mapping[str, object]:
    try:
        scripts = json.loads(text).get("scripts")
    except (ValueError, AttributeError):
        return {}
    return scripts if isinstance(scripts, Mapping) else {}


def gate_of(
    turns: Sequence[Readable],
    *,
    given: Optional[str] = None,
    configured: Optional[str] = None,
    on_disk: Optional[Mapping[str, str]] = None,
) -> Optional[Gate]:
    """The gate of the project that turns worked in, None when none is known.

    In this order: the command somebody gave; the one `configured` for the project; its files
    as the session saw them; those `on_disk` (by name); a gate that the session ran itself.
    """
    if given:
        return Gate(tuple(shlex.split(given)), "given")
    if configured:
        return Gate(tuple(shlex.split(configured)), "config.yaml")
    read = activities_of(turns)
    seen = declared_gate(seen_files(read), "as seen in the session")
    return seen or declared_gate(on_disk or {}, "on disk") or _gate_that_ran(read)


def seen_files(turns: Sequence[Readable]) -> dict[str, str]:
    """The last whole text of each file that may declare a gate, as read or written in the turns."""
    found: dict[str, str] = {}
    for each in activities_of(turns):
        commands: dict[int, list[Command]] = {}
        for command in each.commands:
            commands.setdefault(id(command.tool), []).append(command)
        for call in each.calls:
            if call.status == "ok":
                found.update(_seen(call, commands.get(id(call), []), each.turn.cwd))
    return found


def _seen(
    call: ToolCall, commands: Sequence[Command], folder: Optional[str]
) -> Iterator[tuple[str, str]]:
    kind = tools.kind_of(call)
    if kind == "shell":
        if len(commands) == 1 and commands[0].name == "cat" and len(commands[0].words) == 2:
            name = _root_name(commands[0].words[1], commands[0].folder or folder, folder)
            if name:
                yield name, (call.output or "").split("\nOutput:\n", 1)[-1]
        return
    asked = call.input if isinstance(call.input, Mapping) else {}
    name = _root_name(tools.path_of(call) or "", folder, folder)
    if not name:
        return
    content = asked.get("content")
    if kind == "edit" and isinstance(content, str):
        yield name, content
    elif kind == "read" and call.output and not {"offset", "limit"} & set(asked):
        yield name, _NUMBERED.sub("", call.output)


def _root_name(path: str, at: Optional[str], folder: Optional[str]) -> Optional[str]:
    """The file's name when it lies in the project's root."""
    name = posixpath.basename(path)
    if name not in GATE_FILES:
        return None
    where = posixpath.dirname(posixpath.join(at or "", path))
    return (
        name if folder is None or posixpath.normpath(where) == posixpath.normpath(folder) else None
    )


def _gate_that_ran(turns: Sequence[TurnActivity]) -> Optional[Gate]:
    """A ``check`` of make or a package runner that ran: so it is declared."""
    for command in (command for each in turns for command in each.commands):
        ran = command.outcome == "passed" or (
            command.outcome == "failed" and not _NOT_THERE.search(tools.output_of(command.tool))
        )
        if not ran or command.folder not in (None, ".", _cwd_of(turns)):
            continue
        runner = command.name
        known = runner in (*_MAKES, *_TASK_RUNNERS, *_PACKAGE_RUNNERS)
        if known and "-C" not in command.words and "check" in tasks_of(command.words):
            words = (runner, "run", "check") if runner in ("npm", "bun") else (runner, "check")
            return Gate(words, "ran in the session")
    return None


def _cwd_of(turns: Sequence[TurnActivity]) -> Optional[str]:
    return next((each.turn.cwd for each in turns if each.turn.cwd), None)


def runs_gate(command: Command, gate: Gate, folder: Optional[str]) -> Optional[Runs]:
    """Whether a command runs the gate, all of it or a part; `folder` is the project's root."""
    words = command.words
    if not words or command.outcome == "not run":
        return None
    how = _runs(command.name, words, gate)
    if how is None or folder is None or command.folder is None:
        return how
    where = posixpath.normpath(posixpath.join(folder, command.folder))
    return how if where == posixpath.normpath(folder) else None


def _runs(name: str, words: tuple[str, ...], gate: Gate) -> Optional[Runs]:
    bare = gate.bare
    wanted = bare[0]
    if wanted in _TARGETS and (name == wanted or {name, wanted} <= {*_MAKES}):
        return _of_target(words, bare)
    if wanted in _PACKAGE_RUNNERS and name in _PACKAGE_RUNNERS:
        return _of_script(words, bare)
    if name != wanted or words[1 : len(bare)] != bare[1:]:
        return None
    flags_only = all(map(_FLAG.fullmatch, words[len(bare) :]))
    return "whole" if flags_only else "narrower"


def _of_target(words: tuple[str, ...], gate: tuple[str, ...]) -> Optional[Runs]:
    if LOOKS_ONLY & set(words) or "-C" in words:
        return None
    if not set(tasks_of(gate)) <= set(tasks_of(words)):
        return None
    narrowed = any(_NARROWING.fullmatch(word) for word in words) or "-i" in words
    return "narrower" if narrowed else "whole"


def _of_script(words: tuple[str, ...], gate: tuple[str, ...]) -> Optional[Runs]:
    script = tasks_of(gate)
    if tasks_of(words) != script:
        return None
    named = [place for place, word in enumerate(words) if word in (*script, "t", "tst")]
    rest = [word for word in words[named[0] + 1 :] if word != "--"] if named else []
    return "narrower" if any(not word.startswith("-") for word in rest) else "whole"
