"""Which steps of a turn are spans in each shape: the outbox counts on it before any is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded import play, recordings

from harness_tracing.model import Moment, ToolCall, Turn, span_id, step_id
from harness_tracing.prices import PriceTable
from harness_tracing.spans import spans

FOLDERS = recordings("claude-code")
TABLE = PriceTable.load()


def span_ids(turn: Turn, items: list[str]) -> list[str]:
    return [span_id(turn.agent, turn.session_id, turn.turn_id, item) for item in ("", *items)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_spans_are_the_turn_and_the_steps_that_its_shape_shows(folder: Path) -> None:
    """turns: the tools. calls: all but the moments that are no compaction."""
    for collected in play(folder).values():
        for turn in collected.whole():
            steps = {step_id(step): step for step in turn.steps}
            tools = [item for item, step in steps.items() if isinstance(step, ToolCall)]
            shown = [
                item
                for item, step in steps.items()
                if not isinstance(step, Moment) or step.kind == "compaction"
            ]
            for shape, expected in (("turns", tools), ("calls", shown)):
                made = spans(turn, collected.session, shape, TABLE, harness_version="0")  # type: ignore[arg-type]
                assert [span.span_id for span in made] == span_ids(turn, expected)
