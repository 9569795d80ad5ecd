"""What may happen to the agent's own files: what can be known is stored, once."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import LONGEST_S, Undisturbed
from tests.worker.player import Place, Recording, assert_same, capture, play, recording, wait_for

NAME = "multi_turn_resume"


def ready(place: Place, name: str = NAME) -> Recording:
    """A recording, its files not yet grown."""
    return Recording.ready(place, recording(name), longest_s=LONGEST_S)


def transcript(made: Recording) -> Path:
    """The main transcript of a recording's first session."""
    return next(path for path in made.files if path.stem == made.session_ids[0])


def gaps(place: Place) -> list[str]:
    """What the stored turns name as missing."""
    return [gap["what"] for turn in place.turns() for gap in turn["gaps"]]


def without_gaps(contents: str) -> str:
    """Stored contents but for what is named as missing."""
    turns: list[dict[str, Any]] = json.loads(contents)
    return json.dumps([{**turn, "gaps": []} for turn in turns], indent=1)


def test_a_corrupt_line_is_a_gap_and_nothing_else_is_lost(
    place: Place, undisturbed: Undisturbed
) -> None:
    made = capture(place, NAME)
    path = transcript(made)
    lines = path.read_bytes().splitlines(keepends=True)
    prompt = next(i for i, line in enumerate(lines) if b'"promptSource"' in line)
    lines.insert(prompt + 1, b'{"type":"assistant","message":{"role":\x00\xff}\n')
    path.write_bytes(b"".join(lines))

    assert place.flush().left == 0
    assert gaps(place) == ["a line of the transcript"]
    assert_same(without_gaps(place.contents()), without_gaps(undisturbed(NAME)))


def test_a_line_cut_in_the_middle_is_read_when_its_rest_comes(
    place: Place, undisturbed: Undisturbed
) -> None:
    made = capture(place, "tool_cycle")
    path = transcript(made)
    whole = path.read_bytes()
    ends = [p for p in place.event_files() if p.name.startswith(("Stop.", "SessionEnd."))]
    for end in ends:
        end.rename(place.user_home / end.name)
    for cut in (len(whole) // 2, len(whole) * 3 // 4, len(whole) - 7):
        path.write_bytes(whole[:cut])
        place.flush(timeout_s=2)
    path.write_bytes(whole)
    for end in ends:
        (place.user_home / end.name).rename(end)

    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed("tool_cycle"))


def test_a_file_cut_short_and_written_anew_is_read_once(
    place: Place, undisturbed: Undisturbed
) -> None:
    """As when a client rewrites its file: the same inode, shorter, then longer than before."""
    made, cuts = ready(place), []

    def before(number: int) -> None:
        path = transcript(made)
        if number % 7 == 6 and path.exists():
            cuts.append(number)
            with made.still:
                content = path.read_bytes()
                os.truncate(path, len(content) // 3)
                with open(path, "r+b") as file:
                    file.write(content)

    play(made, before=before)

    assert cuts
    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed(NAME))


@pytest.mark.parametrize("how", ["another inode", "moved away and back"])
def test_a_replaced_file_is_read_on(place: Place, undisturbed: Undisturbed, how: str) -> None:
    made, replaced = ready(place), []

    def before(number: int) -> None:
        path = transcript(made)
        if number % 5 == 4 and path.exists():
            replaced.append(number)
            aside = path.with_suffix(".aside")
            with made.still:
                shutil.copy(path, aside) if how == "another inode" else path.rename(aside)
                aside.replace(path)

    play(made, before=before)

    assert replaced
    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed(NAME))


def test_a_transcript_that_moves_is_followed(place: Place, undisturbed: Undisturbed) -> None:
    """Entering a worktree moves the file; later events name its new place."""
    made = ready(place)
    old = transcript(made)
    new = old.parent.with_name("-home-dev-elsewhere") / old.name
    new.parent.mkdir(parents=True)
    half = len(made.calls) // 2
    moved = str(new.relative_to(place.user_home))
    before_path = str(old.relative_to(place.user_home))
    for number, call in enumerate(made.calls[half:], half):
        made.calls[number] = type(call)(
            call.at_ns,
            call.event,
            call.payload.replace(str(old), str(new)),
            call.env,
            {moved if path == before_path else path: n for path, n in call.lines.items()},
        )

    def before(number: int) -> None:
        if number == half:
            old.rename(new)
            made.files[new], made.shown[new] = made.files.pop(old), made.shown.pop(old)

    play(made, before=before)

    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed(NAME))


def test_a_missing_transcript_leaves_what_the_hooks_saw_and_says_so(place: Place) -> None:
    made = ready(place, "tool_cycle")
    made.files.clear()

    play(made)

    assert place.flush().left == 0
    (turn,) = place.turns()
    assert "model calls" in gaps(place)
    assert turn["prompt"]
    assert turn["response"]
    assert sorted(step["name"] for step in turn["steps"] if "tool_use_id" in step) == [
        "Bash",
        "Edit",
        "Read",
    ]


def test_a_transcript_deleted_in_mid_session_takes_nothing_back(
    place: Place, undisturbed: Undisturbed
) -> None:
    made = ready(place, "tool_cycle")
    stop = next(i for i, call in enumerate(made.calls) if call.event == "SessionEnd")

    def before(number: int) -> None:
        if number == stop:
            made.show_all()
            wait_for(lambda: any(t["status"] == "completed" for t in place.turns()), "turn is done")
            transcript(made).unlink()
            made.files.clear()

    play(made, before=before)

    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed("tool_cycle"))


def test_a_transcript_deleted_in_mid_turn_leaves_what_was_read(place: Place) -> None:
    made = ready(place, "tool_cycle")
    half = next(i for i, call in enumerate(made.calls) if call.event == "PostToolUse") + 1

    def before(number: int) -> None:
        if number == half:
            wait_for(lambda: any(turn["steps"] for turn in place.turns()), "the file was read")
            transcript(made).unlink()
            made.files.clear()

    play(made, before=before)

    assert place.flush().left == 0
    (turn,) = place.turns()
    assert turn["status"] == "completed"
    assert {step["tool_use_id"] for step in turn["steps"] if "tool_use_id" in step} == {
        "toolu_01mock000000000101",
        "toolu_01mock000000000200",
        "toolu_01mock000000000300",
    }
