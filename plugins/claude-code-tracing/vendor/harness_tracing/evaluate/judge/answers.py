"""The choices of a judge, and what counts as an answer to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Optional, Union

from harness_tracing.errors import TracerError

FailureKind = Literal[
    "wrong_label", "malformed", "refusal", "truncated", "timeout", "connection", "rate_limit",
    "server", "rejected",
]  # fmt: skip

_MOST_CHOICES = 50
_HIGHEST = 1e9  # no number that JSON has no word for, and none that a float cannot hold


class ChoicesError(TracerError):
    """The choices of an evaluator cannot be used; the message shows what they may look like."""


@dataclass(frozen=True)
class Verdict:
    """One of the choices, with its score and, where it was asked for, why."""

    label: str
    score: Optional[float]
    explanation: Optional[str] = None


@dataclass(frozen=True)
class Failure:
    """Why there is no verdict, and what to do; `said` is a label that is none of the choices."""

    kind: FailureKind
    message: str
    said: Optional[str] = None


Outcome = Union[Verdict, Failure]


@dataclass(frozen=True)
class Choices:
    """The labels with their scores (None: no score), and whether an explanation is wanted."""

    scores: Mapping[str, Optional[float]]
    explain: bool = False

    @classmethod
    def parse(cls, text: str, *, explain: bool = False) -> Choices:
        """Choices from JSON such as ``{"correct": 1, "incorrect": 0}``; raises ChoicesError."""
        try:
            found = json.loads(text, object_pairs_hook=_without_doubles)
        except ValueError as error:
            raise ChoicesError(f"the choices are no JSON ({error}); {_LIKE}") from None
        if not isinstance(found, dict) or not 2 <= len(found) <= _MOST_CHOICES:
            raise ChoicesError(f"the choices are not 2 to {_MOST_CHOICES} labels; {_LIKE}")
        for label, score in found.items():
            number = isinstance(score, (int, float)) and not isinstance(score, bool)
            known = score is None or (number and abs(score) <= _HIGHEST)
            if label != label.strip() or not label or not label.isprintable() or not known:
                raise ChoicesError(f"{label!r}: {score!r} is no label with its score; {_LIKE}")
        scores = {label: None if score is None else float(score) for label, score in found.items()}
        return cls(scores, explain)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of an answer. The explanation comes first: reasons, then the label."""
        explanation = {"type": "string", "description": "why, in one to three sentences"}
        properties: dict[str, Any] = {"explanation": explanation} if self.explain else {}
        properties["label"] = {"type": "string", "enum": list(self.scores)}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def outcome(self, answer: Any) -> Outcome:
        """What a structured answer (parsed JSON) says. A label is one of ours to the letter."""
        label = answer.get("label") if isinstance(answer, Mapping) else None
        why = answer.get("explanation") if isinstance(answer, Mapping) else None
        if not isinstance(label, str) or (self.explain and not isinstance(why, str)):
            return malformed("the answer lacks what the schema requires")
        if label not in self.scores:
            known = ", ".join(map(repr, self.scores))
            text = f"the judge said {_short(label)!r}, which is none of {known}; nothing was scored"
            return Failure("wrong_label", text, said=label)
        explanation = why if self.explain and isinstance(why, str) else None
        return Verdict(label, self.scores[label], explanation)


def malformed(what: str) -> Failure:
    """An answer that cannot be read, with what to do about it."""
    return Failure(
        "malformed",
        f"{what}; run it again, or choose a model that keeps to a JSON schema",
    )


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ChoicesError where a label is there twice, since one score would win."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ChoicesError(f"a label stands there twice; {_LIKE}")
    return found


_LIKE = 'give them like {"correct": 1, "incorrect": 0}'


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"
