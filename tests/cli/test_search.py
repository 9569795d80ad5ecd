"""`harness search` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness_tracing.redact import Policy, redact_turn
from harness_tracing.store import SessionChange, Store, TurnWrite
from tests.cli.conftest import CommandLine
from tests.observe import examples
from tests.store.older import as_released


def test_turns_are_found_with_place_and_snippet(traced: CommandLine) -> None:
    done = traced("search", "incompatible", "types")
    assert done.code == 0 and "Found in 1 turn." in done.err
    first, second = done.out.splitlines()
    assert first.startswith("4763c05f  turn 1") and "order-pricing" in first
    assert second.strip().startswith("output of Bash:") and "Incompatible types" in second


def test_json_has_the_same(traced: CommandLine) -> None:
    (hit,) = traced("search", "freeship", "--json").json
    assert (hit["session_id"], hit["turn"], hit["where"]) == (
        examples.SESSION.session_id,
        1,
        "prompt",
    )
    assert hit["found_in"] == ["prompt", "response"]


@pytest.mark.parametrize(
    "query",
    [("make check",), ('"make check"',), ("make", "check"), ("mak*",), ('make "check',)],
    ids=str,
)
def test_words_phrases_and_beginnings(traced: CommandLine, query: tuple[str, ...]) -> None:
    assert traced("search", *query, "--json").json


@pytest.mark.parametrize(
    "query",
    ["NEAR(", "a AND", "prompts:x", "-x", "x^2", "'; DROP TABLE turns; --", "a OR b) (", "{a b}"],
)
def test_no_query_is_an_error_of_syntax(traced: CommandLine, query: str) -> None:
    done = traced("search", "--json", "--", query)
    assert (done.code, done.err) == (0, "")


def test_a_query_without_words_says_what_to_write(traced: CommandLine) -> None:
    done = traced("search", "--", "…")
    assert done.code == 2 and "no word to search for" in done.err
    assert traced("search").code == 2


def test_nothing_found_and_nothing_traced(run: CommandLine) -> None:
    assert run("search", "x", "--json").json == []
    with Store.open(run.home.store) as store:
        examples.write(store)
    done = run("search", "nowhere")
    assert (done.code, done.out, done.err) == (0, "", "Nothing was found.\n")


def test_filters_and_limit(traced: CommandLine) -> None:
    assert traced("search", "pricing", "--agent", "codex", "--json").json == []
    assert traced("search", "pricing", "--project", "other", "--json").json == []
    assert traced("search", "pricing", "--since", "2030-01-01", "--json").json == []
    assert len(traced("search", "pricing", "--agent", "claude", "--json").json) == 2
    done = traced("search", "pricing", "--limit", "1")
    assert len(done.out.splitlines()) == 2 and "--limit gives more" in done.err


def test_the_first_search_takes_in_what_an_older_version_stored(run: CommandLine) -> None:
    newer = run.folder / "newer.sqlite3"
    with Store.open(newer) as store:
        examples.write(store)
    run.home.root.mkdir(parents=True)
    as_released(newer, "1.1", run.home.store)

    done = run("search", "freeship")
    assert done.code == 0 and "freeship" in done.out.lower()
    assert "Turns to be taken into the index, this once: 3" in done.err
    assert "index" not in run("search", "freeship").err


def test_what_was_redacted_is_not_found(run: CommandLine) -> None:
    """Secrets go before anything is stored, so the index never meets them."""
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    import dataclasses

    turn = dataclasses.replace(examples.COMPLETED, prompt=f"the token is {secret} okay")
    with Store.open(run.home.store) as store:
        redacted = redact_turn(turn, Policy())
        store.write(SessionChange(examples.SESSION, (TurnWrite(redacted, True),)))
    assert run("search", secret, "--json").json == []
    assert run("search", "token okay", "--json").json != []
    files = Path(run.home.root).glob("store.sqlite3*")
    assert not any(secret.lower().encode() in each.read_bytes().lower() for each in files)


def test_nothing_found_with_an_operator_says_that_it_is_a_word(traced: CommandLine) -> None:
    assert "OR is a word like others" in traced("search", "freeship OR nowhere").err
    assert "a word like others" not in traced("search", "freeship or ORDERLY").err
