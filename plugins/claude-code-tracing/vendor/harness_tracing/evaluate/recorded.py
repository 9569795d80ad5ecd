"""A session as evaluators judge it: its final turns, their spans, and what was said of them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Optional

from harness_tracing import __version__
from harness_tracing.activity import Gate, gate_of
from harness_tracing.evaluate.templates import Subject
from harness_tracing.model import IMPORTED, Session, Turn, span_id, trace_id
from harness_tracing.observe.filter import Filter
from harness_tracing.observe.gates import gate_files
from harness_tracing.observe.verdicts import Verdicts, by_span
from harness_tracing.prices import PriceTable
from harness_tracing.spans import Shape, Span, spans, to_json
from harness_tracing.store import Annotation, Store

_SHARED = ("session.id", "harness.agent", "user.id")


@dataclass(frozen=True)
class RecordedTurn:
    """A final turn; its spans are made when somebody asks for them."""

    turn: Turn
    session: Session
    said: Mapping[str, Verdicts]
    table: PriceTable

    @property
    def span_id(self) -> str:
        """The id of the turn's own span, the same in both shapes."""
        return span_id(self.turn.agent, self.turn.session_id, self.turn.turn_id)

    @property
    def trace_id(self) -> str:
        """The id of its trace, as the store knows it."""
        return trace_id(self.turn.agent, self.turn.session_id, self.turn.turn_id)

    @property
    def is_imported(self) -> bool:
        """Whether no hook told of it: it is history from the agent's own files."""
        return IMPORTED in self.turn.gaps

    def spans(self, shape: Shape) -> list[Span]:
        """Its spans that have ended, the root first."""
        made = spans(self.turn, self.session, shape, self.table, harness_version=__version__)
        return [each for each in made if each.end_ns is not None or each.span_id == self.span_id]

    def matching(self, shape: Shape, wanted: Optional[Filter]) -> list[Span]:
        """Those of its spans that a filter is true of; all of them without one."""
        made = self.spans(shape)
        if wanted is None:
            return made
        return [span for span in made if wanted.matches(self._json(span))]

    def _json(self, span: Span) -> dict[str, object]:
        said = self.said.get(span.span_id, Verdicts())
        return to_json(span, said.annotations, said.evaluations)


@dataclass(frozen=True)
class Recorded:
    """A session with its final turns in order, and what was said of it so far.

    `is_open`: its last turn is not final yet; `gates` are what the user says that projects have to
    pass.
    """

    session: Session
    turns: tuple[RecordedTurn, ...]
    annotations: tuple[Annotation, ...]
    is_open: bool = False
    gates: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def said(self) -> dict[tuple[str, str, str], Annotation]:
        """What was said, by span, name and identifier."""
        return {(each.span_id, each.name, each.identifier): each for each in self.annotations}

    @cached_property
    def gate(self) -> Optional[Gate]:
        """The project's gate: the user's word, else as the session or its folder shows it."""
        return gate_of(
            [each.turn for each in self.turns],
            configured=self.gates.get(self.session.project),
            on_disk=gate_files(self.session.cwd),
        )

    def subject(self, shape: Shape) -> Subject:
        """The session as a whole."""
        attributes = self.turns[-1].spans(shape)[0].attributes if self.turns else {}
        shared = {name: attributes[name] for name in _SHARED if name in attributes}
        return Subject.of_session([each.turn for each in self.turns], shared)


def recorded(
    store: Store,
    agent: str,
    session_id: str,
    table: PriceTable,
    only: Optional[Collection[str]] = None,
    *,
    gates: Mapping[str, str],
) -> Optional[Recorded]:
    """The session of that id as it is stored now; None when it is not (any more).

    `only` are the ids of turns that are enough; rules need all of them. `gates`: see `Recorded`.
    """
    row = store.session(session_id, agent)
    if row is None or row.session_id != session_id:
        return None
    annotations = tuple(store.annotations(agent, session_id))
    said = by_span(annotations)
    if only is None:
        rows = store.turn_rows(agent, session_id)
    else:
        found = (store.turn_row(agent, session_id, turn_id) for turn_id in only)
        rows = [each for each in found if each is not None]
    turns = tuple(RecordedTurn(each.turn, row.session, said, table) for each in rows if each.final)
    return Recorded(row.session, turns, annotations, row.open, gates)


def is_sampled(identity: str, rate: float) -> bool:
    """Whether something is in the sample: by its id alone, so that it is the same every time.

    A larger rate adds to the sample and takes nothing from it.
    """
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:7], "big") < rate * 2**56
