"""Whether Claude Code still writes what the reader relies on: JSON Schemas beside this file.

The reader itself tolerates anything. These tell a person, and our tests, that a new version of
the client changed its format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Optional


def payload_problem(event: str, payload: Mapping[str, Any]) -> Optional[str]:
    """What is wrong with a hook payload; None when it is as known, or the event is not ours."""
    return _problem("payloads.schema.json", event, payload)


def line_problem(line: Mapping[str, Any]) -> Optional[str]:
    """What is wrong with a transcript line; None when it is as known, or of no interest."""
    return _problem("transcript.schema.json", str(line.get("type")), line)


def _problem(file: str, name: str, value: Mapping[str, Any]) -> Optional[str]:
    validator = _validators(file).get(name)
    if validator is None:
        return None
    error = next(iter(validator.iter_errors(value)), None)
    if error is None:
        return None
    where = "/".join(map(str, error.absolute_path)) or "top level"
    return f"{name}, {where}: {error.message[:200]}"


@cache
def _validators(file: str) -> dict[str, Any]:
    from jsonschema import Draft202012Validator

    schema = json.loads(Path(__file__).with_name(file).read_text(encoding="utf-8"))
    return {name: Draft202012Validator(part) for name, part in schema["$defs"].items()}
