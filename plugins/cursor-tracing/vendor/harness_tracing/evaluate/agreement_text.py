"""An agreement for the terminal: the confusion table, the rates, and where both differ."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from harness_tracing.evaluate.agreement import FEW, Agreement, Apart, Pair, label_of

_APART: dict[Apart, str] = {
    "not_measurable": "not measurable",
    "failed": "no verdict",
    "nothing_to_judge": "nothing to judge",
    "not_asked": "not asked",
    "no_label": "a person's score that is no label",
}
_CORNER = "people ↓  evaluator →"


def lines(found: Agreement) -> Iterator[str]:
    """The comparison, line by line; what people and models wrote is made one line of each."""
    if found.compared:
        yield from _table(found)
        yield ""
        rate = "–" if found.rate is None else f"{found.rate:.0%}"
        yield f"agreement      {rate} ({found.agreed} of {found.compared})"
        kappa = "not defined: chance alone agrees" if found.kappa is None else f"{found.kappa:.2f}"
        yield f"Cohen's kappa  {kappa}"
        if found.compared < FEW:
            yield f"Fewer than {FEW} labels: take these numbers for a first impression."
    apart = [f"{words}: {found.apart[why]}" for why, words in _APART.items() if why in found.apart]
    if apart:
        yield f"Apart from that, {', '.join(apart)}."
    if found.foreign:
        yield f"No labels of the evaluator: {', '.join(map(_line, found.foreign))}."
    if found.disagreements:
        yield ""
        yield "Disagreements"
        for pair in found.disagreements:
            yield from _disagreement(pair, found)


def _table(found: Agreement) -> Iterator[str]:
    """Rows are what people said, columns what the evaluator did."""
    columns = [
        label for label in found.labels if label not in found.foreign or _is_said(label, found)
    ]
    rows = [label for label in found.labels if label in columns or _is_heard(label, found)]
    heads = [_line(label) for label in columns]
    first = max(cell_len(_line(text)) for text in (_CORNER, *rows))
    yield _padded(_CORNER, first) + "".join(f"  {head}" for head in heads)
    for human in rows:
        counts = [found.counts.get((human, said), 0) for said in columns]
        cells = [str(n or "·").rjust(cell_len(head) + 2) for n, head in zip(counts, heads)]
        yield _padded(_line(human), first) + "".join(cells)


def _line(text: str) -> str:
    """Somebody's text on one line, so that it cannot look like one of ours."""
    return " ".join(text.split())


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _is_said(label: str, found: Agreement) -> bool:
    return any(said == label for _, said in found.counts)


def _is_heard(label: str, found: Agreement) -> bool:
    return any(human == label for human, _ in found.counts)


def _disagreement(pair: Pair, found: Agreement) -> Iterator[str]:
    said = pair.said
    assert said is not None
    human = label_of(pair.human, dict.fromkeys(found.labels)) or f"score {pair.human.score:g}"
    yield f"  {pair.ref}  {_line(human)} ↔ {_line(said.label or '')}"
    if pair.human.explanation:
        yield f"    person: {_line(pair.human.explanation)}"
    if said.explanation:
        yield f"    evaluator: {_line(said.explanation)}"
