"""Putting a change into a file's content, and taking it out again: bytes in, bytes out.

What stands there keeps its bytes: line ends, byte order mark, a missing end of the last line,
indentation. A change that is there already changes nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Optional

from harness_tracing.agents import json_text
from harness_tracing.agents.json_text import Node
from harness_tracing.agents.user_files import bom, encode
from harness_tracing.errors import ImproveError
from harness_tracing.improve.proposal import Change

HOOK_TIMEOUT_S = 30
_FRESH_JSON = "{\n}\n"


def put(change: Change, content: Optional[bytes], path: Path) -> bytes:
    """The content with the change in it; ImproveError, where that cannot be, says what to do.

    `content` None: there is no such file.
    """
    if change.how == "file":
        return _file(change, content, path)
    text = _decoded(content or b"", path)
    if change.how == "line":
        return encode(_with_line(change, text, content is None), content or b"")
    if not text.strip():
        text = _FRESH_JSON
    return encode(_with_entry(change, text, path), content or b"")


def take_out(change: Change, content: bytes, path: Path) -> Optional[bytes]:
    """The content without the change, None for a file that is nothing without it.

    What somebody took out already is out. ImproveError where it was changed since.
    """
    if change.how == "file":
        if content != change.text.encode():
            raise _by_hand(path, "it was changed since")
        return None
    text = _decoded(content, path)
    if change.how == "line":
        return encode(_without_line(change, text, path), content)
    return encode(_without_entry(change, text, path), content)


def is_bare(change: Change, content: bytes) -> bool:
    """Whether a file that was made for a change holds nothing without it."""
    text = content[len(bom(content)) :].decode("utf-8", "replace").replace("\r\n", "\n")
    if change.how == "line":
        return text.strip() == change.fresh.strip()
    return text.split() in ([], ["{", "}"], ["{}"])


def diff(path: str, before: Optional[bytes], after: Optional[bytes]) -> str:
    """A unified diff of one file; a file that is not there is /dev/null."""
    old, new = (_shown(content) for content in (before, after))
    first = "/dev/null" if before is None else f"a/{path}"
    second = "/dev/null" if after is None else f"b/{path}"
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(old, new, first, second)
    )


def _shown(content: Optional[bytes]) -> list[str]:
    text = (content or b"").decode("utf-8", "replace").lstrip("\ufeff").replace("\r\n", "\n")
    return [line + "\n" for line in text.split("\n")[:-1]] + [
        line for line in text.split("\n")[-1:] if line
    ]


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content[len(bom(content)) :].decode("utf-8")
    except UnicodeDecodeError as error:
        raise ImproveError(
            f"{path} was left as it is: it is no UTF-8 (byte {error.start}). Save it as UTF-8 and"
            " run this again"
        ) from error


def _by_hand(path: Path, why: str) -> ImproveError:
    return ImproveError(
        f"{path} was left as it is: {why}. Take out by hand what `harness improve show` prints"
        " for this proposal, then run this again"
    )


def _file(change: Change, content: Optional[bytes], path: Path) -> bytes:
    wanted = change.text.encode()
    if content not in (None, wanted):
        raise ImproveError(
            f"{path} is there already and holds something else. Move it away, or put the change in"
            " by hand: `harness improve show` prints it"
        )
    return wanted


# --- a line of rules -----------------------------------------------------------------------


def _with_line(change: Change, text: str, is_new: bool) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    if change.text in text.split(newline):
        return text
    if is_new:
        return f"{change.fresh}{change.heading}\n\n{change.text}\n"
    place = _end_of_section(change, text, newline)
    if place is not None:
        return text[:place] + newline + change.text + text[place:]
    body = text if not text or text.endswith(newline) else text + newline
    end = newline if text.endswith(newline) or not text else ""
    # Always one more: taken out again, nobody has to know how many there were.
    gap = newline if text else ""
    return f"{body}{gap}{change.heading}{newline}{newline}{change.text}{end}"


def _end_of_section(change: Change, text: str, newline: str) -> Optional[int]:
    """Where the last item below our heading ends; None without the heading or an item."""
    at, end, inside = 0, None, False
    for line in text.split(newline):
        if line == change.heading:
            inside = True
        elif inside and re.match(r"#{1,6} ", line):
            break
        elif inside and line.startswith(("- ", "  ")):
            end = at + len(line)
        at += len(line) + len(newline)
    return end


def _without_line(change: Change, text: str, path: Path) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.split(newline)
    if lines.count(change.text) > 1:
        raise _by_hand(path, "the line that was added stands there more than once")
    if change.text not in lines:
        if _is_like(change.text, lines):
            raise _by_hand(path, "the line that was added was changed")
        return text
    place = lines.index(change.text)
    first, last = place, place + 1
    if place > 1 and lines[place - 2 : place] == [change.heading, ""] and _ends(lines[last:]):
        first -= 2
        if first > 0 and lines[first - 1] == "":
            first -= 1
    return newline.join(lines[:first] + lines[last:])


def _is_like(ours: str, others: Iterable[str]) -> bool:
    """Whether one of them may be ours, changed."""
    return bool(difflib.get_close_matches(ours, others, n=1))


def _ends(rest: list[str]) -> bool:
    """Whether no item follows in the section."""
    following = next((line for line in rest if line.strip()), "#")
    return following.startswith("#")


# --- an entry in Claude Code's settings ----------------------------------------------------


def _with_entry(change: Change, text: str, path: Path) -> str:
    root = _scanned(text, path)
    if change.how == "hook":
        if any(handler for _, handler in _handlers(root, change)):
            return text
        handler = {"type": "command", "command": change.text, "timeout": HOOK_TIMEOUT_S}
        group: dict[str, Any] = {"matcher": change.matcher} if change.matcher else {}
        return _appended(text, ("hooks", change.event), {**group, "hooks": [handler]}, path)
    for entry in change.entries:
        if entry not in _denied(_scanned(text, path)):
            text = _appended(text, ("permissions", "deny"), entry, path)
    return text


def _appended(text: str, keys: tuple[str, str], value: Any, path: Path) -> str:
    """The text with an item more in the list `keys` lead to, which is made where it is missing."""
    root = _scanned(text, path)
    outer = root.member(keys[0])
    if outer is None:
        return json_text.append(text, root, {keys[1]: [value]}, keys[0])
    if not isinstance(outer.value, dict):
        raise _unusable(path, f'"{keys[0]}" is no object')
    inner = outer.member(keys[1])
    if inner is None:
        return json_text.append(text, outer, [value], keys[1])
    if not isinstance(inner.value, list):
        raise _unusable(path, f'"{keys[1]}" in "{keys[0]}" is no list')
    return json_text.append(text, inner, value)


def _without_entry(change: Change, text: str, path: Path) -> str:
    root = _scanned(text, path)
    if change.how == "hook":
        found = next(_handlers(root, change), None)
        if found is not None:
            return _cut(text, *found)
        if _is_like(change.text, _commands(root)):
            raise _by_hand(path, "the hook was changed")
        return text
    for entry in change.entries:
        above, item = _entry(_scanned(text, path), entry)
        text = text if item is None else _cut(text, above, item)
    return text


def _cut(text: str, above: list[Node], child: Node) -> str:
    """The text without a node, and without what would be empty then."""
    while len(above) > 1 and len(above[-1].children) == 1:
        child = above.pop()
    return json_text.cut(text, above[-1], child)


def _handlers(root: Node, change: Change) -> Iterator[tuple[list[Node], Node]]:
    """Where our command is registered: the containers from the outermost on, the handler.

    A group goes as a whole: it is nothing without its handlers.
    """
    hooks = root.member("hooks")
    event = hooks.member(change.event) if hooks else None
    for group in json_text.children(event):
        inner = group.member("hooks")
        for handler in json_text.children(inner):
            command = handler.member("command")
            if command is not None and command.value == change.text:
                assert hooks is not None
                assert event is not None
                assert inner is not None
                if len(inner.children) == 1:
                    yield [root, hooks, event], group
                else:
                    yield [root, hooks, event, group, inner], handler


def _commands(root: Node) -> Iterator[str]:
    """The command lines of all hooks, whatever their event."""
    for event in json_text.children(root.member("hooks")):
        for group in json_text.children(event):
            for handler in json_text.children(group.member("hooks")):
                command = handler.member("command")
                if command is not None and isinstance(command.value, str):
                    yield command.value


def _denied(root: Node) -> list[Any]:
    permissions = root.member("permissions")
    deny = permissions.member("deny") if permissions else None
    return [child.value for child in json_text.children(deny)]


def _entry(root: Node, entry: str) -> tuple[list[Node], Optional[Node]]:
    permissions = root.member("permissions")
    deny = permissions.member("deny") if permissions else None
    if permissions is None or deny is None:
        return [], None
    found = (child for child in deny.children if child.value == entry)
    return [root, permissions, deny], next(found, None)


def _scanned(text: str, path: Path) -> Node:
    try:
        root = json_text.scan(text)
    except ValueError as error:
        raise _unusable(path, str(error)) from error
    if not isinstance(root.value, dict):
        raise _unusable(path, "it holds no object")
    return root


def _unusable(path: Path, why: str) -> ImproveError:
    return ImproveError(
        f"{path} was left as it is, since Claude Code cannot use it: {why}. Mend it and run this"
        " again"
    )
