"""Asking a backend what it has stored: for those that answer before they store."""

from __future__ import annotations

from collections.abc import Collection
from typing import Optional, Protocol

from harness_tracing.destinations import Destination
from harness_tracing.errors import TracerError


class CannotTellError(TracerError):
    """The backend could not be asked; the message says why, without any credential."""


class ReadBack(Protocol):
    """A backend's read API, as far as delivery needs it."""

    def stored(self, project: str, span_ids: Collection[str]) -> set[str]:
        """Which of these spans (16 hex digits each) the backend has, in that project.

        Raises CannotTellError when it does not say.
        """
        ...


def open_readback(destination: Destination) -> Optional[ReadBack]:
    """The read API of a destination, None where none is known. Nobody is called yet."""
    if destination.target.kind == "phoenix" and destination.target.protocol == "http":
        from harness_tracing.export.phoenix import PhoenixReadBack

        return PhoenixReadBack(destination)
    return None
