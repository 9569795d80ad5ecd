"""`harness annotate`: what a person says of a turn, a span or a session."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import click

from harness_tracing.cli.edge import Edge, pass_edge, print_json, talk
from harness_tracing.errors import StoreError

if TYPE_CHECKING:
    from harness_tracing.store import Store

_SPAN = re.compile(r"[0-9a-fA-F]{16}")
_TRACE = re.compile(r"[0-9a-fA-F]{32}")
_TURN = re.compile(r"(.+):(\d{1,9})")
_LONGEST_NAME = 200


def _name(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value.strip() or len(value) > _LONGEST_NAME or not value.isprintable():
        raise click.BadParameter(f"a name of 1 to {_LONGEST_NAME} printable characters is needed.")
    return value


def _finite(
    _ctx: click.Context, _parameter: click.Parameter, value: Optional[float]
) -> Optional[float]:
    if value is not None and not abs(value) < float("inf"):
        raise click.BadParameter("a finite number is needed.")
    return value


@click.command()
@click.argument("target", metavar="TARGET")
@click.option("--name", required=True, callback=_name, help="What is judged, such as correct.")
@click.option("--label", help="The verdict in a word.")
@click.option("--score", type=float, callback=_finite, help="The verdict as a number.")
@click.option("--explanation", help="Why, in words.")
@click.option(
    "--identifier",
    default="",
    help="Tells apart several of one NAME on one span, such as the names of two people.",
)
@click.option("--delete", is_flag=True, help="Take back what was said under that name.")
@click.option("--json", "as_json", is_flag=True, help="Print what is said now as JSON.")
@pass_edge
def annotate(
    edge: Edge,
    /,
    target: str,
    name: str,
    identifier: str,
    delete: bool,
    as_json: bool,
    **verdict: Any,
) -> None:
    """Say what you think of a turn, a span or a session; said again by that name, it replaces.

    TARGET is a span's id, a turn's trace id, SESSION:NUMBER for a turn of a session, or SESSION
    for all of it; its id may be shortened. `harness spans export` gives what was said with the
    span, as one of its `annotations`; `harness sessions show --json` what was said of a session.
    """
    from harness_tracing import worker
    from harness_tracing.store import Annotation

    said = any(value is not None for value in verdict.values())
    if said is delete:
        raise click.UsageError("Give --label, --score or --explanation; or --delete alone.")
    with edge.store(readonly=False) as store:
        if store is None:
            raise StoreError("nothing has been traced yet, so there is nothing to annotate")
        place = _place(store, target)
        key = (place.agent, place.session_id)
        if delete:
            if not store.delete_annotation(*key, place.span_id, name, identifier):
                raise StoreError(f"nothing was said of {target} under the name {name!r}")
        else:
            annotation = Annotation(place.span_id, name, "HUMAN", identifier=identifier, **verdict)
            store.annotate(*key, [annotation], edge.now_ns())
        left = [each for each in store.annotations(*key) if each.span_id == place.span_id]
    # What was said just now follows its span at once, where that was sent.
    worker.sweep_in_background(edge.home, edge.environ)
    if as_json:
        from harness_tracing.observe.verdicts import to_json

        print_json([to_json(each) for each in left])
    else:
        talk(f"{'Took back' if delete else 'Noted'} {name!r} on {place.what}.")


@dataclass(frozen=True)
class _Place:
    """Whose span it is, and how to call it."""

    agent: str
    session_id: str
    span_id: str
    what: str


def _place(store: Store, target: str) -> _Place:
    """Raises StoreError when there is no such span, turn or session."""
    from harness_tracing.model import Turn, span_id

    def of_turn(turn: Turn) -> _Place:
        own = span_id(turn.agent, turn.session_id, turn.turn_id)
        what = f"turn {turn.number} of session {turn.session_id}"
        return _Place(turn.agent, turn.session_id, own, what)

    if _SPAN.fullmatch(target):
        turn = store.turn_by_span_id(target)
        if turn is not None:
            place = of_turn(turn)
            if place.span_id == target.lower():
                return place
            what = f"span {target.lower()} of {place.what}"
            return _Place(turn.agent, turn.session_id, target.lower(), what)
    if _TRACE.fullmatch(target):
        turn = store.turn_by_trace_id(target)
        if turn is not None:
            return of_turn(turn)
    named = _TURN.fullmatch(target)
    row = store.session(named[1]) if named else None
    if named and row is not None:
        for turn in store.turns(row.agent, row.session_id):
            if turn.number == int(named[2]):
                return of_turn(turn)
        raise StoreError(f"session {row.session_id} has no turn {named[2]}; it has {row.turns}")
    whole = None if named else store.session(target)
    if whole is not None:
        return _Place(whole.agent, whole.session_id, "", f"session {whole.session_id}")
    raise StoreError(
        f"there is no span, turn or session {target!r}; write a span id (16 hex digits), a trace "
        "id (32), SESSION:NUMBER for a turn, or SESSION"
    )
