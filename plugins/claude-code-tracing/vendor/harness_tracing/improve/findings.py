"""Findings that recur: the stored results of evaluators, by evaluator, agent and project folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from harness_tracing.evaluate.results import passed
from harness_tracing.improve.ladder import TAKES_OWN_FOLDER
from harness_tracing.improve.proposal import Evidence
from harness_tracing.improve.statistics import wilson
from harness_tracing.model import Session, Turn, span_id, trace_id
from harness_tracing.store import Annotation, Store
from harness_tracing.store.read import TurnRow


@dataclass(frozen=True)
class Asked:
    """Whose findings are wanted: None means all. `at_least` failing turns make a proposal."""

    project: Optional[str] = None
    agent: Optional[str] = None
    since_ns: Optional[int] = None
    at_least: int = 2


@dataclass(frozen=True)
class Judged:
    """What one evaluator said of one turn, and what the turn took.

    `passed` is None where it counts neither way. `folder` is where the session was started, as
    recorded; `spans` show what was found.
    """

    name: str
    annotator_kind: str
    evaluator_id: str
    passed: Optional[bool]
    agent: str
    project: str
    folder: Optional[str]
    evidence: Evidence
    session_started_at_ns: int
    cost_usd: Optional[float]
    tokens: Optional[int]
    seconds: Optional[float]
    spans: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recurrence:
    """An evaluator that was not content with some turns of an agent in a project's folder."""

    name: str
    agent: str
    folder: str
    judged: tuple[Judged, ...]

    @property
    def hits(self) -> list[Judged]:
        """The turns it was not content with, the oldest first."""
        return [each for each in self.judged if each.passed is False]

    @property
    def measurable(self) -> int:
        """How many turns it could judge."""
        return sum(each.passed is not None for each in self.judged)

    @property
    def by_model(self) -> bool:
        """Whether a model judged."""
        return any(each.annotator_kind == "LLM" for each in self.judged)

    @property
    def project(self) -> str:
        """The project most of its turns are counted to."""
        return Counter(each.project for each in self.judged).most_common(1)[0][0]

    @property
    def confidence(self) -> float:
        """The least part of turns that fails, in all likelihood (Wilson, 95 %)."""
        interval = wilson(len(self.hits), self.measurable)
        return interval.low if interval is not None else 0.0

    @property
    def weight(self) -> tuple[float, bool, float]:
        """What findings are ranked by: how many turns fail at least, how sure, how costly."""
        cost = sum(hit.cost_usd or 0.0 for hit in self.hits)
        return (-round(self.confidence * len(self.hits), 9), self.by_model, -cost)


def recurrences(judged: Iterable[Judged], user_home: Path) -> list[Recurrence]:
    """By evaluator, agent and project folder, those with a failing turn, the gravest first."""
    roots: dict[tuple[str, str], str] = {}
    groups: dict[tuple[str, str, str], list[Judged]] = {}
    for each in judged:
        if each.folder is None:
            continue
        key = (each.agent, each.folder)
        if key not in roots:
            roots[key] = project_of(*key, user_home) or each.folder
        groups.setdefault((each.name, each.agent, roots[key]), []).append(each)
    found = [Recurrence(*key, tuple(group)) for key, group in groups.items()]
    return sorted(
        (each for each in found if each.hits),
        key=lambda each: (each.weight, each.name, each.folder),
    )


def project_of(agent: str, folder: str, user_home: Path) -> Optional[str]:
    """The folder whose rules and hooks an agent takes that was started in a folder.

    None where it is gone, and for the user's home and what lies above it: no project's.
    """
    path = Path(folder)
    above = {user_home, *user_home.parents}
    with suppress(OSError):
        if not path.is_absolute() or not path.is_dir() or path in above:
            return None
        for each in (path, *path.parents) if agent not in TAKES_OWN_FOLDER else ():
            if each in above:
                break
            if (each / ".git").exists():
                return str(each)
        return os.path.normpath(folder)
    return None


def collected(store: Store, asked: Asked) -> list[Judged]:
    """All results on whole turns in the store, as asked for, the oldest turn first."""
    found: list[Judged] = []
    for row in store.sessions(agent=asked.agent, project=asked.project, since_ns=asked.since_ns):
        session = row.session
        began = row.started_at_ns or 0
        said = _by_span(store.annotations(session.agent, session.session_id))
        if not said:
            continue
        for turn_row in store.turn_rows(session.agent, session.session_id):
            turn = turn_row.turn
            if asked.since_ns is not None and turn.started_at_ns < asked.since_ns:
                continue
            own = span_id(turn.agent, turn.session_id, turn.turn_id)
            found += [
                _judged(annotation, turn_row, session, began)
                for annotation in _counted(said.get(own, []))
            ]
    return sorted(found, key=lambda each: each.evidence.started_at_ns)


def _by_span(annotations: Sequence[Annotation]) -> dict[str, list[Annotation]]:
    found: dict[str, list[Annotation]] = {}
    for annotation in annotations:
        found.setdefault(annotation.span_id, []).append(annotation)
    return found


def _counted(annotations: Sequence[Annotation]) -> Iterator[Annotation]:
    """Each evaluator's result; where a person gave a score under its name, the person's."""
    people = {
        each.name: each
        for each in annotations
        if each.annotator_kind == "HUMAN" and each.score is not None
    }
    for each in annotations:
        if each.annotator_kind != "HUMAN":
            yield people.get(each.name, each)


def _judged(annotation: Annotation, row: TurnRow, session: Session, began_ns: int) -> Judged:
    turn = row.turn
    evidence = Evidence(
        turn.session_id,
        turn.turn_id,
        turn.number,
        trace_id(turn.agent, turn.session_id, turn.turn_id),
        turn.started_at_ns,
        annotation.label,
        annotation.explanation,
    )
    return Judged(
        annotation.name,
        annotation.annotator_kind,
        annotation.identifier,
        passed(annotation),
        turn.agent,
        session.project,
        session.cwd or turn.cwd,
        evidence,
        began_ns,
        row.cost_usd,
        row.usage.total_tokens,
        _seconds(turn),
        tuple((annotation.metadata or {}).get("evidence") or ()),
    )


def _seconds(turn: Turn) -> Optional[float]:
    ended = turn.answered_at_ns or turn.ended_at_ns
    return None if ended is None else (ended - turn.started_at_ns) / 1e9
