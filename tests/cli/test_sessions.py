"""`harness sessions` and `harness prune`."""

from __future__ import annotations

import json
import time

import pytest

from harness_tracing.model import Session
from harness_tracing.store import SessionChange, Store, TurnWrite
from tests.cli.conftest import CommandLine
from tests.observe.examples import COMPLETED, SESSION


def _recent(user: CommandLine, agent: str = "claude-code") -> None:
    now_ns = time.time_ns()
    session = Session(agent, "recent", "other", started_at_ns=now_ns)
    with Store.open(user.home.store) as store:
        store.write(SessionChange(session))


def test_nothing_traced_yet_is_an_empty_list_and_words_on_stderr(run: CommandLine) -> None:
    ran = run("sessions", "list")
    assert (ran.code, ran.out) == (0, "")
    assert "Nothing has been traced yet" in ran.err
    assert run("sessions", "list", "--json").json == []
    assert not run.home.store.exists()


def test_a_list_as_json_has_what_other_tools_rely_on(traced: CommandLine) -> None:
    ran = traced("sessions", "list", "--json")
    (session,) = ran.json
    assert ran.code == 0
    assert session["session_id"] == SESSION.session_id
    assert session["agent"] == "claude-code"
    assert session["project"] == "order-pricing"
    assert session["started_at"] and session["ended_at"]
    assert (session["turns"], session["tools"], session["model_calls"]) == (3, 6, 7)


def test_a_list_for_people_is_one_line_per_session(traced: CommandLine) -> None:
    ran = traced("sessions", "list")
    heading, line = ran.out.rstrip("\n").split("\n")
    assert heading.startswith("session")
    assert line.startswith("4763c05f  12-02 14:03  order-pricing")
    assert ran.err == ""


def test_sessions_are_listed_latest_first_and_up_to_the_limit(traced: CommandLine) -> None:
    _recent(traced)
    ids = [session["session_id"] for session in traced("sessions", "list", "--json").json]
    assert ids == ["recent", SESSION.session_id]
    (only,) = traced("sessions", "list", "--json", "--limit", "1").json
    assert only["session_id"] == "recent"


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--agent", "claude"], [SESSION.session_id]),
        (["--project", "other"], ["recent"]),
        (["--project", "nope"], []),
        (["--since", "2d"], ["recent"]),
        (["--since", "2025-12-01"], ["recent", SESSION.session_id]),
        (["--since", "2025-12-02T14:10Z"], ["recent"]),
        (["--since", "2d", "--project", "order-pricing"], []),
    ],
)
def test_options_narrow_the_list(traced: CommandLine, options: list[str], ids: list[str]) -> None:
    _recent(traced, agent="another")
    listed = traced("sessions", "list", "--json", *options).json
    assert [session["session_id"] for session in listed] == ids


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system takes its zone from elsewhere")
def test_a_day_without_a_zone_is_one_of_the_users(traced: CommandLine) -> None:
    began = "2025-12-02T23:03:12+09:00"  # 14:03:12Z
    for since, listed in (("2025-12-02T23:03", 1), ("2025-12-03T00:30", 0), (began, 1)):
        found = traced.process("sessions", "list", "--json", "--since", since, TZ="Asia/Tokyo")
        assert len(json.loads(found.out)) == listed, since


def test_a_list_that_nothing_matches_says_so(traced: CommandLine) -> None:
    ran = traced("sessions", "list", "--project", "nope")
    assert (ran.code, ran.out) == (0, "")
    assert "No session matches" in ran.err


def test_show_is_the_tree(traced: CommandLine) -> None:
    ran = traced("sessions", "show", SESSION.session_id)
    assert ran.code == 0
    assert "Turn 1  Add the FREESHIP discount code" in ran.out
    assert "waited 2.5 s for permission" in ran.out
    assert "\x1b" not in ran.out


def test_the_beginning_of_an_id_is_enough(traced: CommandLine) -> None:
    whole = traced("sessions", "show", SESSION.session_id)
    assert traced("sessions", "show", "4763") == whole


def test_show_one_turn(traced: CommandLine) -> None:
    ran = traced("sessions", "show", "4763", "--turn", "2")
    assert "Turn 2" in ran.out and "Turn 1" not in ran.out and "Turn 3" not in ran.out
    (turn,) = traced("sessions", "show", "4763", "--turn", "2", "--json").json["turns"]
    assert (turn["number"], turn["status"]) == (2, "failed")


def test_a_turn_that_is_not_there_is_a_problem(traced: CommandLine) -> None:
    ran = traced("sessions", "show", "4763", "--turn", "4")
    assert (ran.code, ran.out) == (1, "")
    assert "has no turn 4" in ran.err


def test_show_full_holds_the_contents(traced: CommandLine) -> None:
    assert "make: *** [check] Error 2" in traced("sessions", "show", "4763", "--full").out
    assert "make: *** [check] Error 2" not in traced("sessions", "show", "4763").out


def test_show_as_json_is_the_session_with_its_turns(traced: CommandLine) -> None:
    session = traced("sessions", "show", "4763", "--json").json
    assert session["session_id"] == SESSION.session_id
    assert [turn["number"] for turn in session["turns"]] == [1, 2, 3]
    assert session["turns"][0]["prompt"] == COMPLETED.prompt
    assert session["turns"][0]["steps"][0]["type"] == "model_call"


def test_an_unknown_session_is_a_problem_also_without_a_store(run: CommandLine) -> None:
    ran = run("sessions", "show", "nope")
    assert (ran.code, ran.out) == (1, "")
    assert "there is no session 'nope'" in ran.err


def test_an_ambiguous_beginning_is_a_problem_that_names_the_candidates(
    traced: CommandLine,
) -> None:
    with Store.open(traced.home.store) as store:
        store.write(SessionChange(Session("claude-code", "4763-another", "p")))
    ran = traced("sessions", "show", "4763")
    assert ran.code == 1
    assert SESSION.session_id in ran.err and "4763-another" in ran.err


def test_delete_asks_and_deletes_when_told_yes(traced: CommandLine) -> None:
    ran = traced.process("sessions", "delete", "4763", stdin="y\n")
    assert (ran.code, ran.out) == (0, "")
    assert "4763c05f-538b-40c0-b223-85848c8ea809" in ran.err
    assert traced("sessions", "list", "--json").json == []


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_delete_keeps_the_session_without_a_yes(traced: CommandLine, answer: str) -> None:
    ran = traced.process("sessions", "delete", "4763", stdin=answer)
    assert ran.code == 1
    assert len(traced("sessions", "list", "--json").json) == 1


def test_delete_with_yes_does_not_ask(traced: CommandLine) -> None:
    assert traced("sessions", "delete", "4763", "--yes").code == 0
    assert traced("sessions", "list", "--json").json == []
    again = traced("sessions", "delete", "4763", "--yes")
    assert again.code == 1 and "there is no session" in again.err


def test_delete_warns_that_a_running_session_goes_on(traced: CommandLine) -> None:
    session = Session("claude-code", "live", "p")
    open_turn = TurnWrite(
        COMPLETED.__class__("claude-code", "live", "t", 1, "open", time.time_ns()), False
    )
    with Store.open(traced.home.store) as store:
        store.write(SessionChange(session, (open_turn,)))
    assert "still running" in traced("sessions", "delete", "live", "--yes").err


def test_prune_deletes_what_is_older_and_nothing_else(traced: CommandLine) -> None:
    _recent(traced)
    ran = traced("prune", "--older-than", "1d", "--yes")
    assert (ran.code, ran.out) == (0, "")
    assert "Deleted 1 session" in ran.err
    (left,) = traced("sessions", "list", "--json").json
    assert left["session_id"] == "recent"


def test_prune_says_how_many_before_it_asks(traced: CommandLine) -> None:
    _recent(traced)
    ran = traced.process("prune", "--older-than", "4w", stdin="n\n")
    assert ran.code == 1
    assert "Delete 1 of 2 sessions for good?" in ran.err
    assert len(traced("sessions", "list", "--json").json) == 2


def test_prune_with_nothing_to_do_says_so(run: CommandLine) -> None:
    ran = run("prune", "--older-than", "30d")
    assert (ran.code, ran.out) == (0, "")
    assert "No session is that old" in ran.err


def test_projects_are_listed_for_people_and_programs(traced: CommandLine) -> None:
    _recent(traced)
    listed = traced("projects", "list", "--json").json
    assert [project["project"] for project in listed] == ["other", "order-pricing"]
    assert listed[1] == {
        "project": "order-pricing",
        "agents": ["claude-code"],
        "sessions": 1,
        "turns": 3,
        "last_event_at": "2025-12-02T14:07:32.000000000Z",
    }
    shown = traced("projects", "list").out.split("\n")
    assert shown[2].split() == ["order-pricing", "claude-code", "1", "3", "2025-12-02", "14:07"]


def test_no_projects_yet(run: CommandLine) -> None:
    ran = run("projects", "list")
    assert (ran.code, ran.out) == (0, "")
    assert run("projects", "list", "--json").json == []
