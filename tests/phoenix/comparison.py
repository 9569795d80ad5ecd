"""How spans read back from Phoenix differ from `harness spans export`.

Three differences are Phoenix's own and are no loss: the kind is a field there and no attribute,
`tool.parameters` and `metadata` come back as the JSON they hold, and times have microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

Json = Any
Spans = Mapping[str, Mapping[str, Json]]
KIND = "openinference.span.kind"
PARSED = ("tool.parameters", "metadata")
ROUNDING_US = 1


def by_id(exported: Iterable[Mapping[str, Json]]) -> dict[str, Mapping[str, Json]]:
    """Exported spans by their id; an id that two of them have is an error."""
    found: dict[str, Mapping[str, Json]] = {}
    for span in exported:
        span_id = span["context"]["span_id"]
        assert span_id not in found, f"two spans with the id {span_id}"
        found[span_id] = span
    return found


def differences(ours: Spans, theirs: Spans) -> list[str]:
    """One line for each way in which what Phoenix has is not what was exported."""
    found = [f"{_title(ours[each])}: not in Phoenix" for each in sorted(set(ours) - set(theirs))]
    found += [
        f"{theirs[each]['name']} {each}: only Phoenix has it" for each in theirs.keys() - ours
    ]
    for span_id in ours.keys() & theirs.keys():
        title = _title(ours[span_id])
        found += [f"{title}: {what}" for what in _unlike(ours[span_id], theirs[span_id])]
    return found


def _title(span: Mapping[str, Json]) -> str:
    return f"{span['name']} {span['context']['span_id']}"


def _unlike(ours: Mapping[str, Json], theirs: Mapping[str, Json]) -> Iterator[str]:
    pairs = {
        "name": (ours["name"], theirs["name"]),
        "trace": (ours["context"]["trace_id"], theirs["context"]["trace_id"]),
        "parent": (ours.get("parent_id"), theirs.get("parent_id")),
        "kind": (ours["kind"], theirs["span_kind"]),
        "status": (ours["status_code"], theirs["status_code"]),
        "status message": (ours.get("status_message") or "", theirs["status_message"]),
        "events": (_events(ours["events"]), _events(theirs["events"])),
    }
    yield from (f"{what}: {o!r} became {t!r}" for what, (o, t) in pairs.items() if o != t)
    pairs = {
        "start": (ours["start_time"], theirs["start_time"]),
        "end": (ours["end_time"], theirs["end_time"]),
        **{
            f"time of event {number}": (o["timestamp"], t["timestamp"])
            for number, (o, t) in enumerate(zip(ours["events"], theirs["events"]))
        },
    }
    for what, (o, t) in pairs.items():
        if abs(_us(o) - _us(t)) > ROUNDING_US:
            yield f"{what}: {o} became {t}"
    o, t = expected_attributes(ours["attributes"]), theirs["attributes"]
    for key in sorted(o.keys() | t.keys()):
        if key not in t:
            yield f"{key} {o[key]!r} is gone"
        elif key not in o:
            yield f"{key} {t[key]!r} came from nowhere"
        elif o[key] != t[key]:
            yield f"{key}: {o[key]!r} became {t[key]!r}"


def expected_attributes(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Exported attributes as Phoenix gives them back."""
    found: dict[str, Json] = {}
    for key, value in attributes.items():
        if key in PARSED:
            found.update(_flat(key, json.loads(value)))
        elif key != KIND:
            found[key] = value
    return found


def _flat(key: str, value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _flat(f"{key}.{name}", below)
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for number, below in enumerate(value):
            yield from _flat(f"{key}.{number}", below)
    else:
        yield key, value


def _events(events: Sequence[Mapping[str, Json]]) -> list[tuple[str, Json]]:
    return [(event["name"], event["attributes"]) for event in events]


def _us(moment: str) -> int:
    """Unix time in microseconds of an ISO time with up to nine digits."""
    text = moment.replace("Z", "+00:00")
    whole, _, rest = text.partition(".")
    digits, _, _ = rest.partition("+")
    seconds = datetime.fromisoformat(whole.split("+")[0] + "+00:00").timestamp()
    return int(seconds) * 1_000_000 + int(digits.ljust(6, "0")[:6] or 0)
