"""A project with a store, made anew for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.improve.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.new(tmp_path)
    with made.store:
        yield made
