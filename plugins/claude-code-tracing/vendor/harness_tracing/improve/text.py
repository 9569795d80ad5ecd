"""Proposals as lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from harness_tracing.improve.apply import is_in_place
from harness_tracing.improve.proposal import Proposal, Replay
from harness_tracing.improve.suggest import Once, Suggestions
from harness_tracing.observe.text import duration, first_line, moment, money, plain, plural, tokens

KINDS = {
    "rules_line": "rule line",
    "stop_hook": "Stop hook",
    "pre_tool_hook": "PreToolUse hook",
    "permission_deny": "permissions",
    "slash_command": "command",
}
_SHOWN_EVIDENCE = 3


def suggested(found: Suggestions) -> Iterator[str]:
    """What was found, the gravest first."""
    number = 0
    last = None
    for proposal in found.proposals:
        about = (proposal.rule, proposal.agent, proposal.folder)
        if about != last:
            number += 1
            yield from ([""] if last else [])
            yield f"{number}. {_finding(proposal)}"
            yield from _evidence(proposal, _SHOWN_EVIDENCE)
            last = about
        yield f"   {brief(proposal)}"
        for line in price(proposal):
            yield f"      {line}"
    if found.seen_once:
        yield from ([""] if last else [])
        yield "Not yet, too rare:"
        for once in found.seen_once:
            yield f"   {_once(once)}"
    for note in found.notes:
        yield f"Note: {first_line(note)}"


def brief(proposal: Proposal) -> str:
    """A proposal in a line: id, kind, file, whether it is recommended."""
    mark = "recommended" if proposal.recommended else "not recommended"
    state = mark if proposal.state == "proposed" else proposal.state
    return f"{proposal.proposal_id}  {KINDS[proposal.kind]} in {_path(proposal)}: {state}"


def listed(proposals: list[Proposal]) -> Iterator[str]:
    """A line for each."""
    for proposal in proposals:
        yield f"{brief(proposal)} ({plain(proposal.rule)}, {plain(proposal.folder)})"


def shown(proposal: Proposal, diff: str) -> Iterator[str]:
    """All there is to know before one decides; `diff` is that against the files as they are."""
    yield brief(proposal)
    yield _finding(proposal)
    yield from _evidence(proposal, len(proposal.evidence))
    yield from (f"   {line}" for line in price(proposal))
    yield f"   project: {plain(proposal.folder)}"
    if proposal.applied_at_ns is not None:
        yield f"   applied: {moment(proposal.applied_at_ns)}"
    if proposal.reverted_at_ns is not None:
        yield f"   taken back: {moment(proposal.reverted_at_ns)}"
    yield ""
    if diff:
        yield plain(diff).rstrip("\n")
    elif is_in_place(proposal):
        yield "Everything is in the files already."
    else:
        yield "It cannot be applied as things are."


def price(proposal: Proposal) -> Iterator[str]:
    """What it would have done in recorded turns, and what speaks against it."""
    if proposal.replay is not None:
        yield f"replayed: {replayed(proposal.replay)}"
    if proposal.why_not:
        yield f"why not: {first_line(proposal.why_not)}"
    if proposal.note:
        yield f"note: {first_line(proposal.note)}"


def question(proposal: Proposal) -> str:
    """What a person is asked: with what speaks against it, since the diff may be long."""
    against = ""
    if not proposal.recommended:
        against = f"Not recommended: {first_line(proposal.why_not).rstrip('.')}. "
    return f"{against}Write this into {proposal.folder}?"


def replayed(replay: Replay) -> str:
    """A replay in words."""
    if not replay.would_block:
        return f"it would have blocked none of {plural(replay.seen, 'recorded turn')}"
    unclear = replay.would_block - replay.rightly - replay.wrongly
    more = f", {unclear} cannot be told" if unclear else ""
    return (
        f"it would have blocked {replay.would_block} of {plural(replay.seen, 'recorded turn')}:"
        f" {replay.rightly} rightly, {replay.wrongly} wrongly{more}"
    )


def _finding(proposal: Proposal) -> str:
    judge = "a model judged" if proposal.annotator_kind == "LLM" else "a rule judged"
    took = [
        money(proposal.cost_usd) + " at list prices" if proposal.cost_usd is not None else "",
        f"{tokens(proposal.tokens)} tokens" if proposal.tokens is not None else "",
        duration(round(proposal.seconds * 1e9)) if proposal.seconds is not None else "",
    ]
    costs = ", ".join(each for each in took if each)
    of = f"{proposal.turns} of {plural(proposal.measurable, 'turn')}"
    return (
        f"{plain(proposal.rule)} ({proposal.agent}): not passed in {of},"
        f" {plural(proposal.sessions, 'session')}; at least {proposal.confidence:.0%} in all"
        f" likelihood; {judge}" + (f"; these turns took {costs}" if costs else "")
    )


def _evidence(proposal: Proposal, most: int) -> Iterator[str]:
    for each in proposal.evidence[-most:]:
        said = first_line(each.explanation or each.label)
        yield f"   - {plain(each.session_id)}:{each.number} {moment(each.started_at_ns)}  {said}"


def _once(once: Once) -> str:
    often = "once" if once.turns == 1 else f"{once.turns} times"
    said = f": {first_line(once.explanation)}" if once.explanation else ""
    return f"{plain(once.rule)} ({once.agent}): seen {often}; not yet{said}"


def _path(proposal: Proposal) -> str:
    return plain(str(proposal.changes[-1 if proposal.kind == "stop_hook" else 0].path))
