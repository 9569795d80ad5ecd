"""What a search found, with the places where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from harness_tracing.model import ToolCall, step_id
from harness_tracing.observe.columns import WIDEST, Line, cut, joined, words
from harness_tracing.observe.text import moment, plain, plural, telling_length
from harness_tracing.store import Found
from harness_tracing.store.documents import WHERES, Piece, pieces
from harness_tracing.store.terms import Term, folded, found_in, parse, shown

_BEFORE, _AFTER = 30, 130
_NO_OPERATORS = ("OR", "AND", "NOT", "NEAR")


@dataclass(frozen=True)
class Snippet:
    """A part of a text on one line, and which spans of it were searched for."""

    text: str
    marked: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Hit:
    """A turn that was found: the piece that tells most, and in which others words stand too."""

    found: Found
    piece: Piece
    snippet: Snippet
    wheres: tuple[str, ...]

    @property
    def tool(self) -> Optional[str]:
        """The tool whose command or output the piece is."""
        return self.piece.step.name if isinstance(self.piece.step, ToolCall) else None


def hits(found: Iterable[Found], query: str) -> list[Hit]:
    """The turns with snippets, in the order they were found."""
    terms = parse(query)
    return [_hit(each, terms) for each in found]


def _hit(found: Found, terms: Sequence[Term]) -> Hit:
    """The first of the pieces that most terms stand in tells most."""
    turn = found.turn
    best, most, wheres = Piece("prompt", turn.prompt or ""), 0, set()
    for piece in sorted(pieces(turn, turn.steps), key=lambda piece: WHERES.index(piece.where)):
        text = folded(piece.text)
        count = sum(1 for term in terms if term.pattern.search(text))
        if count:
            wheres.add(piece.where)
        if count > most:
            best, most = piece, count
    where = tuple(each for each in WHERES if each in wheres)
    return Hit(found, best, snippet(best.text, terms), where or (best.where,))


def snippet(text: str, terms: Sequence[Term]) -> Snippet:
    """The part of a text around the first of the terms, with marks on all of them."""
    text = shown(text)
    spans = sorted(found_in(folded(text), terms))
    middle = spans[0][0] if spans else 0
    begin, end = max(0, middle - _BEFORE), min(len(text), middle + _AFTER)
    made, marked = "…" if begin else "", []
    for start, stop in [*_apart(spans, begin, end), (end, end)]:
        made += _one_line(text[begin:start])
        if stop > start:
            word = _one_line(text[start:stop])
            marked.append((len(made), len(made) + len(word)))
            made += word
        begin = stop
    return Snippet(made + ("…" if end < len(text) else ""), tuple(marked))


def _apart(spans: Iterable[tuple[int, int]], begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The spans within the bounds, without those that lie in an earlier one."""
    for start, stop in spans:
        if begin <= start and stop <= end:
            yield start, stop
            begin = stop


def _one_line(text: str) -> str:
    """Blanks drawn together, those at the edges kept as one."""
    flat = " ".join(plain(text).split())
    before, after = text[:1].isspace(), text[-1:].isspace()
    return (" " if before else "") + flat + (" " if after and flat else "")


def report(hit: Hit) -> dict[str, Any]:
    """A hit as plain JSON."""
    from harness_tracing.spans.json_form import iso_time

    turn = hit.found.turn
    return {
        "session_id": hit.found.session_id,
        "agent": hit.found.agent,
        "project": hit.found.project,
        "turn": turn.number,
        "turn_id": turn.turn_id,
        "started_at": iso_time(turn.started_at_ns),
        "status": turn.status,
        "prompt": turn.prompt,
        "found_in": list(hit.wheres),
        "where": hit.piece.where,
        "tool": hit.tool,
        "step_id": step_id(hit.piece.step) if hit.piece.step is not None else None,
        "snippet": hit.snippet.text,
        "marked": [list(span) for span in hit.snippet.marked],
    }


def lines(found: Sequence[Hit], width: int) -> Iterator[Line]:
    """Two lines per hit: whose turn it is and when, then where the words stand."""
    length = telling_length([hit.found.session_id for hit in found])
    for hit in found:
        for line in (_whose(hit, length), _where(hit)):
            yield cut(line, min(width, WIDEST))


def _whose(hit: Hit, length: int) -> Line:
    turn = hit.found.turn
    return joined(
        words(hit.found.session_id[:length], "bold"),
        words(f"turn {turn.number}"),
        words(moment(turn.started_at_ns), "dim"),
        words(hit.found.project, "dim"),
        words(turn.prompt if hit.piece.where != "prompt" else "", "dim"),
    )


def _where(hit: Hit) -> Line:
    where = f"{hit.piece.where} of {hit.tool}" if hit.tool else hit.piece.where
    text, shown, line = hit.snippet.text, 0, [("  ", ""), *words(f"{where}:", "cyan"), (" ", "")]
    for start, end in hit.snippet.marked:
        line += [(text[shown:start], ""), (text[start:end], "bold yellow")]
        shown = end
    return [*line, (text[shown:], "")]


def summary(found: Sequence[Hit], limit: int, query: str = "") -> str:
    """How much was found, and how to see more."""
    if not found:
        taken = [each for each in _NO_OPERATORS if each in re.findall(r"\w+", query)]
        hint = " {} is a word like others: all words of a search are needed."
        return "Nothing was found." + (hint.format(taken[0]) if taken else "")
    if len(found) < limit:
        return f"Found in {plural(len(found), 'turn')}."
    return f"The {limit} best; --limit gives more."
