"""Checks of what runs: interpreter and version, and the version that hooks start."""

from __future__ import annotations

import platform
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Callable

import harness_tracing
from harness_tracing import bootstrap
from harness_tracing.doctor import Finding, Place
from harness_tracing.environments import python_of, starts
from harness_tracing.errors import BootstrapError


def check_versions(place: Place) -> Iterator[Finding]:
    """What this command runs with, and whether a newer version is installed."""
    own, installed = harness_tracing.__version__, _version(place.home.current)
    yield Finding(
        f"harness {own}",
        True,
        f"Python {platform.python_version()} ({sys.executable}), SQLite {sqlite3.sqlite_version}",
    )
    if bootstrap.version_key(installed) > bootstrap.version_key(own):
        yield Finding(
            f"harness {own}",
            True,
            f"version {installed} is installed, and hooks use that one",
            f"use {place.home.bin / 'harness'}",
        )


def check_installation(place: Place) -> Iterator[Finding]:
    """Whether the version that plugins' hooks start is there and starts."""
    progress, current = bootstrap.status(place.home), place.home.current
    again = "`harness bootstrap --rebuild` builds it anew and says each step"
    mend = _rebuild(place)
    if progress.state == "failed":
        yield Finding("bootstrap", False, progress.message, again, mend)
    elif progress.state == "interrupted":
        yield Finding("bootstrap", False, "it was interrupted", again, mend)
    elif progress.state == "building":
        yield Finding("bootstrap", True, progress.message)
    if current.exists():
        if starts(current, place.env):
            yield Finding(str(current), True, f"version {_version(current)} starts")
        else:
            yield Finding(str(current), False, f"{python_of(current)} does not start", again, mend)
    elif progress.state in ("never ran", "ready"):
        yield Finding(
            "bootstrap",
            progress.state == "never ran",
            "no version is installed; a plugin's first session or `harness bootstrap` does that",
            "" if progress.state == "never ran" else again,
            mend,
        )


def _version(current: Path) -> str:
    with suppress(OSError):
        return (current / "version").read_text(encoding="ascii").strip()
    return "unknown"


def _rebuild(place: Place) -> Callable[[], str]:
    def mend() -> str:
        source = Path(harness_tracing.__file__).resolve().parent
        if bootstrap.run(place.home, source, place.env, rebuild=True):
            raise BootstrapError(bootstrap.status(place.home).message or "it could not be built")
        return f"{place.home.current} was built anew"

    return mend
