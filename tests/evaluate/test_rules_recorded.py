"""The rules over every recording: a table that is kept, each hit of which a person looked at."""

from __future__ import annotations

from harness_tracing.model import Session
from harness_tracing.prices import PriceTable
from harness_tracing.redact import Policy
from harness_tracing.spans import spans
from tests import golden
from tests.evaluate.on_recordings import JUDGED_BY_HAND, said, sessions, table


def test_the_table_of_recordings_stays_as_it_is() -> None:
    verdicts = said(Policy())
    lines = [f"{each.recording} turn {each.turn}, {each.rule}: {each.label}: {each.why}"
             for each in verdicts if each.kind != "pass"]  # fmt: skip
    golden.check("evaluate/recordings", table(verdicts) + "\n" + "\n".join(lines) + "\n")


def test_somebody_looked_at_each_hit_and_each_not_measurable() -> None:
    found = {
        (each.recording, each.turn, each.rule) for each in said(Policy()) if each.kind != "pass"
    }
    assert found == set(JUDGED_BY_HAND)


def test_with_content_switched_off_nothing_passes_and_nothing_is_a_hit() -> None:
    verdicts = said(Policy(prompts=False, tool_details=False, tool_content=False))
    assert {each.kind for each in verdicts} == {"not measurable"}
    assert len({each.rule for each in verdicts}) == 8


def test_the_evidence_of_a_verdict_is_spans_of_its_turn() -> None:
    shown: dict[tuple[str, int], set[str]] = {}
    for each in said(Policy()):
        if each.evidence:
            shown.setdefault((each.session_id, each.turn), set()).update(each.evidence)
    assert len(shown) > 10
    prices = PriceTable.load()
    for _, session_id, turns, _ in sessions():
        for turn in turns:
            drawn = spans(
                turn, Session(turn.agent, session_id, "p"), "turns", prices, harness_version="0"
            )
            ids = {span.span_id for span in drawn}
            assert shown.get((session_id, turn.number), set()) <= ids
