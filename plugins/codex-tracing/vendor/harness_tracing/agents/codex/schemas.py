"""Whether Codex still writes what the reader relies on: JSON Schemas beside this file."""

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
    """What is wrong with a rollout line or its item; None when as known, or of no interest."""
    path, kind = _FOLDER / "rollout.schema.json", str(line.get("type"))
    payload = line.get("payload")
    found = schema.problem(path, kind, line)
    if found is None and isinstance(payload, dict):
        found = schema.problem(path, f"{kind}/{payload.get('type')}", line)
        item = payload.get("item")
        if found is None and isinstance(item, dict):
            found = schema.problem(path, f"item/{item.get('type')}", item)
    return found
