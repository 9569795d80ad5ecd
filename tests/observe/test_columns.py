"""Tables made by hand: what goes where there is no room, and what stays readable."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from harness_tracing.observe.columns import Column, cut, fitting, line_width, plain, table
from harness_tracing.observe.sessions import project_lines, session_lines
from harness_tracing.store import ProjectRow, Store

PIECES = st.lists(st.tuples(st.text("ab 字é", max_size=8), st.just("")), max_size=4)


def columns() -> list[Column]:
    return [
        Column("name", [[("alpha", "bold")], [("b", "bold")]]),
        Column("count", [[("1", "")], [("200", "")]], right=True),
        Column("said", [[("a long sentence", "")], [("short", "red")]], least=6),
    ]


def test_texts_stand_left_and_numbers_right() -> None:
    assert [plain(line) for line in table(columns(), 80)] == [
        "name   count  said           ",
        "alpha      1  a long sentence",
        "b        200  short          ",
    ]


def test_the_column_that_may_shrink_gets_what_is_left() -> None:
    assert [plain(line) for line in table(columns(), 22)] == [
        "name   count  said    ",
        "alpha      1  a long …",
        "b        200  short   ",
    ]


def test_columns_go_in_the_order_they_can_be_spared() -> None:
    def names(width: int) -> list[str]:
        return [each.name for each in fitting(columns(), width, ("count", "name"))]

    assert names(20) == ["name", "count", "said"]
    assert names(19) == ["name", "said"]
    assert names(12) == ["said"]


@settings(max_examples=200, deadline=None)
@given(PIECES, st.integers(1, 20))
def test_a_line_is_cut_as_rich_cuts_it(line: list[tuple[str, str]], width: int) -> None:
    text = Text.assemble(*line)
    text.truncate(width, overflow="ellipsis")
    assert plain(cut(line, width)) == text.plain
    assert line_width(cut(line, width)) == cell_len(text.plain)


@pytest.mark.parametrize("width", [26, 30, 40, 50, 59, 60, 70, 80, 100, 120, 200])
def test_no_cell_of_a_narrow_list_is_squeezed(width: int, store: Store) -> None:
    rows = store.sessions()
    projects = [ProjectRow("order-pricing", ("claude-code", "codex", "cursor"), 120, 3400, 10**18)]
    for lines in (session_lines(rows, width), project_lines(projects, width)):
        header, *others = (plain(line) for line in lines)
        assert max(map(len, (header, *others))) <= width and "…" not in header
        if "first prompt" in header:  # which may be cut
            assert not any("…" in line[: header.index("first prompt")] for line in others)


def test_what_is_printed_on_a_terminal_is_what_is_printed_elsewhere() -> None:
    out = io.StringIO()
    console = Console(file=out, width=40, force_terminal=True, color_system="truecolor")
    for line in table(columns(), 40):
        console.print(Text.assemble(*line), no_wrap=True, overflow="ignore", crop=False)
    assert "\x1b[1malpha\x1b[0m" in out.getvalue() and "\x1b[31mshort\x1b[0m" in out.getvalue()
    shown = Text.from_ansi(out.getvalue()).plain.rstrip("\n")
    assert shown.split("\n") == [plain(line) for line in table(columns(), 40)]
