"""From stored turns to ranked proposals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Optional

import msgspec

from harness_tracing.activity import Gate, declared_gate, gate_of
from harness_tracing.improve.draft import Material, drafted
from harness_tracing.improve.findings import Asked, Judged, Recurrence, collected, recurrences
from harness_tracing.improve.ladder import LADDER, RULES_FILES
from harness_tracing.improve.proposal import Proposal, from_json, to_json
from harness_tracing.improve.replay import Recorded
from harness_tracing.model import Turn
from harness_tracing.observe.gates import gate_files
from harness_tracing.store import Store

MOST_REPLAYED = 200
"""So many turns at most, the newest, are replayed for a hook."""

Reword = Callable[[Proposal, Recurrence], Proposal]


@dataclass(frozen=True)
class Outside:
    """What is asked of the world: the user's home folder, the PATH for hooks, the time.

    `gates` are the commands that projects have to pass, where the user says so.
    """

    user_home: Path
    path: str
    now_ns: int
    gates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Once:
    """A finding that is no proposal: too few turns."""

    rule: str
    agent: str
    folder: str
    turns: int
    measurable: int
    explanation: Optional[str]


@dataclass(frozen=True)
class Suggestions:
    """The proposals, the gravest finding first; findings too rare for one; what to know besides."""

    proposals: tuple[Proposal, ...]
    seen_once: tuple[Once, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "proposals": [to_json(each) for each in self.proposals],
            "seen_once": [msgspec.to_builtins(each) for each in self.seen_once],
            "notes": list(self.notes),
        }


def suggest(
    store: Store,
    asked: Asked,
    outside: Outside,
    *,
    abouts: Mapping[str, str] = {},
    reword: Optional[Reword] = None,
) -> Suggestions:
    """Proposals from the results in the store, which are kept there.

    `abouts`: what rules of the user's own look for, by name. `reword` puts a line in better
    words. The rules' results have to be up to date (see `evaluate.running.run_rules`).
    """
    known = {row.proposal_id: stored(row) for row in store.proposals.all()}
    proposals: list[Proposal] = []
    once: list[Once] = []
    notes: list[str] = []
    for finding in recurrences(collected(store, asked), outside.user_home):
        problem = _problem(finding, outside.user_home)
        if len(finding.hits) < asked.at_least:
            once.append(_once(finding))
        elif problem is not None:
            notes.append(f"{finding.name}, {len(finding.hits)} turns: {problem}")
        else:
            material = _material(store, finding, asked, outside, known, abouts.get(finding.name))
            made = drafted(finding, material)
            proposals += [_reworded(each, finding, reword) for each in made]
            notes += _notes(finding, made, known.values())
    for each in proposals:
        store.proposals.put(each.proposal_id, to_json(each), each.state, outside.now_ns)
    return Suggestions(tuple(proposals), tuple(once), tuple(dict.fromkeys(notes)))


def stored(row: Any) -> Proposal:
    """The proposal of a row of the store, with its state."""
    known = from_json(row.body)
    return replace(known, state=row.state, created_at_ns=row.created_at_ns)


def _once(finding: Recurrence) -> Once:
    hits = finding.hits
    return Once(
        finding.name,
        finding.agent,
        finding.folder,
        len(hits),
        finding.measurable,
        hits[-1].evidence.explanation,
    )


def _problem(finding: Recurrence, user_home: Path) -> Optional[str]:
    folder = Path(finding.folder)
    if not folder.is_absolute() or not folder.is_dir():
        return f"{folder} is gone, so nothing is proposed for it"
    if folder == user_home or folder in user_home.parents:
        return f"they worked in {folder}, which is no project's folder"
    if finding.agent not in RULES_FILES:
        return f"where {finding.agent} reads a project's rules is not known"
    return None


def _reworded(made: Proposal, finding: Recurrence, reword: Optional[Reword]) -> Proposal:
    if reword is None or made.kind != "rules_line":
        return made
    return reword(made, finding)


def _notes(finding: Recurrence, made: Sequence[Proposal], known: Iterable[Proposal]) -> list[str]:
    """What is not proposed again, because somebody decided already."""
    ids = {each.proposal_id for each in made}
    return [
        f"{each.rule}: {each.proposal_id} ({each.kind}) is {each.state}"
        for each in known
        if (each.rule, each.agent, each.folder) == (finding.name, finding.agent, finding.folder)
        and each.state in ("applied", "dismissed")
        and each.proposal_id not in ids
    ]


# --- what drafts are made of ---------------------------------------------------------------


def _material(
    store: Store,
    finding: Recurrence,
    asked: Asked,
    outside: Outside,
    known: Mapping[str, Proposal],
    about: Optional[str],
) -> Material:
    steps = LADDER.get(finding.name, ())
    turns = _turns(store, finding) if steps else {}
    latest = next(iter(turns.values()), [])
    configured = outside.gates.get(finding.judged[-1].project)
    return Material(
        gate=gate_in(Path(finding.folder), latest, configured) if steps else None,
        sessions=_to_replay(finding, turns) if len(steps) > 1 else (),
        failing=_failing(finding, turns),
        about=about,
        known=known,
        path=outside.path,
        at_least=asked.at_least,
    )


def gate_in(folder: Path, turns: Sequence[Turn], configured: Optional[str]) -> Optional[Gate]:
    """The project's gate: the user's word, else its files now, else as a session saw or ran it."""
    declared = None if configured else declared_gate(gate_files(str(folder)), "on disk")
    return declared or gate_of(turns, configured=configured)


def _turns(store: Store, finding: Recurrence) -> dict[str, list[Turn]]:
    """The finding's sessions, the latest first, with all their turns."""
    latest: dict[str, int] = {}
    for each in finding.judged:
        latest[each.evidence.session_id] = each.evidence.started_at_ns
    order = sorted(latest, key=lambda session_id: latest[session_id], reverse=True)
    found: dict[str, list[Turn]] = {}
    count = 0
    for session_id in order:
        if count >= MOST_REPLAYED:
            break
        found[session_id] = store.turns(finding.agent, session_id)
        count += len(found[session_id])
    return found


def _to_replay(finding: Recurrence, turns: Mapping[str, Sequence[Turn]]) -> list[list[Recorded]]:
    said = _by_turn(finding)
    sessions = []
    for session_id, session in turns.items():
        recorded = []
        for turn in session[-MOST_REPLAYED:]:
            judged = said.get((session_id, turn.turn_id))
            passed = judged.passed if judged is not None else None
            measurable = judged is None or judged.passed is not None
            recorded.append(Recorded(turn, passed, measurable))
        sessions.append(recorded)
    return sessions


def _failing(
    finding: Recurrence, turns: Mapping[str, Sequence[Turn]]
) -> list[tuple[Turn, Sequence[str]]]:
    said = _by_turn(finding)
    found: list[tuple[Turn, Sequence[str]]] = []
    for session_id, session in turns.items():
        for turn in session:
            judged = said.get((session_id, turn.turn_id))
            if judged is not None and judged.passed is False:
                found.append((turn, judged.spans))
    return found


def _by_turn(finding: Recurrence) -> dict[tuple[str, str], Judged]:
    return {(each.evidence.session_id, each.evidence.turn_id): each for each in finding.judged}
