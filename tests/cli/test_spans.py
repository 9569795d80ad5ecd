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


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("nope = 1", "unknown column 'nope'"),
        ("start_time = 5", "start_time is compared with a time"),
        ("attributes.llm.token_count.total > 'abc'", "can never be true"),
    ],
)
def test_a_filter_that_is_not_understood_is_wrong_usage_said_clearly(
    traced: CommandLine, expression: str, says: str
) -> None:
    ran = traced("spans", "export", "--session-id", "4763", "--filter", expression, "--stdout")
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


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


def test_two_exports_in_one_second_are_two_files(
    traced: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.time_ns", lambda: 1_764_684_192_000_000_000)
    paths = [Path(traced("spans", "export", "order-pricing", "--all").out.strip()) for _ in "abc"]
    assert len({*paths}) == 3
    assert all(json.loads(path.read_text(encoding="utf-8")) for path in paths)


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


def test_a_session_of_which_the_filter_matches_nothing_is_no_problem(traced: CommandLine) -> None:
    nothing = ["--filter", "name = 'nothing is called so'", "--stdout"]
    ran = traced("spans", "export", "--session-id", "4763", *nothing)
    assert (ran.code, ran.json, ran.err) == (0, [], "")


def test_nothing_traced_yet_is_a_problem(run: CommandLine) -> None:
    ran = run("spans", "export", "--session-id", "x", "--stdout")
    assert (ran.code, ran.out) == (1, "")
    assert "nothing has been traced yet" in ran.err


@pytest.mark.parametrize(
    ("times", "numbers"),
    [
        (["--start-time", "2025-12-02"], [1, 2, 3]),
        (["--start-time", "2025-12-02T14:04:12Z"], [2, 3]),
        (["--start-time", "2025-12-02T15:04:12+01:00"], [2, 3]),
        (["--start-time", "2025-12-02T14:04:12.000000001Z"], [3]),
        (["--end-time", "2025-12-02T14:04:12Z", "--all"], [1]),
        (["--start-time", "2025-12-02T14:04", "--end-time", "2025-12-02T14:05"], [2]),
        (["--days", "1", "--end-time", "2025-12-03T14:04:00Z"], [2, 3]),
        (["--days", "1", "--end-time", "2025-12-02"], []),
    ],
)
def test_turns_are_chosen_by_when_they_began(
    traced: CommandLine, times: list[str], numbers: list[int]
) -> None:
    of_turns = ["--filter", "attributes.harness.span.type = 'turn'"]
    for which in (["order-pricing"], ["--session-id", "4763"]):
        ran = traced("spans", "export", *which, "--stdout", *of_turns, *times)
        assert [span["attributes"]["harness.turn.number"] for span in ran.json] == numbers


def test_all_without_a_project_is_everything(traced: CommandLine, tmp_path: Path) -> None:
    ran = traced("spans", "export", "--all", "--stdout")
    assert ran.json == traced("spans", "export", "order-pricing", "--all", "--stdout").json


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["p", "--start-time", "yesterday"], "no date"),
        (["p", "--start-time", "2025-13-01"], "no date"),
        (["p", "--start-time", "2025-12-02", "--days", "3"], "--days and --start-time"),
        (["p", "--start-time", "2025-12-02", "--end-time", "2025-12-01"], "has to be before"),
        (["p", "--days", "999999999999"], "--days"),
        (["p", "--from", "phoenix", "--shape", "calls"], "--shape"),
        (["--from", "phoenix", "--all"], "PROJECT"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    traced: CommandLine, arguments: list[str], says: str
) -> None:
    ran = traced("spans", "export", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


def test_an_attribute_that_looks_misspelt_is_noted(traced: CommandLine) -> None:
    wanted = "attributes.tool.nmae = 'Bash'"
    ran = traced("spans", "export", "order-pricing", "--all", "--stdout", "--filter", wanted)
    assert (ran.code, ran.json) == (0, [])
    assert "did you mean attributes.tool.name?" in ran.err


def test_a_project_that_is_not_there_names_those_that_are(traced: CommandLine) -> None:
    assert "'order-pricing'" in traced("spans", "export", "order-prising").err
