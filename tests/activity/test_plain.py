"""Plain command lines are read as the grammar reads them, to the letter."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tracing.activity.plain import plain_script
from harness_tracing.activity.shell import by_grammar
from tests.recorded import FOLDER

PLAIN = [
    "ls",
    "git status --short",
    "make check && git push",
    "a; b;",
    "a | b | c || d",
    "pytest -x -q 2>&1 | tail -5",
    "cat a.py > /tmp/x 2>/dev/null",
    "grep -rn 'def f(' src | head",
    'git commit -m "a: it\'s (done) & more"',
    'echo --x="a b"c',
    "test -f a.py && echo there",
    "printf 'a\nb'",
    "  ls  -l\t-a \n",
]
LEFT_TO_THE_GRAMMAR = [
    "",
    " ",
    "for f in a b; do ls; done",
    "if true; then ls; fi",
    "time make",
    "export A=1",
    "A=1 make",
    "echo $A",
    'echo "$A"',
    "echo `pwd`",
    "(cd a && ls)",
    "{ ls; }",
    "! ls",
    "sleep 5 &",
    "ls\npwd",
    "ls # why",
    "ls *.py",
    "cat < a",
    "cat <<E\na\nE",
    "a |& b",
    "a &&",
    "&& a",
    "a || | b",
    "ls > a b",
    "echo 'a",
    "a\\ b",
    "[ -f a ]",
]


@pytest.mark.parametrize("line", PLAIN)
def test_words_quotes_and_operators_need_no_grammar(line: str) -> None:
    assert plain_script(line) == by_grammar(line)


@pytest.mark.parametrize("line", LEFT_TO_THE_GRAMMAR)
def test_anything_else_is_left_to_the_grammar(line: str) -> None:
    assert plain_script(line) is None


def recorded_lines() -> set[str]:
    """Every command line that stands in a transcript of a recording, however deep in it."""
    found: set[str] = set()
    for path in FOLDER.rglob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").split("\n"):
            if '"cmd' in line or '"command' in line or "\\" in line:
                found.update(_commands(line))
    return found


def _commands(text: str) -> Iterator[str]:
    try:
        content = json.loads(text)
    except ValueError:
        return
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            for key in ("command", "cmd"):
                if isinstance(value.get(key), str):
                    yield value[key]
            waiting += value.values()
        elif isinstance(value, str) and value[:1] in ("{", "["):
            yield from _commands(value)


def test_every_recorded_line_is_read_alike() -> None:
    lines = recorded_lines()
    read = {line: plain_script(line) for line in lines}
    plain = [line for line, script in read.items() if script is not None]
    assert len(plain) > len(lines) / 2 > 100
    assert [line for line in plain if read[line] != by_grammar(line)] == []


PIECES = [
    *"a make if echo test [ 1 10 .5 -x -10 - -- --y=z X=1 && || | ; > >> 2>&1 &> 1>&2".split(),
    *"2>/dev/null f . src/a_b.py / + , : = == in ! time do done export true & ls * ~ { }".split(),
    *("% @ # $ ( ) < \\ ` ''  \"\" 'é' x'y'z".split()),
    *("'q r'", '"d q"', '--m="n o"', "'a\nb'", '"a! *{}#\n|&& ;\'x"', "\n", "\t", " ", " ", " "),
]
LINES = st.lists(
    st.one_of(
        st.sampled_from(PIECES),
        st.text("ab1 -=./'\"|&;>\t", max_size=6),
    ),
    max_size=14,
)


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(LINES)
def test_whatever_is_taken_for_plain_is_read_alike(pieces: list[str]) -> None:
    for line in ("".join(pieces), " ".join(pieces)):
        script = plain_script(line)
        assert script is None or script == by_grammar(line)
