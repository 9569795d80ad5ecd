"""Proposals for one recurring finding: each step of its ladder, with diff, evidence and price."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

from harness_tracing.activity import Gate
from harness_tracing.errors import ImproveError
from harness_tracing.improve import apply, denying, ladder
from harness_tracing.improve import replay as replaying
from harness_tracing.improve.findings import Judged, Recurrence
from harness_tracing.improve.proposal import Change, Kind, Proposal, Replay, proposal_id
from harness_tracing.improve.replay import Hook, Recorded
from harness_tracing.improve.scripts import script
from harness_tracing.model import Turn

MOST_EVIDENCE = 10
GENERAL = "its words are general: --judge NAME has a model word it from the evidence"


@dataclass(frozen=True)
class Material:
    """What drafts are made of besides the finding itself.

    `gate` is the project's; `sessions` are recorded turns to replay hooks over, `failing` those
    the evaluator was not content with, with the spans that show it. `about` is what a rule of
    the user's own looks for. `known` are the proposals there are, by id; `path` is the PATH.
    """

    gate: Optional[Gate] = None
    sessions: Sequence[Sequence[Recorded]] = ()
    failing: Sequence[tuple[Turn, Sequence[str]]] = ()
    about: Optional[str] = None
    known: Mapping[str, Proposal] = field(default_factory=dict)
    path: str = ""
    at_least: int = 2


def drafted(finding: Recurrence, material: Material) -> list[Proposal]:
    """What to propose, the step that is due recommended; steps that are done are left out."""
    proposals = []
    before: Optional[Proposal] = None
    for kind in ladder.LADDER.get(finding.name, ladder.OTHERS):
        if kind in ladder.ONLY_CLAUDE and finding.agent != "claude-code":
            continue
        key = proposal_id(finding.name, kind, finding.agent, finding.folder)
        known = material.known.get(key)
        if known is not None and known.state in ("applied", "dismissed"):
            before = known
            continue
        made = _made(key, kind, finding, material)
        if made is None:
            continue
        if apply.is_in_place(made):
            before = replace(made, state="applied")
            continue
        made = _recommended(made, finding, before, material.at_least)
        proposals.append(_described(made, finding, known))
        before = before or made
    return proposals


def _made(key: str, kind: Kind, finding: Recurrence, material: Material) -> Optional[Proposal]:
    """The proposal of a kind; None where the record does not hold what it needs."""
    made = _changes(kind, finding, material)
    if made is None:
        return None
    changes, text, note = made
    return Proposal(
        proposal_id=key,
        rule=finding.name,
        kind=kind,
        agent=finding.agent,
        folder=finding.folder,
        project=finding.project,
        changes=changes,
        text=text,
        note=note,
        replay=_replayed(kind, changes, finding, material),
    )


_Made = tuple[tuple[Change, ...], str, Optional[str]]


def _changes(kind: Kind, finding: Recurrence, material: Material) -> Optional[_Made]:
    gate = material.gate
    if kind == "rules_line":
        return _rules_line(finding, material)
    if kind == "permission_deny":
        entries = denying.entries_for(finding.name, material.failing, finding.folder)
        deny = Change(ladder.SETTINGS, "deny", entries=tuple(entries))
        return ((deny,), ", ".join(entries), None) if entries else None
    if kind == "slash_command":
        if gate is None:
            return None
        text = ladder.VERIFY_COMMAND.format(gate=gate.text)
        return (Change(ladder.COMMAND, "file", text),), "the command /verify", None
    name, event, matcher = ladder.HOOKS[kind]
    if name == "verified_before_done" and gate is None:
        return None
    source = script(name, gate.words if gate and name == "verified_before_done" else None)
    command = ladder.hook_command(name)
    changes = (
        Change(ladder.hook_file(name), "file", source),
        Change(ladder.SETTINGS, "hook", command, event=event, matcher=matcher),
    )
    return changes, f"a {event} hook that blocks", "It needs python3, and lets go without it."


def _rules_line(finding: Recurrence, material: Material) -> Optional[_Made]:
    file = ladder.RULES_FILES.get(finding.agent)
    if file is None:
        return None
    folder = Path(finding.folder)
    path = next((each for each in file.paths if (folder / each).is_file()), file.paths[0])
    line, note = _line(finding, material)
    change = Change(path, "line", f"- {line}", ladder.HEADING, file.fresh)
    return (change,), line, note


def _line(finding: Recurrence, material: Material) -> tuple[str, Optional[str]]:
    known = ladder.LINES.get(finding.name)
    if known is not None:
        if "{gate}" not in known:
            return known, None
        gate = material.gate
        return (known.format(gate=gate.text), None) if gate else (ladder.WITHOUT_GATE, None)
    if material.about:
        return " ".join(material.about.split()), None
    label = next(_own_labels(finding), "not passed")
    line = f"Work is judged for {_quoted(finding.name)}: leave nothing that is {_quoted(label)}."
    return line, GENERAL


def _own_labels(finding: Recurrence) -> Iterator[str]:
    """The evaluator's own labels; what was annotated under its name is anybody's text."""
    for hit in finding.hits:
        if hit.annotator_kind != "HUMAN" and hit.evidence.label:
            yield hit.evidence.label


def _quoted(text: str) -> str:
    line = " ".join(text.replace("`", "'").split())
    return "`" + "".join(char for char in line if char.isprintable())[:80] + "`"


def _replayed(
    kind: Kind, changes: tuple[Change, ...], finding: Recurrence, material: Material
) -> Optional[Replay]:
    if kind == "permission_deny":
        return denying.replay(changes[0].entries, material.sessions, finding.folder)
    if kind not in ladder.HOOKS:
        return None
    files = {change.path: change.text for change in changes if change.how == "file"}
    hook = Hook(ladder.HOOKS[kind][1], changes[-1].text, files)
    return replaying.replay(hook, material.sessions, finding.folder, material.path)


def _recommended(
    made: Proposal, finding: Recurrence, before: Optional[Proposal], at_least: int
) -> Proposal:
    """With what speaks against it: what it would have blocked wrongly, a milder step, no need."""
    why = _price(made.replay)
    if why is None and before is not None and before.state == "proposed":
        why = f"the rule line comes first ({before.proposal_id}); this is for what recurs after it"
    if why is None and before is not None and before.state == "applied":
        since = _since(finding.hits, before.applied_at_ns)
        if len(since) < at_least:
            what = "the rule line is applied"
            why = f"{what}, and since then it failed in {len(since)} turns: wait for more"
    if why is None and made.note == GENERAL:
        return replace(made, recommended=False, why_not=GENERAL, note=None)
    return replace(made, recommended=why is None, why_not=why)


def _price(replay: Optional[Replay]) -> Optional[str]:
    if replay is None:
        return None
    if replay.wrongly:
        turns = "turn" if replay.wrongly == 1 else "turns"
        return f"it would have blocked {replay.wrongly} good {turns} of {replay.seen}"
    if not replay.rightly:
        return f"it would have blocked none of the turns that failed ({replay.seen} replayed)"
    return None


def _since(hits: Sequence[Judged], applied_at_ns: Optional[int]) -> list[Judged]:
    """Failing turns of sessions begun after that: earlier ones did not know the rule yet."""
    at = applied_at_ns or 0
    return [hit for hit in hits if hit.session_started_at_ns >= at]


def _described(made: Proposal, finding: Recurrence, known: Optional[Proposal]) -> Proposal:
    """With evidence, costs, and the diff against the files as they are now."""
    hits = finding.hits
    costs = [hit.cost_usd for hit in hits if hit.cost_usd is not None]
    counts = [hit.tokens for hit in hits if hit.tokens is not None]
    times = [hit.seconds for hit in hits if hit.seconds is not None]
    described = replace(
        made,
        evidence=tuple(hit.evidence for hit in hits[-MOST_EVIDENCE:]),
        turns=len(hits),
        measurable=finding.measurable,
        sessions=len({hit.evidence.session_id for hit in hits}),
        annotator_kind="LLM" if finding.by_model else "CODE",
        cost_usd=sum(costs) if costs else None,
        tokens=sum(counts) if counts else None,
        seconds=sum(times) if times else None,
        confidence=finding.confidence,
        reverted_at_ns=known.reverted_at_ns if known is not None else None,
        applied_at_ns=known.applied_at_ns if known is not None else None,
    )
    return with_diff(described)


def with_diff(proposal: Proposal) -> Proposal:
    """With the diff as of now; where it cannot be applied, with why, and not recommended."""
    try:
        return replace(proposal, diff=apply.preview(apply.plan(proposal)))
    except ImproveError as error:
        return replace(proposal, diff="", recommended=False, why_not=str(error))
