"""JSON Schemas of what agents write, by which a changed format is noticed.

Readers tolerate anything; these tell a person, and our tests, that a new version of an agent's
client writes something else than the reader relies on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Optional


def problem(schema: Path, name: str, value: Mapping[str, Any]) -> Optional[str]:
    """What is wrong with a value by the part of a schema file with that name.

    None when it is as known, or when the file has no such part: then it is of no interest.
    """
    validator = _validators(schema).get(name)
    if validator is None:
        return None
    error = next(iter(validator.iter_errors(value)), None)
    if error is None:
        return None
    where = "/".join(map(str, error.absolute_path)) or "top level"
    return f"{name}, {where}: {error.message[:200]}"


@cache
def _validators(schema: Path) -> dict[str, Any]:
    from jsonschema import Draft202012Validator

    parts = json.loads(schema.read_text(encoding="utf-8"))["$defs"]
    return {name: Draft202012Validator(part) for name, part in parts.items()}
