"""Changes of a file's content: what is put in can be taken out to the byte."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness_tracing.errors import ImproveError
from harness_tracing.improve import changes, ladder
from harness_tracing.improve.proposal import Change

PATH = Path("/app/CLAUDE.md")
LINE = Change("CLAUDE.md", "line", "- Run `make check`.", ladder.HEADING)
OTHER = Change("CLAUDE.md", "line", "- Read first.", ladder.HEADING)
HOOK = Change(".claude/settings.json", "hook", 'exec "x"', event="Stop")
TOOL = Change(".claude/settings.json", "hook", "y", event="PreToolUse", matcher="Edit|Write")
DENY = Change(".claude/settings.json", "deny", entries=("Read(./.env)", "Bash(git push *)"))
HEADED = f"{ladder.HEADING}\n\n- An older one.\n"

TEXTS = [
    b"",
    b"\n",
    b"# Rules\n",
    b"# Rules\n\n",
    b"# Rules without an end",
    b"# Rules\r\n\r\nKeep functions small.\r\n",
    b"# Rules\r\n\r\nno end",
    codecs.BOM_UTF8 + "# Règles\n\n- ça va\n".encode(),
    HEADED.encode(),
    f"# A\n\n{HEADED}\n## Later\n\nmore\n".encode(),
    f"# A\n\n{HEADED}".replace("\n", "\r\n").encode(),
    b"<!-- a comment -->\n\n```sh\n- Run it\n```\n",
]


@pytest.mark.parametrize("before", TEXTS)
def test_a_line_is_put_in_and_taken_out_to_the_byte(before: bytes) -> None:
    after = changes.put(LINE, before, PATH)
    text = after.decode("utf-8-sig")
    assert LINE.text in text.replace("\r\n", "\n").split("\n")
    assert ("\r\n" in text) is (b"\r\n" in before)
    assert after.startswith(codecs.BOM_UTF8) is before.startswith(codecs.BOM_UTF8)
    if before:
        assert after.endswith(b"\n") is before.endswith(b"\n")
    assert changes.take_out(LINE, after, PATH) == before


@given(st.text(alphabet="# ab-\n", max_size=40), st.booleans())
def test_any_text_comes_back_to_the_byte(text: str, windows: bool) -> None:
    before = (text.replace("\n", "\r\n") if windows else text).encode()
    after = changes.put(LINE, before, PATH)
    assert changes.put(LINE, after, PATH) == after
    assert changes.take_out(LINE, after, PATH) == before


def test_in_an_empty_file_the_heading_stands_first() -> None:
    assert changes.put(LINE, b"", PATH).startswith(ladder.HEADING.encode())


def test_a_second_line_goes_below_the_same_heading() -> None:
    first = changes.put(LINE, b"# Rules\n", PATH)
    both = changes.put(OTHER, first, PATH).decode()
    assert both == f"# Rules\n\n{ladder.HEADING}\n\n{LINE.text}\n{OTHER.text}\n"
    assert changes.take_out(LINE, both.encode(), PATH) == (
        f"# Rules\n\n{ladder.HEADING}\n\n{OTHER.text}\n".encode()
    )


def test_text_that_was_added_below_stays_when_the_line_goes() -> None:
    after = changes.put(LINE, b"# Rules\n", PATH) + b"- mine\n\n# More\n"
    left = changes.take_out(LINE, after, PATH)
    assert left == f"# Rules\n\n{ladder.HEADING}\n\n- mine\n\n# More\n".encode()


def test_a_new_file_begins_as_its_agent_needs() -> None:
    fresh = ladder.RULES_FILES["cursor"].fresh
    change = Change("x.mdc", "line", "- Run it.", ladder.HEADING, fresh)
    made = changes.put(change, None, PATH)
    assert made.decode() == f"{fresh}{ladder.HEADING}\n\n- Run it.\n"
    left = changes.take_out(change, made + b"- mine\n", PATH)
    assert left is not None
    assert b"mine" in left
    assert not changes.is_bare(change, left)
    bare = changes.take_out(change, made, PATH)
    assert bare is not None
    assert changes.is_bare(change, bare)


def test_a_line_that_was_rewritten_is_left_to_its_writer() -> None:
    after = changes.put(LINE, b"", PATH).replace(b"Run", b"Always run")
    with pytest.raises(ImproveError, match="by hand"):
        changes.take_out(LINE, after, PATH)


def test_what_somebody_took_out_already_is_out() -> None:
    assert changes.take_out(LINE, b"# Mine\n\n- Be kind.\n", PATH) == b"# Mine\n\n- Be kind.\n"
    for change in (HOOK, DENY):
        assert changes.take_out(change, b'{"env": {"A": "1"}}', PATH) == b'{"env": {"A": "1"}}'
    first, second = DENY.entries
    one_left = changes.put(DENY, b"{}", PATH).replace(json.dumps(first).encode() + b", ", b"")
    assert first.encode() not in one_left
    assert second.encode() in one_left
    assert changes.take_out(DENY, one_left, PATH) == b"{}"


def test_a_hook_that_was_moved_or_rewritten_is_left_to_its_writer() -> None:
    after = changes.put(HOOK, b"{}", PATH)
    for edited in (after.replace(b"Stop", b"SubagentStop"), after.replace(b"exec", b"exec -a")):
        assert edited != after
        with pytest.raises(ImproveError, match="by hand"):
            changes.take_out(HOOK, edited, PATH)


JSONS = [
    "",
    "{}",
    "{\n}\n",
    '{\n  "env": {\n    "A": "1"\n  }\n}\n',
    '{"env":{"A":"1"},"hooks":{"Stop":[{"hooks":[{"type":"command","command":"mine"}]}]}}',
    '{\n\t"permissions": {\n\t\t"deny": [\n\t\t\t"Read(./a)"\n\t\t]\n\t}\n}',
    '{\r\n  "permissions": {"allow": ["Bash(ls)"]},\r\n  "model": "é"\r\n}\r\n',
]


@pytest.mark.parametrize("before", JSONS)
@pytest.mark.parametrize("change", [HOOK, TOOL, DENY])
def test_an_entry_is_put_in_and_taken_out_to_the_byte(before: str, change: Change) -> None:
    content = before.encode()
    after = changes.put(change, content, PATH)
    held = json.loads(after)
    if change.how == "deny":
        assert held["permissions"]["deny"][-2:] == list(change.entries)
    else:
        group = held["hooks"][change.event][-1]
        assert group["hooks"][0]["command"] == change.text
        assert group.get("matcher", "") == change.matcher
    assert changes.put(change, after, PATH) == after
    left = changes.take_out(change, after, PATH)
    assert left is not None
    assert (json.loads(left) if before else {}) == (json.loads(before) if before else {})
    if json.loads(before or "{}"):
        assert left == content


def test_a_handler_beside_ours_stays() -> None:
    after = changes.put(HOOK, b"{}", PATH)
    held = json.loads(after)
    held["hooks"]["Stop"][0]["hooks"].append({"type": "command", "command": "mine"})
    left = changes.take_out(HOOK, json.dumps(held, indent=2).encode(), PATH)
    assert left is not None
    assert json.loads(left)["hooks"]["Stop"][0]["hooks"] == [{"type": "command", "command": "mine"}]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'{\n  // mine\n  "a": 1\n}', "a comment"),
        (b'{"a": 1,}', "line 1"),
        (b"[]", "no object"),
        (b'{"hooks": []}', '"hooks" is no object'),
        (b'{"hooks": {"Stop": {}}}', "is no list"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_settings_that_cannot_be_read_are_left_alone(content: bytes, why: str) -> None:
    with pytest.raises(ImproveError, match="was left as it is") as refused:
        changes.put(HOOK, content, PATH)
    assert why in str(refused.value)


def test_a_file_of_ours_does_not_replace_somebody_elses() -> None:
    change = Change("x.py", "file", "print()\n")
    assert changes.put(change, None, PATH) == b"print()\n"
    assert changes.put(change, b"print()\n", PATH) == b"print()\n"
    with pytest.raises(ImproveError, match="is there already"):
        changes.put(change, b"mine\n", PATH)
    assert changes.take_out(change, b"print()\n", PATH) is None
    with pytest.raises(ImproveError, match="by hand"):
        changes.take_out(change, b"print(1)\n", PATH)


def test_a_diff_says_where_a_last_line_has_no_end() -> None:
    told = changes.diff("a", b"one", changes.put(LINE, b"one", PATH))
    assert told.startswith("--- a/a\n+++ b/a\n")
    assert told.count("\\ No newline at end of file") == 2
    assert changes.diff("a", b"x\n", b"x\n") == ""
