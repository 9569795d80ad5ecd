"""Whether Cursor still writes what the reader relies on: JSON Schemas beside this file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from harness_tracing.agents import schema

_FOLDER = Path(__file__).parent


def payload_problem(event: str, payload: Mapping[str, Any]) -> Optional[str]:
    """What is wrong with a hook payload; None when it is as known, or the event is not ours."""
    return schema.problem(_FOLDER / "payloads.schema.json", event, payload)


def line_problem(line: Mapping[str, Any]) -> Optional[str]:
    """What is wrong with a transcript line; None when it is as known, or of no interest."""
    name = line.get("role") or line.get("type")
    return schema.problem(_FOLDER / "transcript.schema.json", str(name), line)
