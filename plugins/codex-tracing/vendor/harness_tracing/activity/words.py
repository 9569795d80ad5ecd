"""The command behind its wrappers: ``env X=1 timeout 60 uv run pytest`` is ``pytest``."""

from __future__ import annotations

import re

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
# Wrappers by how many words of their own they take after their options.
_WRAPPERS = {
    "env": 0,
    "time": 0,
    "nice": 0,
    "nohup": 0,
    "sudo": 0,
    "command": 0,
    "exec": 0,
    "builtin": 0,
    "stdbuf": 0,
    "setsid": 0,
    "unbuffer": 0,
    "caffeinate": 0,
    "xvfb-run": 0,
    "npx": 0,
    "bunx": 0,
    "pnpx": 0,
    "uvx": 0,
    "timeout": 1,
    "gtimeout": 1,
}
_TWO_WORD_WRAPPERS = {
    ("uv", "run"),
    ("poetry", "run"),
    ("pipenv", "run"),
    ("pdm", "run"),
    ("rye", "run"),
    ("hatch", "run"),
    ("npm", "exec"),
    ("pnpm", "exec"),
    ("pnpm", "dlx"),
    ("yarn", "exec"),
    ("yarn", "dlx"),
    ("bundle", "exec"),
    ("mise", "exec"),
    ("conda", "run"),
    ("micromamba", "run"),
}
_OPTIONS_WITH_VALUE = {
    "env": {"-u", "--unset", "-C", "--chdir"},
    "nice": {"-n"},
    "timeout": {"-s", "-k", "--signal", "--kill-after"},
    "sudo": {"-u", "-g"},
    "stdbuf": {"-i", "-o", "-e"},
    "uv": {"--with", "--group", "--extra", "--python", "-p", "--directory", "--project"},
    "conda": {"-n", "--name", "-p"},
    "npx": {"-p", "--package"},
}
_PYTHON = re.compile(r"(python|pypy)[\d.]*w?(\.exe)?|py")
_PYTHON_VALUES = {"-W", "-X"}
_OPTION_O, _OPTION_C = re.compile(r"-[a-z]*o"), re.compile(r"-[a-zA-Z]*c[a-zA-Z]*")
_WRAPPING = {*_WRAPPERS, *(pair[0] for pair in _TWO_WORD_WRAPPERS)}
SHELLS = {"bash", "sh", "zsh", "dash", "ksh"}
_DEEPEST = 8


def unwrapped(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without wrappers, environment and interpreter (``python -m``)."""
    if words:
        name = program(words[0])
        if name not in _WRAPPING and name[:2] != "py":
            return words
    for _ in range(_DEEPEST):
        shorter = _without_one(words)
        if shorter == words:
            return words
        words = shorter
    return words


def program(word: str) -> str:
    """The name of a program without its folder."""
    return word.rstrip("/").rpartition("/")[2] if "/" in word else word


def shell_script(words: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Options and script of ``bash -lc '…'``; an empty script when it is nothing like that."""
    if not words or not words[0].endswith("sh") or program(words[0]) not in SHELLS:
        return (), ""
    for place, word in enumerate(words[1:], start=1):
        if _OPTION_C.fullmatch(word):
            script = words[place + 1] if len(words) > place + 1 else ""
            return words[1 : place + 1], script
        if not word.startswith(("-", "+")) and not _OPTION_O.fullmatch(words[place - 1]):
            break
    return (), ""


def _without_one(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words:
        return words
    name = program(words[0])
    if words[:1] + words[1:2] and (name, *words[1:2]) in _TWO_WORD_WRAPPERS:
        return _after_options(name, words[2:], 0)
    if name in _WRAPPERS:
        return _after_options(name, words[1:], _WRAPPERS[name])
    if _PYTHON.fullmatch(name):
        return _of_python(words)
    return words


def _after_options(name: str, rest: tuple[str, ...], own: int) -> tuple[str, ...]:
    values = _OPTIONS_WITH_VALUE.get(name, set())
    place = 0
    while place < len(rest) and (rest[place].startswith("-") or _ASSIGNMENT.fullmatch(rest[place])):
        if rest[place] == "--":
            place += 1
            break
        place += 2 if rest[place] in values else 1
    return rest[place + own :]


def _of_python(words: tuple[str, ...]) -> tuple[str, ...]:
    place = 1
    while place < len(words) and words[place].startswith("-"):
        if words[place] == "-m":
            return words[place + 1 :]
        if words[place] in ("-c", "-"):
            return words
        place += 2 if words[place] in _PYTHON_VALUES else 1
    return words[place:] if place < len(words) else words
