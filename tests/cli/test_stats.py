"""`harness stats` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine

REPOSITORY = Path(__file__).parents[2]


def test_everything_in_sum(traced: CommandLine) -> None:
    done = traced("stats")
    assert done.code == 0
    lines = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert lines["turns"] == "3, 1 failed" and lines["sessions"] == "1"
    assert "$0.14" in done.out and "at list prices" in done.out


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("day", ["2025-12-02"]),
        ("project", ["order-pricing"]),
        ("agent", ["claude-code"]),
        ("model", ["claude-opus-4-5"]),
        ("tool", ["Agent", "Bash", "Edit", "Grep", "Read"]),
    ],
)
def test_groups_as_table_and_json(traced: CommandLine, by: str, names: list[str]) -> None:
    rows = traced("stats", "--by", by, "--json").json
    assert [row[by] for row in rows] == names
    table = traced("stats", "--by", by).out.splitlines()
    assert table[0].startswith(by) and [line.split()[0] for line in table[1:]] == names


def test_groups_of_two(traced: CommandLine) -> None:
    (row,) = traced("stats", "--by", "project", "--by", "agent", "--json").json
    assert (row["project"], row["agent"], row["turns"]) == ("order-pricing", "claude-code", 3)
    assert traced("stats", "--by", "model", "--by", "tool").code == 2


def test_a_time_of_days(traced: CommandLine) -> None:
    assert traced("stats", "--until", "2025-12-02T14:04Z", "--json").json[0]["turns"] == 1
    assert traced("stats", "--since", "2025-12-02T14:04Z", "--json").json[0]["turns"] == 2
    done = traced("stats", "--since", "2030-01-01")
    assert (done.code, done.out, done.err) == (0, "", "No turn matches.\n")


def test_the_docs_show_what_the_commands_print(traced: CommandLine) -> None:
    page = (REPOSITORY / "docs" / "search-and-stats.md").read_text(encoding="utf-8")
    searched = traced("search", "incompatible", "types")
    assert f"$ harness stats\n{traced('stats').out}```" in page
    assert f"$ harness search incompatible types\n{searched.out}{searched.err}```" in page


def test_nothing_is_stored_yet(run: CommandLine) -> None:
    assert run("stats", "--json").json == []
    assert run("stats").err == "No turn is stored yet.\n"


def test_a_chart_is_drawn_by_day_unless_told_otherwise(traced: CommandLine) -> None:
    pytest.importorskip("matplotlib")
    picture = traced.folder / "out.svg"
    done = traced("stats", "--plot", str(picture))
    assert (done.code, done.out) == (0, "") and "Drew" in done.err
    assert "2025-12-02" in picture.read_text(encoding="utf-8")
    assert traced("stats", "--plot", str(traced.folder / "out.pdf")).code == 2


def test_a_chart_with_a_broken_matplotlib_says_what_is_broken(traced: CommandLine) -> None:
    broken = traced.folder / "broken" / "matplotlib"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('numpy is of another time')\n")
    picture = str(traced.folder / "out.svg")
    done = traced.process("stats", "--plot", picture, PYTHONPATH=str(broken.parent))
    assert done.code == 1
    assert "numpy is of another time" in done.err
    assert "Traceback" not in done.err


def test_a_chart_without_matplotlib_says_how_to_get_it(traced: CommandLine) -> None:
    """An empty folder before site-packages stands for a Python that has none."""
    hidden = traced.folder / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "def find_spec(name, path=None, target=None):\n"
        "    return None if name == 'matplotlib' else find(name, path, target)\n"
        "PathFinder.find_spec = find_spec\n"
    )
    picture = str(traced.folder / "a.svg")
    done = traced.process("stats", "--plot", picture, PYTHONPATH=str(hidden))
    assert done.code == 1
    assert "this needs the extra 'plot'; install it: make setup" in done.err
