"""What a result means: whether it passed, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from harness_tracing.store import Annotation

_PASSES_ABOVE = 0.5


def passed(annotation: Annotation) -> Optional[bool]:
    """Whether what was judged passed; None where it counts neither way.

    A score above one half passes, so what is *partial* did not. Without a score nothing was
    measured, or the judge gave no verdict.
    """
    return None if annotation.score is None else annotation.score > _PASSES_ABOVE


def version_of(annotation: Annotation) -> Optional[int]:
    """The evaluator's version that said so; None for people, and for a judge that failed."""
    metadata: Mapping[str, Any] = annotation.metadata or {}
    found = metadata.get("version")
    if "error" in metadata or not isinstance(found, int):
        return None
    return found


def failure_of(annotation: Annotation) -> Optional[str]:
    """The kind of failure that a result without a verdict stands for; None for a verdict."""
    found = (annotation.metadata or {}).get("error")
    return None if found is None else str(found)
