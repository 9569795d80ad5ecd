"""What a query means, and that a text is read as the index reads it."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tracing.errors import FilterError
from harness_tracing.store.terms import Term, expression, folded, found_in, parse, spaced


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("pytest failed", [Term(("pytest",)), Term(("failed",))]),
        ('"order total" x', [Term(("order", "total")), Term(("x",))]),
        ("“order total”", [Term(("order", "total"))]),
        ("migr*", [Term(("migr",), True)]),
        ('"order tot"*', [Term(("order", "tot"), True)]),
        (
            "order_total store/pricing.py",
            [Term(("order", "total")), Term(("store", "pricing", "py"))],
        ),
        ('an "unfinished one', [Term(("an",)), Term(("unfinished",)), Term(("one",))]),
        ("twice twice", [Term(("twice",))]),
        ("NEAR(a b) OR -c prompts:d", None),
        ("テスト", [Term(("テ", "ス", "ト"))]),
    ],
)
def test_queries_are_words_phrases_and_beginnings(query: str, terms: list[Term] | None) -> None:
    if terms is None:
        terms = [Term(("NEAR", "a")), Term(("b",)), Term(("OR",)), Term(("c",))]
        terms.append(Term(("prompts", "d")))
    assert list(parse(query)) == terms


@pytest.mark.parametrize("query", ["", "  ", '""', "*", "- + ^ : ( )", "…"])
def test_a_query_without_a_word_is_refused_with_what_to_write(query: str) -> None:
    with pytest.raises(FilterError, match="no word to search for"):
        parse(query)


def index_of(*texts: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE search USING fts5(t, tokenize='unicode61 remove_diacritics 2')"
    )
    connection.executemany("INSERT INTO search VALUES (?)", [(spaced(text),) for text in texts])
    return connection


@given(st.text(max_size=40), st.text(max_size=60))
def test_no_query_is_a_syntax_error(query: str, text: str) -> None:
    try:
        terms = parse(query)
    except FilterError:
        return
    index = index_of(text)
    index.execute("SELECT count(*) FROM search WHERE search MATCH ?", (expression(terms),))


LETTERS = "abAB éÉüß1_-.,\n\t'\"*日本語テ한국"


@given(
    st.text(LETTERS, min_size=1, max_size=8), st.lists(st.text(LETTERS, max_size=30), max_size=3)
)
def test_a_text_is_found_by_reading_exactly_when_the_index_finds_it(
    query: str, texts: list[str]
) -> None:
    try:
        terms = parse(query)
    except FilterError:
        return
    match = "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid"
    indexed = [row[0] for row in index_of(*texts).execute(match, (expression(terms),))]
    read = [
        number
        for number, text in enumerate(texts, 1)
        if all(term.pattern.search(folded(text)) for term in terms)
    ]
    assert read == indexed


@pytest.mark.parametrize(
    ("query", "text", "spans"),
    [
        ("total", "Order_Total and total", [(6, 11), (16, 21)]),
        ("cafe", "Le Café, CAFÉ", [(3, 7), (9, 13)]),
        ("cafe", "Cafe\u0301", [(0, 4)]),
        ('"a b"', "a\n - b", [(0, 6)]),
        ("mig*", "migrate, admigrate", [(0, 3)]),
        ("スト", "テスト", [(1, 3)]),
    ],
)
def test_places_are_those_of_the_shown_text(
    query: str, text: str, spans: list[tuple[int, int]]
) -> None:
    assert sorted(found_in(folded(text), parse(query))) == spans
