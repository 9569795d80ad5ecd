"""The cheap look that a rule takes first misses nothing that its patterns find."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from harness_tracing.activity import runners
from harness_tracing.evaluate.rules import RULES, judged
from harness_tracing.evaluate.rules import claim_without_evidence as claim
from harness_tracing.evaluate.rules import test_tampering as tampering
from tests.evaluate.made import bash, edit, turn

LONG = 20_000


def test_lines_of_any_length_take_no_longer_than_they_are_long() -> None:
    """What would take minutes if each of them went through all patterns."""
    words = ("assert ", "pytest ", "check", "SKIP=a ", "the ", "|| ", "lines: 9 ", "npm run a:a")
    for word in words:
        long = word * LONG
        made = turn(
            edit("tests/test_a.py", "x", long),
            edit("Makefile", "x", long),
            bash(f"X=1 git commit -m x; {long[:90_000]}"),
            answer=f"{long} tests pass.",
        )
        ((_, said),) = judged([made], None)
        assert len(said) == len(RULES)


ANSWERS = (
    "the all 12 5/5 Tests test suite specs checks lint build CI `make check` type-check still now"
    " pass passes PASSED succeed succeeds are is were green Clean successful ok OK passing"
    " came back token hook and . \t"
).split(" ")
DIFFS = (
    "+ - assert ASSERT_EQ( expect( .should self.fail pytest.raises pytest.mark.skip xfail( it("
    " it.skip( xit( describe( test( def test_a func TestA #[test] @Test #[ignore t.Skip( t.Errorf("
    " t.Fatal( @Disabled @Ignore collect_ignore CHECK( require( EXPECT_EQ( unittest.expectedFailure"
    " self.skipTest( parametrize .each @ParameterizedTest subTest rstest True == 1 or # //"
).split(" ")
PATTERNS = ("_ASSERTS", "_TESTS", "_OFF", "_HOLLOW", "_TABLE")
fixed = settings(max_examples=400, deadline=None, derandomize=True)


@fixed
@given(st.lists(st.sampled_from(ANSWERS), max_size=8).map(" ".join))
def test_no_claim_is_missed(sentence: str) -> None:
    found = claim._CLAIM.search(sentence) or claim._COUNTED.search(sentence)
    assert not found or claim._tells(sentence.casefold())


@fixed
@given(st.lists(st.sampled_from(DIFFS), max_size=6).map(" ".join))
def test_no_line_of_a_test_is_missed(line: str) -> None:
    patterns: list[re.Pattern[str]] = [getattr(tampering, name) for name in PATTERNS]
    assert tampering._tells(line) or not any(pattern.search(line) for pattern in patterns)


@fixed
@given(
    st.lists(
        st.sampled_from(
            "1 12 failed passed errors error , in 0.31s = \n FAILED warnings".split(" ")
        ),
        max_size=9,
    ).map(" ".join)
)
def test_no_word_of_pytest_is_missed(output: str) -> None:
    failed, passed = runners._SAID["pytest"]
    found = re.search(failed, output, re.MULTILINE) or re.search(passed, output, re.MULTILINE)
    assert not found or any(word in output for word in runners._NEEDS["pytest"])
