"""Secrets in texts are found, ordinary code and prose is left alone, and both quickly."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secret_corpus import ESCAPED, GITHUB, HARMLESS, LEAKS, NAMED, PRIVATE_KEY, SHAPED, Leak

from harness_tracing.secret_rules import find, names, redact_text, secret_kind_of_name


def test_the_corpora_are_large_enough_to_mean_something() -> None:
    assert len(LEAKS) >= 100
    assert len(HARMLESS) >= 100


@pytest.mark.parametrize("leak", SHAPED + NAMED + ESCAPED, ids=lambda leak: leak.text[:40])
def test_secret_is_replaced_and_its_surroundings_stay(leak: Leak) -> None:
    clean, count = redact_text(leak.text)

    assert [secret for secret in leak.secrets if secret in clean] == []
    assert [part for part in leak.stays if part not in clean] == []
    assert f"[redacted:{leak.kind}]" in clean
    assert count >= 1


@pytest.mark.parametrize("text", HARMLESS, ids=lambda text: text[:40])
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact_text(text) == (text, 0)


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.text[:40])
def test_a_second_round_finds_nothing_more(leak: Leak) -> None:
    clean, _ = redact_text(leak.text)

    assert redact_text(clean) == (clean, 0)


@pytest.mark.parametrize("leak", SHAPED, ids=lambda leak: leak.text[:40])
@pytest.mark.parametrize(
    "around",
    [
        "line one\n{}\nline three",
        "\u00e9\u20ac\U0001f600 {} \u0130",
        "[{}]",
        '"{}"',
        "x={};",
        "\t{}\r\n",
    ],
)
def test_a_secret_with_a_shape_is_found_wherever_it_stands(leak: Leak, around: str) -> None:
    clean, _ = redact_text(around.replace("{}", leak.text))

    assert [secret for secret in leak.secrets if secret in clean] == []


@given(
    st.lists(st.sampled_from([*LEAKS, *HARMLESS]), min_size=1, max_size=8),
    st.sampled_from(["\n", "\n\n", "\r\n", "\\n"]),
)
def test_secrets_are_found_among_anything_else(parts: list[Leak | str], between: str) -> None:
    text = between.join(part if isinstance(part, str) else part.text for part in parts)
    clean, _ = redact_text(text)

    leaks = [part for part in parts if not isinstance(part, str)]
    assert [s for leak in leaks for s in leak.secrets if len(s) > 8 and s in clean] == []


@given(st.text(alphabet="sk-ghp_\"'\\ \n=:password{}<>/@AKIA0aZ.,[]", max_size=300))
def test_any_text_is_taken_and_finds_are_in_order(text: str) -> None:
    finds = find(text)

    assert all(0 <= s.start < s.end <= len(text) for s in finds)
    assert all(a.end <= b.start for a, b in zip(finds, finds[1:]))
    redact_text(text)


def test_finds_that_overlap_become_one_named_after_the_most_exact() -> None:
    text = f"Authorization: Bearer {GITHUB}"

    assert redact_text(text) == ("Authorization: Bearer [redacted:github-token]", 1)


def test_a_users_pattern_replaces_only_its_group() -> None:
    own = [("badge", re.compile(r"badge (?P<secret>\d+)"))]

    assert redact_text("badge 4711 ok", own) == ("badge [redacted:badge] ok", 1)
    assert redact_text(f"badge 4711 {GITHUB}", own, rules=False)[0].endswith(GITHUB)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("password", "password"),
        ("DB_PASSWORD", "password"),
        ("userPassword", "password"),
        ("pgpassword2", "password"),
        ("apiKey", "api-key"),
        ("x-api-key", "api-key"),
        ("AWS_SECRET_ACCESS_KEY", "api-key"),
        ("STRIPE_KEY", "key"),
        ("authToken", "token"),
        ("token", "token"),
        ("clientSecret", "secret"),
        ("Authorization", "authorization"),
        ("Set-Cookie", "cookie"),
        ("credentials", "credential"),
        ("SECRET_KEY_PROD", "api-key"),
        ("key", None),
        ("primary_key", None),
        ("CACHE_KEY", None),
        ("max_tokens", None),
        ("next_token", None),
        ("tokenizer", None),
        ("author", None),
        ("PWD", None),
        ("password_hash_rounds", None),
        ("monkey", None),
        ("signature", None),
    ],
)
def test_names_of_json_members_tell_secrets(name: str, kind: str | None) -> None:
    assert secret_kind_of_name(name) == kind


PIECES = [
    "passwords", "passphrase", "passcode", "pwd", "secret", "tokentoken", "jwt", "keykey", "cookie",
    "credentials", "authorization", "auth", "sig", "signature", "s", "_prod", "-2", "_", "-", ":",
    "=", " = ", ': str = "', "[]", " string = ", '"', "'", "\\", "]", ")", "=>", ":=",
    '", "value": "', "', '", ">", "</a>", "x", "\n", "1",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_looking_for_words_first_matches_what_trying_every_place_does(text: str) -> None:
    quick = names._matches(text, names._places(text))

    assert [found.span() for found in quick] == [f.span() for f in names._NAMED.finditer(text)]


# Each is repeated up to the size under test: what a regular expression could choke on.
HOSTILE = [
    "sk-aaaaaaaaaaaaaaa-", "sk-" + "a" * 300, "eyJaaaaaaaaaa-", "eyJaaaaaaaaaa.",
    "eyJaaaaaaaaaa.eyJbbbbbbbbb", PRIVATE_KEY[:31], PRIVATE_KEY[:60] + "\n",
    PRIVATE_KEY[:31] + "\n" + "A" * 19_000 + " " * 100, PRIVATE_KEY[:31] + "\\n" + "A" * 30,
    "://a:", "://a:b@", "a:b@c://", "curl ", "curl -u ", "curl -u a:", "login -p", "login ",
    "machine a login b ", "machine a login b\n" * 3 + " " * 50, "password", "password=",
    "password='", 'password="\\', "password: ", "'password', ", '"password": "\\"',
    "password" + "\\" * 50, "password string", "password: str | ", "token:", "token=a&", "KEY=",
    "A_KEY=aaaaaa", "api_key='a' + ", "<password>", "-", "--a-", "--api-key ", "_a", "_", '"', "'",
    "\\", "\n", " ", "=", "{", '"key" value=', "authorization: bearer ", "Authorization: Digest a",
    "cookie: a=bbbbbbbbbbbb ", "Bearer " + "a" * 40 + " ", "SG.aaaaaaaaaaaaaaa.", GITHUB + '"',
    GITHUB + '" + "', "-AIza", "1234567890:AA", "\u0130password=x", "TOKEN=a'b'", "TOKEN='a'\"b\"",
    "?sig=", "x.key=", "%2Bkey=", "password=${a", "KEY=$(a", "password={a}",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE, ids=lambda piece: repr(piece[:24]))
def test_time_grows_with_the_text_and_no_faster(piece: str) -> None:
    def cost(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            find(text)
            best = min(best, time.process_time() - start)
        return best

    short, long = cost(10_000), cost(80_000)

    # Eight times the text: a quadratic search would take 64 times as long.
    assert long < max(0.05, short * 24)


def test_an_ordinary_output_of_5_mb_takes_a_fraction_of_a_second() -> None:
    line = (
        "2026-11-22 def total_tokens(self, key: str) -> int: return self.cache_tokens[key]  # {}\n"
    )
    text = "".join(line.format(number) for number in range(60_000))[:5_000_000]
    start = time.process_time()
    assert find(text) == []

    # About 0.3 s on a small machine; the bound only tells when something broke.
    assert time.process_time() - start < 5
