"""What a provider is asked, what it gives back, and how it fails."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Optional, Protocol, Union

from harness_tracing.errors import TracerError
from harness_tracing.evaluate import templates
from harness_tracing.evaluate.judge.answers import Choices, Failure, FailureKind
from harness_tracing.model import Usage

ANSWER_NAME = "verdict"


@dataclass(frozen=True)
class Question:
    """A filled template with the choices to answer it by."""

    prompt: templates.Prompt
    choices: Choices

    @property
    def instructions(self) -> str:
        """The system prompt: how to treat what was recorded, and how to answer."""
        labels = ", ".join(json.dumps(label, ensure_ascii=False) for label in self.choices.scores)
        why = ", after a short explanation" if self.choices.explain else ""
        return (
            f"{self.prompt.instructions}\n\nAnswer in the required structure and with exactly one "
            f"of these labels{why}: {labels}. Nothing else counts as your answer."
        )

    def size_bytes(self) -> int:
        """Its length, which no tokenizer that works on bytes gives more tokens than."""
        schema = json.dumps(self.choices.schema())
        return sum(len(part.encode()) for part in (self.instructions, self.prompt.text, schema))

    def digest(self, provider: str, model: str) -> str:
        """What decides the answer, as a key: provider, model, prompt, choices, wrapping."""
        parts = [
            provider,
            model,
            self.instructions,
            self.prompt.text,
            json.dumps(self.choices.schema()),
            str(templates.VERSION),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Reply:
    """What came back: the structured answer as parsed JSON, or the failure that stands for it.

    `model` is the one that says it answered. `cost_usd` is what the provider itself reports.
    """

    answer: Union[Any, Failure]
    usage: Usage = field(default_factory=Usage)
    model: Optional[str] = None
    cost_usd: Optional[float] = None


class ProviderError(TracerError):
    """There is no reply. `retry` says whether asking again can help, `retry_after_s` when.

    `billed` is true where the provider may have done the work all the same. `fatal` means that
    every other question would fail alike: a key, a model or a command that is not there.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        retry: bool = False,
        retry_after_s: Optional[float] = None,
        billed: bool = False,
        fatal: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry = retry
        self.retry_after_s = retry_after_s
        self.billed = billed
        self.fatal = fatal


class Provider(Protocol):
    """Puts a question to a model. May be called by several threads at once.

    `identity` names kind and endpoint, never a key. `most_calls` and `overhead_tokens` bound what
    one question can cost: requests per question, and tokens of each beyond our own text.
    `model` is None where the agent chooses.
    """

    identity: str
    model: Optional[str]
    most_calls: int
    overhead_tokens: int
    max_output_tokens: int

    def ask(self, question: Question) -> Reply:
        """The reply to one question, asked once. Raises ProviderError."""
