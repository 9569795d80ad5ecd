"""The files an agent changed and read: by its own tools, and by commands that are known to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Optional

from harness_tracing.activity import patches, tools
from harness_tracing.activity.commands import Command
from harness_tracing.model import ToolCall

EditKind = Literal["create", "update", "delete", "move", "unknown"]

_PROSE = re.compile(
    r"(?!.*(requirements|constraints|CMakeLists)[^/]*\.txt$).*\.(md|mdx|rst|txt|adoc|org)$|(.*/)?(LICENSE|NOTICE|AUTHORS|CHANGELOG|README)[^/]*$",
    re.IGNORECASE,
)
_MADE_BY_TOOLS = re.compile(
    r"(^|/)(__pycache__|node_modules|\.(pytest|mypy|ruff)_cache|\.hypothesis|\.tox|\.venv|\.git|"
    r"target|dist|build|coverage|htmlcov)(/|$)|\.(pyc|pyo|o|log|lock\.tmp)$|(^|/)\.coverage$"
)
_NO_FILE = re.compile(r"/dev/.*|&\d|\d|-|/proc/.*")
_GIT_CHANGES = {
    "apply",
    "checkout",
    "restore",
    "reset",
    "stash",
    "merge",
    "pull",
    "rebase",
    "revert",
    "cherry-pick",
    "am",
    "switch",
}
# With these they look, or make a branch where one stands.
_GIT_LEAVES = {"list", "show", "--check", "--stat", "-b", "-B", "-c", "-C", "--abort", "--quit"}
_NO_NAME, _IN_PLACE = re.compile(r"[-+]|\d+$"), re.compile(r"-\w*i")
_MAY_WRITE = set(
    "apply_patch applypatch tee touch rm unlink mv cp install sed perl git patch black isort"
    " autopep8 yapf ruff prettier eslint biome gofmt rubocop cargo go dart mix make just npm pnpm"
    " yarn task".split()
)
_READERS = {"cat", "head", "tail", "less", "more", "nl", "bat", "batcat"}


@dataclass(frozen=True)
class Edit:
    """A change to one file. `path` is None where it is hidden or cannot be told.

    `diff` are the hunks of a unified diff as far as the agent recorded what changed, `added` and
    `removed` count its lines (None: not known). `certain` is false for a command that changes
    files but does not say which, or whether. `by` is the command that did it, None for a tool
    made for editing.
    """

    path: Optional[str]
    kind: EditKind
    tool: ToolCall
    place: int = 0
    diff: Optional[str] = None
    certain: bool = True
    by: Optional[Command] = None

    @property
    def added(self) -> Optional[int]:
        """How many lines it added."""
        return None if self.diff is None else _lines(self.diff, "+")

    @property
    def removed(self) -> Optional[int]:
        """How many lines it took away."""
        return None if self.diff is None else _lines(self.diff, "-")

    def is_code(self, folder: Optional[str]) -> bool:
        """Whether it can break a check of the project in `folder`: no prose, not outside of it."""
        return self.path is None or _is_code(self.path, folder)


@lru_cache(maxsize=1024)
def _is_code(path: str, folder: Optional[str]) -> bool:
    if _PROSE.match(path):
        return False
    if posixpath.isabs(path) and folder is not None:
        return _is_below(path, folder)
    return not path.startswith(("/tmp/", "~", "$"))  # noqa: S108


def edits_by(call: ToolCall, commands: Sequence[Command]) -> list[Edit]:
    """The changes a tool call made, itself or by its commands; what failed changed nothing."""
    kind = tools.kind_of(call)
    if kind == "edit" and call.status not in ("denied", "error", "interrupted"):
        return _by_tool(call)
    return list(_by_shell(call, commands)) if kind == "shell" and call.status != "denied" else []


def reads_by(call: ToolCall, commands: Sequence[Command]) -> list[str]:
    """The files a tool call read whole or in part; what failed is left out."""
    if call.status not in ("ok", "unknown", "running"):
        return []
    path = tools.path_of(call) if tools.kind_of(call) == "read" else None
    if path is not None and not tools.is_hidden(path):
        return [path]
    return [each for command in commands for each in _read_by(command)]


def _read_by(command: Command) -> list[str]:
    if command.outcome in ("failed", "not passed", "not run"):
        return []
    if command.name == "sed" and "-n" in command.words:
        names = [word for word in command.words[1:] if not word.startswith("-")][1:]
    elif command.name in _READERS:
        names = [word for word in command.words[1:] if not _NO_NAME.match(word)]
    else:
        return []
    return [_placed(command, name) for name in names if "$" not in name]


def _by_tool(call: ToolCall) -> list[Edit]:
    changes = patches.changes_of(call)
    if changes:
        return [
            Edit(change.path, change.kind, call, place, change.diff)
            for place, change in enumerate(changes)
        ]
    return [Edit(tools.path_of(call), "unknown", call)]


def _by_shell(call: ToolCall, commands: Sequence[Command]) -> Iterator[Edit]:
    result = call.result if isinstance(call.result, dict) else {}
    told = result.get("bashEditDiff")
    if isinstance(told, dict):
        yield from _told(call, told, commands)
        return
    for command in commands:
        if not command.writes and command.name not in _MAY_WRITE:
            continue
        if command.outcome in ("failed", "not passed", "not run"):
            continue
        for path, kind, diff in _written_by(command):
            where = None if path is None else _placed(command, path)
            if path is None or not (_NO_FILE.fullmatch(path) or _is_left_behind(where, command)):
                yield Edit(where, kind, call, command.place, diff, path is not None, command)


def _told(call: ToolCall, told: Mapping[str, Any], commands: Sequence[Command]) -> Iterator[Edit]:
    """What Claude Code saw a command change; what tools leave behind is no edit."""
    by = commands[0] if commands else None
    seen = set()
    for each in patches.listed(told.get("files")):
        path = each.get("filePath") if isinstance(each, dict) else None
        if isinstance(path, str) and not _is_left_behind(path, by):
            seen.add(path)
            kind: EditKind = "create" if each.get("created") else "update"
            yield Edit(path, kind, call, 0, patches.of_hunks(each.get("hunks")), by=by)
    for path in patches.listed(told.get("changedFiles")):
        if isinstance(path, str) and path not in seen and not _is_left_behind(path, by):
            yield Edit(path, "unknown", call, by=by)


def _is_left_behind(path: Optional[str], by: Optional[Command]) -> bool:
    """Whether tools leave such a file behind, as seen from where the command ran."""
    folder = (by.folder if by else None) or ""
    inside = path is not None and folder and _is_below(path, folder)
    shown = (path or "")[len(folder.rstrip("/")) :] if inside else path or ""
    return _MADE_BY_TOOLS.search(shown) is not None


_Written = tuple[Optional[str], EditKind, Optional[str]]


def _written_by(command: Command) -> Iterator[_Written]:
    """Files a command writes: path (None: it does not say which), how, diff where known."""
    # What a check prints into a file is its report.
    for path in () if command.check else command.writes:
        yield path, "unknown", None
    name, words = command.name, command.words[1:]
    plain = [word for word in words if not word.startswith("-")]
    if name in ("apply_patch", "applypatch"):
        text = command.heredoc or next((w for w in words if "*** Begin Patch" in w), "")
        for change in patches.of_envelope(text):
            yield change.path, change.kind, change.diff
    elif name == "tee":
        yield from ((path, "unknown", None) for path in plain)
    elif name in ("touch", "rm", "unlink"):
        yield from ((path, "create" if name == "touch" else "delete", None) for path in plain)
    elif name in ("mv", "cp", "install") and plain:
        yield plain[-1], "move" if name == "mv" else "unknown", None
    elif name in ("sed", "perl") and any(map(_IN_PLACE.match, words)):
        given = [place for place, word in enumerate(words) if word in ("-e", "-f", "--expression")]
        texts = {place + 1 for place in given}
        named = [word for place, word in enumerate(words) if place not in texts and word in plain]
        yield from ((path, "update", None) for path in (named if given else named[1:]))
    elif _changes_somewhere(name, command.words):
        yield None, "unknown", None


def _changes_somewhere(name: str, words: tuple[str, ...]) -> bool:
    """Formatters that write, and git where it changes the working tree."""
    rest = words[1:]
    looks_only = {"--check", "--diff", "-c", "-l", "--list-different", "--stat"} & set(rest)
    if name == "git":
        return _git_changes(tuple(word for word in rest if word != "--no-pager"))
    if name == "patch":
        return True
    if name in ("black", "isort", "autopep8", "yapf"):
        return not looks_only
    if name == "ruff":
        return (rest[:1] == ("format",) and not looks_only) or "--fix" in rest
    if name in ("prettier", "eslint", "biome", "gofmt", "rubocop"):
        return bool({"--write", "--fix", "-w", "-a", "-A", "--autocorrect"} & set(rest))
    if name in ("cargo", "go", "dart", "mix"):
        return rest[:1] in (("fmt",), ("format",), ("fix",)) and not looks_only
    return name in ("make", "just", "npm", "pnpm", "yarn", "task") and bool(
        {"format", "fmt", "fix", "format:fix", "lint:fix"} & set(rest)
    )


def _git_changes(rest: tuple[str, ...]) -> bool:
    """Whether git may change files of the working tree."""
    verb, options = rest[:1], set(rest[1:])
    if not verb or verb[0] not in _GIT_CHANGES or _GIT_LEAVES & options:
        return False
    if verb[0] == "reset":
        return bool({"--hard", "--merge", "--keep"} & options)
    return not (verb[0] == "restore" and "--staged" in options and "--worktree" not in options)


def _placed(command: Command, path: str) -> str:
    """The path as seen from the folder the command ran in."""
    if command.folder is None or posixpath.isabs(path) or path.startswith(("~", "$")):
        return path
    return posixpath.normpath(posixpath.join(command.folder, path))


def _is_below(path: str, folder: str) -> bool:
    return posixpath.normpath(path).startswith(posixpath.normpath(folder).rstrip("/") + "/")


def _lines(diff: str, sign: str) -> int:
    return sum(line.startswith(sign) for line in diff.split("\n"))
