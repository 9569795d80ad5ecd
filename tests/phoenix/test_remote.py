"""`--from phoenix`: a session as a real server has it, beside the same one in the local store."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness_tracing.cli.app import harness
from harness_tracing.cli.edge import Edge
from tests.phoenix.playing import flushing_place, harness_of
from tests.phoenix.server import Phoenix
from tests.worker.player import Place, capture

pytestmark = pytest.mark.phoenix

IN_CALLS = ["thinking", "subagent_parallel", "compact_manual"]
IN_TURNS = ["claude-code-own/subagent_nested"]
# A session's start and end are no spans: how long it took is from its first to its last turn.
TOOK = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d) · .* · (\d+ turns?)$", re.MULTILINE)


@dataclass(frozen=True)
class Both:
    """A home whose sessions were delivered to a server under a project of their own."""

    place: Place
    project: str

    def ran(self, *arguments: str) -> Result:
        """Run a command in this process."""
        edge = Edge(self.place.environ(COLUMNS="110"))
        return CliRunner().invoke(harness, arguments, obj=edge)

    def __call__(self, *arguments: str) -> str:
        done = self.ran(*arguments)
        assert done.exit_code == 0, (arguments, done.output, done.exception)
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments))

    def ids(self) -> list[str]:
        return [row["session_id"] for row in self.json("sessions", "list", "--json")]

    def here_and_there(self, *arguments: str) -> tuple[str, str]:
        """What the local store gives, and what the server does."""
        there = self(*arguments, "--from", "phoenix")
        return TOOK.sub(r"\1 \2", self(*arguments)), TOOK.sub(r"\1 \2", there)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    started = Phoenix(tmp_path_factory.mktemp("phoenix")).start()
    yield started
    started.kill()


def _delivered(server: Phoenix, shape: str, names: list[str], folder: Path) -> Iterator[Both]:
    project = f"team/{shape}"
    with flushing_place(folder, server.url, shape, PHOENIX_PROJECT=project) as place:
        for name in names:
            capture(place, name)
        harness_of(place)("flush", "--wait", "--verify")
        yield Both(place, project)


@pytest.fixture(scope="module")
def calls(server: Phoenix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    yield from _delivered(server, "calls", IN_CALLS, tmp_path_factory.mktemp("calls"))


@pytest.fixture(scope="module")
def turns(server: Phoenix, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    yield from _delivered(server, "turns", IN_TURNS, tmp_path_factory.mktemp("turns"))


def test_in_shape_calls_a_session_is_shown_as_here(calls: Both) -> None:
    ids = calls.ids()
    assert len(ids) == len(IN_CALLS)
    for each in ids:
        for how in (["show", each], ["show", each, "--full"], ["summary", each]):
            here, there = calls.here_and_there("sessions", *how, "--no-pager")
            assert there == here


def test_in_shape_turns_it_is_shown_without_its_model_calls(turns: Both) -> None:
    (each,) = turns.ids()
    here, there = turns.here_and_there("sessions", "show", each, "--no-pager")
    calls = re.compile(r"claude-[a-z0-9-]+ .* out ")
    assert calls.search(here) and not calls.search(there)
    assert there.splitlines()[:8] == here.splitlines()[:8]
    tools = re.compile(r"(?:Agent|Task|Read|Bash|Grep|Edit|Write) .*")
    assert [found.split() for found in tools.findall(there)] == [
        found.split() for found in tools.findall(here)
    ]
    assert there.count("agent ") == here.count("agent ")


def test_sessions_and_projects_are_listed_as_here(calls: Both, turns: Both) -> None:
    for both in (calls, turns):
        of_project = ("--project", both.project, "--json")
        here = both.json("sessions", "list", "--json")
        there = both.json("sessions", "list", *of_project, "--from", "phoenix")
        same = ("agent", "turns", "tools", "failures", "total_tokens", "first_prompt")
        found = {row["session_id"]: [row[name] for name in same] for row in there}
        assert found == {row["session_id"]: [row[name] for name in same] for row in here}
        costs = {row["session_id"]: row["cost_usd"] for row in here}
        assert {row["session_id"]: row["cost_usd"] for row in there} == pytest.approx(costs)
    listed = calls.json("projects", "list", "--json", "--from", "phoenix")
    counts = {row["project"]: row["sessions"] for row in listed}
    assert (counts["team/calls"], counts["team/turns"]) == (len(IN_CALLS), len(IN_TURNS))


@pytest.mark.parametrize(
    "expression",
    [
        "kind = 'TOOL'",
        "attributes.openinference.span.kind = 'LLM' and status_code = 'OK'",
        "attributes.tool.name like 'Re%' or attributes.llm.token_count.total > 20000",
        "attributes.tool.parameters like '%pricing.py%'",
    ],
)
def test_a_filter_finds_the_same_spans(calls: Both, expression: str) -> None:
    options = ("--all", "--stdout", "--filter", expression)
    here = calls.json("spans", "export", "--shape", "calls", *options)
    there = calls.json("spans", "export", calls.project, *options, "--from", "phoenix")
    same = ("name", "kind", "parent_id", "status_code")
    found = {span["context"]["span_id"]: [span.get(k) for k in same] for span in here}
    assert found
    assert {s["context"]["span_id"]: [s.get(k) for k in same] for s in there} == found


def test_ids_choose_as_here(calls: Both) -> None:
    session_id = calls.ids()[0]
    here = calls.json("spans", "export", "--session-id", session_id, "--shape", "calls", "--stdout")
    one = here[1]["context"]
    for which, count in (
        (("--session-id", session_id[:13]), len(here)),
        (("--trace-id", one["trace_id"]), None),
        (("--span-id", one["span_id"]), 1),
    ):
        there = calls.json("spans", "export", *which, "--stdout", "--from", "phoenix")
        ids = {span["context"]["span_id"] for span in there}
        assert one["span_id"] in ids
        assert count in (None, len(ids))


def test_what_was_said_there_is_exported(calls: Both, server: Phoenix) -> None:
    session_id = calls.ids()[0]
    export = ("spans", "export", "--session-id", session_id, "--stdout", "--from", "phoenix")
    span_id = calls.json(*export)[0]["context"]["span_id"]
    verdicts = [
        _verdict(span_id, "quality", "HUMAN", {"label": "good", "score": 1}),
        _verdict(span_id, "verified", "CODE", {"label": "incorrect", "explanation": "no check"}),
    ]
    _post(server, "/v1/span_annotations?sync=true", {"data": verdicts})
    (span,) = calls.json(*export, "--filter", "evaluations.verified.label = 'incorrect'")
    assert span["context"]["span_id"] == span_id
    assert [(each["name"], each["label"], each["score"]) for each in span["annotations"]] == [
        ("quality", "good", 1.0)
    ]
    assert [each["explanation"] for each in span["evaluations"]] == ["no check"]


def test_traces_of_others_are_shown_as_far_as_they_go(turns: Both, server: Phoenix) -> None:
    _post(server, "/v1/projects/default/spans", {"data": _foreign()})
    listing = ("sessions", "list", "--project", "default", "--json", "--from", "phoenix")
    until = time.monotonic() + 20
    while not (rows := turns.json(*listing)) and time.monotonic() < until:
        time.sleep(0.2)
    (row,) = rows
    assert (row["session_id"], row["turns"], row["tools"]) == ("chat/1", 1, 1)
    assert (row["total_tokens"], row["first_prompt"]) == (120, "What is it?")
    shown = turns("sessions", "show", "chat/1", "--no-pager", "--from", "phoenix")
    for part in ("What is it?", "lookup", "gpt-x", "retriever", "It is a hat.", "no such page"):
        assert part in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sessions", "list", "--project", "nope"], "'team/calls'"),
        (["spans", "export", "nope"], "'team/calls'"),
        (["sessions", "show", "nope"], "no session 'nope'"),
        (["spans", "export", "--trace-id", "0" * 32], "no trace"),
        (["spans", "export", "--span-id", "0" * 16], "no span"),
    ],
)
def test_what_is_not_there_is_said(calls: Both, arguments: list[str], says: str) -> None:
    done = calls.ran(*arguments, "--from", "phoenix")
    assert (done.exit_code, done.stdout) == (1, "")
    assert says in done.stderr


def _verdict(span_id: str, name: str, kind: str, result: dict[str, Any]) -> dict[str, Any]:
    return {"span_id": span_id, "name": name, "annotator_kind": kind, "result": result}


def _foreign() -> list[dict[str, Any]]:
    """A trace that some other instrumentation made."""

    def span(number: int, kind: str, name: str, **attributes: Any) -> dict[str, Any]:
        failed = name == "lookup"
        return {
            "name": name,
            "context": {"trace_id": "f" * 32, "span_id": f"{number:016x}"},
            "span_kind": kind,
            "parent_id": None if number == 1 else f"{1:016x}",
            "start_time": f"2026-01-01T00:00:0{number}Z",
            "end_time": f"2026-01-01T00:00:0{9 if number == 1 else number + 1}Z",
            "status_code": "ERROR" if failed else "OK",
            "status_message": "no such page" if failed else "",
            "attributes": attributes,
        }

    io = {"input.value": "What is it?", "output.value": "It is a hat."}
    tokens = {"llm.token_count.prompt": 100, "llm.token_count.completion": 20}
    return [
        span(1, "CHAIN", "chain", **io, **{"session.id": "chat/1"}),
        span(2, "RETRIEVER", "retriever", **{"input.value": "hat"}),
        span(3, "LLM", "chat", **{"llm.model_name": "gpt-x", **tokens}),
        span(4, "TOOL", "lookup", **{"tool.name": "lookup", "input.value": '{"q": "hat"}'}),
    ]


def _post(server: Phoenix, path: str, value: Any) -> None:
    body = json.dumps(value).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(server.url + path, body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status < 300
