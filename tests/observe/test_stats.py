"""Sums for people, for programs, and drawn."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness_tracing.errors import TracerError
from harness_tracing.model import Session, Turn, Usage
from harness_tracing.observe import stats
from harness_tracing.store import SessionChange, Store, TurnChoice, TurnWrite, UsageRow
from tests import golden

EMPTY = UsageRow((), 1, 1, 0, 0, 0, 0, 0, 0, None, None, None)


@pytest.fixture
def unpriced(store: Store) -> Store:
    """The example session, and a turn of a model that has no price."""
    turn = Turn(
        "codex",
        "s-2",
        "p-1",
        1,
        "completed",
        1764684000 * 10**9,
        model="a-model",
        usage=Usage(1000, 10),
    )
    session = Session("codex", "s-2", "$odd\nname")
    store.write(SessionChange(session, (TurnWrite(turn, True, None, ("a-model",)),)))
    return store


def test_golden_sums(unpriced: Store) -> None:
    out = io.StringIO()
    (whole,) = unpriced.usage((), TurnChoice())
    out.write("".join(f"{name:<18}{value}\n" for name, value in stats.summary(whole)))
    for by in (("day",), ("agent",), ("model",), ("tool",), ("project", "agent")):
        for width in (80, 140):
            out.write(f"\nby {' and '.join(by)}, {width} wide\n")
            lines = stats.table(unpriced.usage(by, TurnChoice()), by, width)
            assert max(map(len, lines)) <= width
            out.write("\n".join(lines) + "\n")
    golden.check("observe/stats", out.getvalue())


def test_columns_make_room_for_names_that_begin_alike() -> None:
    usage = Usage(37_800_000, 219_600)
    names = ("claude-opus-4-5", "claude-opus-4-1")
    rows = [
        UsageRow((name,), 9, 9, 7, 398, 668, 0, 57, 337, 10**12, None, 24.59, usage)
        for name in names
    ]
    for width, gone in ((80, "time"), (64, "turns")):
        header, *lines = stats.table(rows, ("model",), width)
        assert [line.split()[0] for line in lines] == list(names)
        assert gone not in header.split()
        assert max(map(len, lines)) <= width


def test_what_is_not_known_is_null_and_not_zero() -> None:
    report = stats.report(EMPTY, ())
    for name in ("input_tokens", "cache_hit_rate", "cost_usd", "duration_ms"):
        assert report[name] is None, name


def test_a_rate_needs_both_of_its_numbers(store: Store) -> None:
    (row,) = store.usage((), TurnChoice())
    assert stats.cache_hit_rate(row) == pytest.approx((75_000 + 13_000) / (79_495 + 14_099))
    assert stats.cache_hit_rate(EMPTY) is None


@pytest.mark.parametrize("by", [("day",), ("tool",), ("project", "agent")], ids=" ".join)
def test_a_chart_is_a_picture_of_the_groups(
    unpriced: Store, tmp_path: Path, by: tuple[str, ...]
) -> None:
    pytest.importorskip("matplotlib")
    rows = unpriced.usage(by, TurnChoice())
    stats.plot(rows, by, tmp_path / "out.svg")
    text = (tmp_path / "out.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag.endswith("svg")
    for row in rows:
        assert row.names[-1].split("\n")[0].lstrip("$") in text
    stats.plot(rows, by, tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_a_chart_that_cannot_be_written_says_where(store: Store, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(TracerError, match="nowhere"):
        stats.plot(store.usage(("day",), TurnChoice()), ("day",), tmp_path / "nowhere" / "a.svg")
