"""Words for people, and traced text made harmless."""

from __future__ import annotations

import datetime
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tracing.observe import text

MS, SECOND, MINUTE, HOUR = 10**6, 10**9, 60 * 10**9, 3600 * 10**9


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (None, ""),
        (0, "0 ms"),
        (340 * MS, "340 ms"),
        (999 * MS + 499_999, "999 ms"),
        (999 * MS + 500_000, "1.0 s"),
        (1234 * MS, "1.2 s"),
        (59 * SECOND + 949 * MS, "59.9 s"),
        (59 * SECOND + 950 * MS, "1 m 0 s"),
        (192 * SECOND, "3 m 12 s"),
        (HOUR - 1, "1 h 0 m"),
        (2 * HOUR + 5 * MINUTE, "2 h 5 m"),
        (76 * HOUR, "3 d 4 h"),
        (-5 * MS, "-5 ms"),
    ],
)
def test_durations_have_two_places_that_matter(ns: int | None, words: str) -> None:
    assert text.duration(ns) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (None, "?"),
        (0, "0"),
        (999, "999"),
        (1000, "1.0k"),
        (12_345, "12.3k"),
        (999_940, "999.9k"),
        (999_950, "1.0M"),
        (1_234_567, "1.2M"),
    ],
)
def test_token_counts_are_short(count: int | None, words: str) -> None:
    assert text.tokens(count) == words


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        (0.0, "$0.00"),
        (0.00001, "< $0.0001"),
        (0.0213, "$0.0213"),
        (0.0999, "$0.0999"),
        (0.1, "$0.10"),
        (1234.567, "$1,234.57"),
    ],
)
def test_money_is_never_a_false_zero(usd: float, words: str) -> None:
    assert text.money(usd) == words


def test_times_are_shown_in_the_zone_asked_for() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=9))
    at_ns = 1_764_684_192_750_000_000
    assert text.clock(at_ns, zone) == "23:03:12"
    assert text.moment(at_ns, zone) == "2025-12-02 23:03"


@pytest.mark.parametrize(
    ("traced", "shown"),
    [
        ("plain äöü 漢字 👩‍💻", "plain äöü 漢字 👩‍💻"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1;2|payload\x1b\\text", "text"),
        ("\x1b(Btext\x1bc", "text"),
        ("\x1b\x1b[0m[2J", "␛[2J"),
        ("\x1b[", "␛["),
        ("bell\x07", "bell␇"),
        ("over\rwritten", "over␍written"),
        ("windows\r\nlines", "windows\nlines"),
        ("back\x08space", "back␈space"),
        ("del\x7f", "del␡"),
        ("c1\x85\x8d", "c1��"),
        ("nul\x00", "nul␀"),
        ("\u202egpj.exe\u202c", "�gpj.exe�"),
        ("\u2066isolate\u2069", "�isolate�"),
        ("line\u2028separator", "line�separator"),
        ("\ud800lone", "�lone"),
        ("tab\there", "tab    here"),
    ],
)
def test_what_a_terminal_would_obey_is_made_harmless(traced: str, shown: str) -> None:
    assert text.plain(traced) == shown


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=200))
def test_no_text_keeps_control_characters(traced: str) -> None:
    for shown in (text.plain(traced).replace("\n", ""), text.first_line(traced)):
        assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
        assert not {unicodedata.bidirectional(c) for c in shown} & {
            *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
        }


def test_a_long_run_of_broken_escapes_does_not_take_for_ever() -> None:
    for hostile in ("\x1b]" * 50_000, "\x9d" * 50_000, "\x9b" + "0" * 200_000, "\x1b[" * 50_000):
        assert text.plain(hostile)


@pytest.mark.parametrize(
    ("traced", "line"),
    [
        (None, ""),
        ("", ""),
        ("\n\n  first   words \nsecond", "first words"),
        ("\x1b[2K\r\n  after", "after"),
    ],
)
def test_the_first_line_is_the_first_that_says_something(traced: str | None, line: str) -> None:
    assert text.first_line(traced) == line


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    ),
    st.booleans(),
)
def test_json_reads_back_as_it_was_and_holds_nothing_a_terminal_obeys(
    value: object, only_ascii: bool
) -> None:
    written = text.json_text(value, only_ascii=only_ascii)
    assert json.loads(written) == value
    assert text.plain(written) == written
    assert not only_ascii or written.isascii()


def test_json_has_no_words_for_infinity() -> None:
    assert json.loads(text.json_text([float("nan"), float("inf"), 1.5])) == [None, None, 1.5]


def test_json_of_controls_and_lone_surrogates_can_be_printed() -> None:
    assert text.json_text("\x1b\x7f\x9b\ud800\u202e") == r'"\u001b\u007f\u009b\ud800\u202e"'


def test_ids_are_as_long_as_tells_them_apart() -> None:
    assert text.telling_length(["01a204ff-f13b", "01a204ff-f19c"]) == len("01a204ff-f13")
    assert text.telling_length(["4763c05f-538b", "0052a0ae-8e0c"]) == 8
    assert text.telling_length(["abc", "abd", "abc"]) == 3
