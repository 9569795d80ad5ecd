"""A hit shows whose turn it is and where in it the words stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tracing.observe import search
from harness_tracing.observe.columns import plain
from harness_tracing.store import Store, TurnChoice
from harness_tracing.store.terms import folded, parse
from tests import golden

QUERIES = ("FREESHIP", "incompatible types", '"make check"', "overloaded", "pricing*", "readme")


def shown(store: Store, query: str) -> str:
    found = search.hits(store.search(query, TurnChoice(), 20), query)
    return "".join(plain(line) + "\n" for line in search.lines(found, 80))


def test_golden_hits(store: Store) -> None:
    golden.check("observe/search", "\n".join(f"$ {q}\n{shown(store, q)}" for q in QUERIES))


def test_words_are_marked(store: Store) -> None:
    found = search.hits(store.search("freeship", TurnChoice(), 20), "freeship")
    pieces = [piece for line in search.lines(found, 80) for piece in line]
    assert ("FREESHIP", "bold yellow") in pieces


def test_the_piece_with_most_of_the_words_is_shown(store: Store) -> None:
    (hit,) = search.hits(store.search("freeship subtotal", TurnChoice(), 20), "freeship subtotal")
    assert (hit.piece.where, hit.wheres) == ("response", ("prompt", "response"))
    report = search.report(hit)
    assert (report["where"], report["tool"], report["turn"]) == ("response", None, 1)
    marked = [report["snippet"][start:end] for start, end in report["marked"]]
    assert marked == ["FREESHIP", "subtotal"]


@pytest.mark.parametrize(
    ("text", "query", "snippet"),
    [
        ("a\x1b[31m word\x07", "word", "a word␇"),
        ("x" * 500 + " word " + "y" * 500, "word", "…"),
        ("line\n\n\t  word\nnext", "word", "line word next"),
    ],
)
def test_a_snippet_is_one_harmless_line(text: str, query: str, snippet: str) -> None:
    made = search.snippet(text, parse(query))
    assert made.text.startswith(snippet) and "\n" not in made.text and "\x1b" not in made.text
    assert [made.text[start:end] for start, end in made.marked] == ["word"]
    assert len(made.text) < 200


@given(st.text(max_size=300), st.sampled_from(["a", "a b", '"a b"', "é*"]))
def test_marks_stand_on_what_was_searched_for(text: str, query: str) -> None:
    terms = parse(query)
    made = search.snippet(text, terms)
    for start, end in made.marked:
        word = folded(made.text[start:end])
        assert any(term.pattern.match(word) for term in terms), (made, word)
