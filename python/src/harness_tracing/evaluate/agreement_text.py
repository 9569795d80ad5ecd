"""An agreement for the terminal: the confusion table, the rates, and where both differ."""

from __future__ import annotations

from collections.abc import Iterator

from harness_tracing.evaluate.agreement import FEW, Agreement, Apart, Pair, label_of

_APART: dict[Apart, str] = {
    "not_measurable": "not measurable",
    "failed": "no verdict",
    "nothing_to_judge": "nothing to judge",
    "not_asked": "not asked",
    "no_label": "a person's score that is no label",
}
_HUMAN, _SAID = "people ↓  evaluator →", "  "


def lines(found: Agreement) -> Iterator[str]:
    """The comparison, line by line; texts of people and models are as they were given."""
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
        yield f"No labels of the evaluator: {', '.join(found.foreign)}."
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
    first = max(len(text) for text in (_HUMAN, *rows))
    yield _HUMAN.ljust(first) + "".join(f"  {label}" for label in columns)
    for human in rows:
        counts = [found.counts.get((human, said), 0) for said in columns]
        cells = [str(n or "·").rjust(len(label) + 2) for n, label in zip(counts, columns)]
        yield human.ljust(first) + "".join(cells)


def _is_said(label: str, found: Agreement) -> bool:
    return any(said == label for _, said in found.counts)


def _is_heard(label: str, found: Agreement) -> bool:
    return any(human == label for human, _ in found.counts)


def _disagreement(pair: Pair, found: Agreement) -> Iterator[str]:
    said = pair.said
    assert said is not None
    human = label_of(pair.human, dict.fromkeys(found.labels)) or f"score {pair.human.score:g}"
    yield f"  {pair.ref}  {human} ↔ {said.label}"
    if pair.human.explanation:
        yield f"    person: {pair.human.explanation}"
    if said.explanation:
        yield f"    evaluator: {said.explanation}"
