"""The columns a filter may name, and which one somebody may have meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from typing import Optional

from harness_tracing.observe.values import verdict_parts

COLUMNS = (
    "name",
    "kind",
    "status_code",
    "status_message",
    "parent_id",
    "span_id",
    "trace_id",
    "start_time",
    "end_time",
)
TIMES = ("start_time", "end_time")
ATTRIBUTES = "attributes."
# What these columns hold; kinds are those of OpenInference, for a server has others' spans too.
CHOICES = {
    "status_code": ("OK", "ERROR", "UNSET"),
    "kind": (
        "AGENT", "CHAIN", "EMBEDDING", "EVALUATOR", "GUARDRAIL", "LLM", "PROMPT", "RERANKER",
        "RETRIEVER", "TOOL", "UNKNOWN",
    ),
}  # fmt: skip
# What the types of our attributes are to a comparison.
_KINDS = {
    "text": "text",
    "JSON text": "text",
    "text or JSON text": "text",
    "ISO time": "text",
    "integer": "number",
    "USD": "number",
    "boolean": "boolean",
    "list of text": "list",
}
_SAID = (
    f"known are {', '.join(COLUMNS)}, attributes.<name> such as attributes.tool.name, and "
    "evaluations.<name>.label, .score and .explanation (annotations likewise)"
)


def is_column(name: str) -> bool:
    """Whether a filter may ask for it. Any attribute may: spans hold others than ours too."""
    attribute = name.startswith(ATTRIBUTES) and len(name) > len(ATTRIBUTES)
    return name in COLUMNS or attribute or verdict_parts(name) is not None


def kind_of(column: str) -> Optional[str]:
    """What a column of ours holds: number, text, boolean or list; None: it may be anything."""
    if column in COLUMNS:
        return "text"
    verdict = verdict_parts(column)
    if verdict is not None:
        return "number" if verdict[2] == "score" else "text"
    return _kinds().get(re.sub(r"\.\d+(?=\.)", ".N", column))


@cache
def _kinds() -> dict[str, str]:
    from harness_tracing.spans.attributes import ATTRIBUTES as ROWS

    return {ATTRIBUTES + re.sub(r"\.[NMK](?=\.)", ".N", row.key): _KINDS[row.type] for row in ROWS}


def what_is_known(name: str) -> str:
    """What to say of a column that is none: the nearest that is one, and all of them."""
    near = nearest(name)
    return f"did you mean {near}? {_SAID}" if near else _SAID


def nearest(name: str) -> Optional[str]:
    """The column that looks most like it: an attribute without its prefix, or misspelt."""
    known = list(_kinds())
    if ATTRIBUTES + name in known:
        return ATTRIBUTES + name
    found = get_close_matches(name.lower(), [*COLUMNS, *known], n=1, cutoff=0.75)
    found = found or get_close_matches(ATTRIBUTES + name.lower(), known, n=1, cutoff=0.85)
    return found[0] if found else None


def unfamiliar(names: Iterable[str]) -> list[tuple[str, str]]:
    """Attributes that none of our spans carries but that look much like one that they do.

    Each with that one. They may be somebody's own, so they are no errors.
    """
    known = list(_kinds())
    found = []
    for name in sorted(names):
        if not name.startswith(ATTRIBUTES) or re.sub(r"\.\d+(?=\.)", ".N", name) in known:
            continue
        near = get_close_matches(name, known, n=1, cutoff=0.9)
        found += [(name, near[0])] if near else []
    return found
