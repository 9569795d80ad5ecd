"""What only some commands need, installed on request: `harness extra install NAME`.

A leaf. Each extra is one of pyproject.toml, with a lock of its own: requirements-NAME.lock.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path, PurePath
from typing import Literal, Optional

from harness_tracing.errors import TracerError

DISTRIBUTION = "coding-harness-tracing"
Kind = Literal["built", "checkout", "pip", "pipx", "uv tool"]
KINDS: dict[Kind, str] = {
    "built": "one of our own",
    "checkout": "a checkout",
    "pip": "one of pip",
    "pipx": "one of pipx",
    "uv tool": "one of uv",
}


@dataclass(frozen=True)
class Extra:
    """What an extra is for, the modules that come with it, the oldest Python that may have it."""

    why: str
    modules: tuple[str, ...]
    oldest_python: tuple[int, int] = (3, 9)


EXTRAS = {
    "judge": Extra("asks models through their makers' SDKs", ("openai", "anthropic")),
    "phoenix": Extra("reads a Phoenix server back", ("phoenix.client",), (3, 10)),
    "plot": Extra("draws charts", ("matplotlib",)),
}


class ExtraMissing(TracerError):  # noqa: N818 - named for what is the matter
    """A command needs an extra that is not installed; the message is the line that does it."""


def need(extra: str, module: str) -> None:
    """Raise ExtraMissing unless `module`, which comes with `extra`, could be imported.

    Nothing is imported by that, so it may stand in front of a lazy import.
    """
    if not is_there(module):
        problem = too_old(extra, sys.version_info[:2])
        raise ExtraMissing(problem or f"this needs the extra {extra!r}; install it: {line(extra)}")


def is_there(module: str) -> bool:
    """Whether a module, with dots or without, could be imported; its parents are not."""
    folders: Optional[list[str]] = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        if folders is None and name in sys.builtin_module_names:
            return module == name
        spec = PathFinder.find_spec(name, folders)
        if spec is None:
            return False
        folders = list(spec.submodule_search_locations or ())
    return True


def too_old(extra: str, python: tuple[int, ...]) -> Optional[str]:
    """What to say where this Python is too old for an extra; None where it is not."""
    oldest = EXTRAS[extra].oldest_python if extra in EXTRAS else (3, 9)
    if python >= oldest:
        return None
    have, wanted = (".".join(map(str, each)) for each in (python[:2], oldest))
    return (
        f"the extra {extra!r} needs Python {wanted} or newer, and this is {have}:"
        f" install one, then run `harness bootstrap --rebuild` with it"
    )


def line(extra: str) -> str:
    """What to type to install an extra into the installation that runs us."""
    return how(extra, kind_of(Path(sys.prefix)), sys.executable)


def how(extra: str, kind: Kind, python: str) -> str:
    """What to type to install an extra into an installation of this kind."""
    wanted = f"{DISTRIBUTION}[{extra}]"
    if kind == "checkout":
        return "make setup"
    if kind == "pipx":
        return f"pipx install --force '{wanted}'"
    if kind == "uv tool":
        return f"uv tool install --force '{wanted}'"
    if kind == "pip":
        return f"{_quoted(python)} -m pip install '{wanted}'"
    return f"harness extra install {extra}"


def updates(kind: Kind, python: str) -> str:
    """What to type to update an installation of this kind, unless install.sh made it."""
    if kind == "checkout":
        return "git pull && make setup"
    if kind == "pipx":
        return f"pipx upgrade {DISTRIBUTION}"
    if kind == "uv tool":
        return f"uv tool upgrade {DISTRIBUTION}"
    if kind == "pip":
        return f"{_quoted(python)} -m pip install --upgrade {DISTRIBUTION}"
    return (
        f"claude plugin marketplace update {DISTRIBUTION} &&"
        f" claude plugin update claude-code-tracing@{DISTRIBUTION}"
        f" (of Codex: codex plugin marketplace upgrade {DISTRIBUTION}); the next session does the"
        " rest"
    )


def kind_of(prefix: Path) -> Kind:
    """How the environment came to be that has this prefix (`sys.prefix`).

    `built`: by our bootstrap, which leaves a `package` folder and a `version`.
    """
    package = Path(__file__).resolve().parent
    if (prefix / "version").is_file() and prefix.resolve() in package.parents:
        return "built"
    parts = PurePath(prefix).parts
    if (package.parent.parent / "requirements.lock").is_file() and package.parent.name == "src":
        return "checkout"
    if "pipx" in parts:
        return "pipx"
    return "uv tool" if (prefix / "uv-receipt.toml").is_file() else "pip"


def _quoted(python: str) -> str:
    if os.name == "nt" or " " in python:
        return f'"{python}"'
    return python
