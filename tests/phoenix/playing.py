"""A home whose destination is a Phoenix server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.phoenix.delivered import Harness
from tests.worker.player import Place, wait_for


@contextmanager
def flushing_place(folder: Path, url: str, shape: str, **env: str) -> Iterator[Place]:
    """A fresh home that sends to the server at `url`; no process of ours outlives it."""
    place = Place(folder, {"PHOENIX_ENDPOINT": url, "ARIZE_TRACE_SHAPE": shape, **env})
    try:
        yield place
    finally:
        place.kill_all()
        wait_for(lambda: not place.processes(), "workers are gone")


def harness_of(place: Place) -> Harness:
    """Runs `harness` there, which has to succeed, and gives what it prints."""

    def harness(*arguments: str) -> str:
        done = place.harness(*arguments)
        assert done.returncode == 0, (arguments, done.stderr, place.log())
        return done.stdout

    return harness
