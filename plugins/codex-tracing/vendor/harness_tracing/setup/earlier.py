"""Settings of Arize's own tracer of coding agents: `config.json` in the folder that is ours too.

Its format (2026): `harnesses` by agent, each with `target` (arize or phoenix), `endpoint`,
`api_key`, `space_id`, `project_name`; `user_id`; `logging` with `prompts`, `tool_details`,
`tool_content`. Older ones have one `backend` with `target` and a part for each. Whatever else is
in there is passed over. The file itself is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from harness_tracing.agents import names
from harness_tracing.setup.files import Change

FILE_NAME = "config.json"
_KINDS = {"arize": "ax", "ax": "ax", "phoenix": "phoenix"}
# What both mean when they say nothing.
_DEFAULTS = {"ax": ("otlp.arize.com:443", "otlp.arize.com", "https://otlp.arize.com/v1")}
_SWITCHES = ("prompts", "tool_details", "tool_content")


@dataclass(frozen=True)
class Earlier:
    """What was found in it: the changes of config.yaml that say the same, and what to know."""

    path: Path
    changes: tuple[Change, ...]
    destinations: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read(folder: Path) -> Optional[Earlier]:
    """The other tracer's settings in our folder; None where there are none that say anything."""
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return imported(content, path) if isinstance(content, dict) else None


def imported(content: Mapping[str, Any], path: Path) -> Optional[Earlier]:
    """Its content as changes of config.yaml; None where it says nothing we have a word for."""
    places: dict[str, list[Change]] = {}
    notes = []
    for agent, part in _backends(content):
        kind, found = _destination(part)
        if kind is None:
            continue
        if kind not in places:
            places[kind] = found
        elif places[kind] != found:
            notes.append(
                f"{agent} had another {kind} than the one taken over: here destinations hold for"
                " every agent; docs/destinations.md says how to have several"
            )
    changes = [change for found in places.values() for change in found]
    changes += _projects(content)
    user_id = _text(content.get("user_id"))
    changes += [(("user_id",), user_id)] if user_id else []
    logging = _group(content.get("logging"))
    changes += [((f"log_{name}",), False) for name in _SWITCHES if logging.get(name) is False]
    return Earlier(path, tuple(changes), tuple(places), tuple(notes)) if changes else None


def _backends(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for agent, part in _group(content.get("harnesses")).items():
        yield str(agent), _group(part)
    backend = _group(content.get("backend"))
    target = _text(backend.get("target"))
    if target:
        yield "it", {**_group(backend.get(target)), "target": target}


def _destination(part: Mapping[str, Any]) -> tuple[Optional[str], list[Change]]:
    kind = _KINDS.get(_text(part.get("target")).lower())
    if kind is None:
        return None, []
    told = {key: _text(part.get(key)) for key in ("endpoint", "api_key", "space_id")}
    if told["endpoint"] in _DEFAULTS.get(kind, ()):
        told["endpoint"] = ""
    if kind != "ax":
        del told["space_id"]
    return kind, [(("destinations", kind, key), value) for key, value in told.items() if value]


def _projects(content: Mapping[str, Any]) -> Iterator[Change]:
    for agent, part in _group(content.get("harnesses")).items():
        project = _text(_group(part).get("project_name"))
        if agent in names() and project and project != agent:
            yield ("agents", str(agent), "project"), project


def _group(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
