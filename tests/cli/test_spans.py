"""`harness spans export`."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.observe.examples import SESSION, TURNS

FIELDS = {
    "name",
    "context",
    "kind",
    "parent_id",
    "start_time",
    "end_time",
    "status_code",
    "status_message",
    "attributes",
    "annotations",
    "evaluations",
    "events",
}


def test_stdout_holds_the_spans_and_nothing_else(traced: CommandLine) -> None:
    ran = traced("spans", "export", "--session-id", SESSION.session_id, "--stdout")
    assert (ran.code, ran.err) == (0, "")
    assert all(set(span) <= FIELDS for span in ran.json)
    assert all(set(span["context"]) == {"trace_id", "span_id"} for span in ran.json)
    roots = [span for span in ran.json if "parent_id" not in span]
    assert [span["name"] for span in roots] == ["Turn 1", "Turn 2", "Turn 3"]


def test_the_default_shape_is_turns(traced: CommandLine) -> None:
    command = ["spans", "export", "--session-id", "4763", "--stdout"]
    assert traced(*command) == traced(*command, "--shape", "turns")
    kinds = [span["kind"] for span in traced(*command).json]
    assert kinds.count("LLM") == len(TURNS)
    kinds = [span["kind"] for span in traced(*command, "--shape", "calls").json]
    assert kinds.count("LLM") == 7


def test_a_filter_chooses_among_the_spans(traced: CommandLine) -> None:
    expression = "status_code = 'ERROR' and attributes.tool.name like 'Ba%'"
    ran = traced("spans", "export", "--session-id", "4763", "--filter", expression, "--stdout")
    assert [span["name"] for span in ran.json] == ["Bash", "Bash"]


def test_a_filter_that_is_not_understood_is_a_problem_said_clearly(traced: CommandLine) -> None:
    ran = traced("spans", "export", "--session-id", "4763", "--filter", "nope = 1", "--stdout")
    assert (ran.code, ran.out) == (1, "")
    assert "unknown column 'nope'" in ran.err and "status_code" in ran.err


def test_without_stdout_a_file_is_written_and_named(
    traced: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = traced("spans", "export", "--session-id", SESSION.session_id)
    path = Path(ran.out.rstrip("\n"))
    assert path.parts[0] == ".arize-tmp-traces"
    assert path.parts[1].startswith(f"session_{SESSION.session_id}_")
    assert path.name == "spans.json"
    on_stdout = traced("spans", "export", "--session-id", SESSION.session_id, "--stdout").json
    assert json.loads(path.read_text(encoding="utf-8")) == on_stdout
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_output_folder_of_ones_own(traced: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where"
    ran = traced("spans", "export", "--session-id", "4763", "--output-dir", str(folder))
    assert ran.out == f"{folder / 'spans.json'}\n"
    assert json.loads((folder / "spans.json").read_text(encoding="utf-8"))


def test_a_file_that_cannot_be_written_is_a_problem(traced: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    where = str(tmp_path / "file" / "below")
    ran = traced("spans", "export", "--session-id", "4763", "--output-dir", where)
    assert (ran.code, ran.out) == (1, "")
    assert "cannot write" in ran.err


def test_a_project_gives_the_last_days_up_to_the_limit(traced: CommandLine) -> None:
    assert traced("spans", "export", "order-pricing", "--stdout", "--days", "1").json == []
    everything = traced("spans", "export", "order-pricing", "--stdout", "--all").json
    assert len(everything) == 9
    ran = traced("spans", "export", "order-pricing", "--stdout", "--days", "36500", "--limit", "2")
    assert len(ran.json) == 2
    assert "--limit or --all gives more" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--trace-id", "nope"], "there is no trace 'nope'"),
        (["--span-id", "nope"], "there is no span 'nope'"),
        (["nope"], "there is no project 'nope'"),
    ],
)
def test_what_is_not_there_is_a_problem(
    traced: CommandLine, arguments: list[str], says: str
) -> None:
    ran = traced("spans", "export", *arguments, "--stdout")
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err


def test_a_session_that_is_not_there_has_no_spans(traced: CommandLine) -> None:
    ran = traced("spans", "export", "--session-id", "nope", "--stdout")
    assert (ran.code, ran.json) == (0, [])
    assert "there is no session 'nope'" in ran.err

    assert traced("spans", "export", "--session-id", "nope").code == 1


def test_nothing_traced_yet_is_a_problem(run: CommandLine) -> None:
    ran = run("spans", "export", "--session-id", "x", "--stdout")
    assert (ran.code, ran.out) == (1, "")
    assert "nothing has been traced yet" in ran.err
