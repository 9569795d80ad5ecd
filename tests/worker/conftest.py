"""Fixtures of the worker's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from tests.worker.player import Place, Recording, play, recording, wait_for

LONGEST_S = 1.5
Undisturbed = Callable[[str], str]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A fresh home; no process of ours outlives it."""
    place = Place(tmp_path / "home")
    yield place
    end(place)


def end(place: Place) -> None:
    """End every process of ours that belongs to a place."""
    place.kill_all()
    wait_for(lambda: not place.processes(), "workers are gone")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What is stored of a recording that is played without any trouble."""
    known: dict[str, str] = {}

    def contents(name: str) -> str:
        if name not in known:
            place = Place(tmp_path_factory.mktemp("undisturbed") / "home")
            play(Recording.ready(place, recording(name), longest_s=LONGEST_S))
            result = place.flush()
            assert result.left == 0, result.messages
            known[name] = place.contents()
            end(place)
        return known[name]

    return contents
