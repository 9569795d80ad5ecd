"""Edits in a user's JSON file that leave every other byte as it is.

A text is scanned into nodes that know where they stand; edits insert or cut text there. New
text takes over the line ends and the indentation found around it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

_BLANK = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")
_INDENT = re.compile(r"\n([ \t]+)\S")
DEEPEST = 200
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Node:
    """A value in a text: where it begins and ends, and what is in it.

    `begins` is where its member begins: at the key in an object, else at the value itself.
    """

    value: Any
    start: int
    end: int
    begins: int
    key: Optional[str] = None
    children: tuple[Node, ...] = ()

    def member(self, key: str) -> Optional[Node]:
        """The member of that name; of several the last, which is the one that counts."""
        found = [child for child in self.children if child.key == key]
        return found[-1] if found and isinstance(self.value, dict) else None


def scan(text: str) -> Node:
    """The text as nodes; ValueError says where it is no JSON."""
    scanner = _Scanner(text)
    root = scanner.value(scanner.blank(0), None, 0)
    end = scanner.blank(root.end)
    if end != len(text):
        raise scanner.problem("more text after the end", end)
    return root


@dataclass(frozen=True)
class _Scanner:
    text: str

    def problem(self, what: str, at: int) -> ValueError:
        line = self.text.count("\n", 0, at) + 1
        return ValueError(f"{what} in line {line}, column {at - self.text.rfind(chr(10), 0, at)}")

    def blank(self, at: int) -> int:
        """Where the next token begins."""
        at = _BLANK.match(self.text, at).end()  # type: ignore[union-attr]  # matches always
        if self.text.startswith(("//", "/*"), at):
            raise self.problem("a comment, which is no JSON,", at)
        return at

    def value(self, at: int, key: Optional[tuple[str, int]], depth: int) -> Node:
        name, begins = key or (None, at)
        first = self.text[at : at + 1]
        if depth > DEEPEST:
            raise self.problem("too many levels", at)
        if first and first in "{[":
            children, end = self._children(at, depth)
            found: Any = [child.value for child in children]
            if first == "{":
                found = {child.key: child.value for child in children}
            return Node(found, at, end, begins, name, tuple(children))
        if first == '"':
            found, end = self._string(at)
            return Node(found, at, end, begins, name)
        scalar = _SCALAR.match(self.text, at)
        if scalar is None:
            raise self.problem("no value" if first else "the text breaks off", at)
        return Node(json.loads(scalar[0]), at, scalar.end(), begins, name)

    def _string(self, at: int) -> tuple[str, int]:
        try:
            found, end = _DECODER.raw_decode(self.text, at)
        except ValueError as error:
            raise self.problem("a broken string", at) from error
        return str(found), end

    def _children(self, at: int, depth: int) -> tuple[list[Node], int]:
        is_object = self.text[at] == "{"
        close = "}" if is_object else "]"
        children: list[Node] = []
        at = self.blank(at + 1)
        if self.text.startswith(close, at):
            return children, at + 1
        while True:
            key = None
            if is_object:
                key, at = self._key(at)
            children.append(self.value(at, key, depth + 1))
            at = self.blank(children[-1].end)
            if self.text.startswith(close, at):
                return children, at + 1
            if not self.text.startswith(",", at):
                raise self.problem(f"neither , nor {close}", at)
            at = self.blank(at + 1)

    def _key(self, at: int) -> tuple[tuple[str, int], int]:
        if not self.text.startswith('"', at):
            raise self.problem("no key", at)
        key, end = self._string(at)
        colon = self.blank(end)
        if not self.text.startswith(":", colon):
            raise self.problem("no : after a key", colon)
        return (key, at), self.blank(colon + 1)


# --- edits ---------------------------------------------------------------------------------


def append(text: str, container: Node, value: Any, key: Optional[str] = None) -> str:
    """The text with a member (`key`) or an item put behind the last one of a container."""
    name = "" if key is None else json.dumps(key, ensure_ascii=False) + ": "
    newline = "\r\n" if "\r\n" in text else "\n"
    last = container.children[-1] if container.children else None
    if last is not None:
        indent = _own_line(text, last.begins)
        if indent is None:
            return f"{text[: last.end]}, {name}{written(value)}{text[last.end :]}"
        new = f",{newline}{indent}{name}{_pretty(value, _unit(text), indent, newline)}"
        return text[: last.end] + new + text[last.end :]
    inside, close = container.start + 1, container.end - 1
    if newline not in text:
        return text[:inside] + name + written(value) + text[close:]
    outer = _line_indent(text, container.start)
    indent = outer + _unit(text)
    new = f"{newline}{indent}{name}{_pretty(value, _unit(text), indent, newline)}{newline}{outer}"
    return text[:inside] + new + text[close:]


def cut(text: str, container: Node, child: Node) -> str:
    """The text without one child of a container: the inverse of `append`."""
    siblings = container.children
    place = next(i for i, each in enumerate(siblings) if each.begins == child.begins)
    if place:
        return text[: siblings[place - 1].end] + text[child.end :]
    if len(siblings) > 1:
        return text[: child.begins] + text[siblings[1].begins :]
    return text[: container.start + 1] + text[container.end - 1 :]


def _own_line(text: str, at: int) -> Optional[str]:
    """The blank text before a place, if its line begins with nothing else."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return before if not before.strip() and "\n" in text[:at] else None


def _line_indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _unit(text: str) -> str:
    found = _INDENT.search(text)
    return found[1] if found else "  "


def written(value: Any) -> str:
    """A value as JSON in one line."""
    return json.dumps(value, ensure_ascii=False)


def _pretty(value: Any, unit: str, indent: str, newline: str) -> str:
    lines = json.dumps(value, ensure_ascii=False, indent=unit).split("\n")
    return (newline + indent).join(lines)


def children(node: Optional[Node]) -> Iterator[Node]:
    """The children of a node that may not be there."""
    return iter(node.children if node is not None else ())
