"""Make a recording fit to keep: no text of the vendor's, no path of the machine it was made on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

OUR_ATTACHMENTS = {"queued_command", "instructions", "date", "command_permissions"}
KEPT_START = 100
BOILERPLATE = (
    "The user doesn't want to",
    "[Tool call interrupted",
    "[Request interrupted",
    "Async agent launched",
    "This session is being continued",
    "Permission for this",
)
WRAPPED = (
    re.compile(r"(<local-command-caveat>)(.*?)(</local-command-caveat>)", re.S),
    re.compile(r"(\[Subagent hand-back\] )(.*?)(\n  |$)", re.S),
    re.compile(r"(<note>)(.*?)(</note>)", re.S),
    re.compile(r"(\n<note[^>]*>)(.*?)(</note>)", re.S),
)


def placeholder(text: str) -> str:
    """What stands for a text that is not kept."""
    return f"[text: {len(text)} chars]"


def cleaned(line: Mapping[str, Any]) -> dict[str, Any]:
    """A transcript line without the vendor's texts; structure, ids and times stay."""
    kind = line.get("type")
    if kind == "api-request-shape":
        return {**line, "shape": {"dropped": len(json.dumps(line.get("shape")))}}
    if kind == "attachment":
        ours = line["attachment"].get("type") in OUR_ATTACHMENTS
        kept = spoken(line["attachment"]) if ours else _shortened(line["attachment"])
        return {**line, "attachment": kept, **_rendered(line)}
    if kind == "api-request-blob" and line["message"]["role"] == "system":
        return {**line, "message": _shortened(line["message"], 0)}
    return {key: spoken(value) for key, value in line.items()}


def _rendered(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"rendered": _shortened(line["rendered"], 0)} if "rendered" in line else {}


def _shortened(value: Any, longest: int = 60, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _shortened(item, longest, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item, longest, key) for item in value]
    if isinstance(value, str) and len(value) > longest and key not in ("type", "role", "name"):
        return placeholder(value)
    return value


def spoken(value: Any) -> Any:
    """A prompt, a reply or a result: kept, but for boilerplate that the client wraps it in."""
    if isinstance(value, dict):
        return {name: spoken(item) for name, item in value.items()}
    if isinstance(value, list):
        return [spoken(item) for item in value]
    return boilerplate_shortened(value) if isinstance(value, str) else value


def boilerplate_shortened(text: str) -> str:
    """`text` with the client's own sentences replaced by their length."""
    if text.startswith("<system-reminder>") and "tools-used" not in text:
        return placeholder(text)
    if text.startswith(BOILERPLATE) and len(text) > KEPT_START:
        head, rest = text[:KEPT_START], text[KEPT_START:]
        summary = rest.find("Summary:") if "Summary:" in rest else len(rest)
        tail = " " + rest[summary:].split("\n\nIf you need")[0] if rest[summary:] else ""
        return f"{head} {placeholder(rest[:summary])}{tail}"
    for pattern in WRAPPED:
        text = pattern.sub(_inner_replaced, text)
    return text


def _inner_replaced(match: re.Match[str]) -> str:
    inner = match.group(2)
    return match.group(1) + (placeholder(inner) if len(inner) > 60 else inner) + match.group(3)
