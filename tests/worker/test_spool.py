"""The spool: what comes into it half, twice, astray, or from somebody else."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional

import pytest

from harness_tracing import spool, worker
from tests.worker.conftest import LONGEST_S, Undisturbed
from tests.worker.player import (
    AGENT,
    HOUR_NS,
    Place,
    Recording,
    assert_same,
    capture,
    play,
    put_event,
    recording,
    wait_for,
)

SESSION = "0f0e0d0c-0b0a-4908-8706-050403020100"
AT_ONCE = 20


def prompt(session: str = SESSION, text: str = "hello") -> dict[str, str]:
    """The payload of a prompt: a turn of its own when it is taken in."""
    return {"session_id": session, "prompt_id": f"p-{text}", "prompt": text, "cwd": "/nowhere"}


def prompts(place: Place) -> dict[str, list[str]]:
    """The stored prompts of each session."""
    found: dict[str, list[str]] = {}
    for turn in place.turns():
        found.setdefault(turn["session_id"], []).append(turn["prompt"])
    return found


@pytest.mark.parametrize("name", ["multi_turn_resume", "elicitation", "subagent_parallel"])
def test_a_hook_registered_twice_changes_nothing(
    place: Place, undisturbed: Undisturbed, name: str
) -> None:
    play(Recording.ready(place, recording(name), longest_s=LONGEST_S), times=2)

    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed(name))


@pytest.mark.parametrize("name", ["permission_denied", "compact_manual", "tui_two_turns"])
def test_events_captured_twice_are_one(place: Place, undisturbed: Undisturbed, name: str) -> None:
    made = capture(place, name)
    for call in made.calls:
        twin_ns = call.at_ns + 3_000_000
        put_event(place, call.session_id, call.event, call.payload.encode(), twin_ns)

    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed(name))


def test_twenty_sessions_at_once_are_all_complete(undisturbed: Undisturbed, place: Place) -> None:
    names = ["simple", "tool_cycle", "parallel_tools", "thinking"]
    wanted = {name: json.loads(undisturbed(name)) for name in names}

    def one(number: int) -> tuple[str, str]:
        name = names[number % len(names)]
        made = Recording.ready(place, recording(name))
        (old,) = made.session_ids
        new = f"{number:08d}" + old[8:]
        renamed = {path: path.with_name(path.name.replace(old, new)) for path in made.files}
        made.files = {
            renamed[path]: [line.replace(old.encode(), new.encode()) for line in lines]
            for path, lines in made.files.items()
        }
        made.calls = [
            type(call)(
                call.at_ns,
                call.event,
                call.payload.replace(old, new),
                {key: value.replace(old, new) for key, value in call.env.items()},
                {path.replace(old, new): count for path, count in call.lines.items()},
            )
            for call in made.calls
        ]
        play(made)
        return name, new

    with ThreadPoolExecutor(AT_ONCE) as pool:
        played = list(pool.map(one, range(AT_ONCE)))

    assert place.flush(timeout_s=60).left == 0
    stored = json.loads(place.contents())
    for name, session in played:
        own = [turn for turn in stored if turn["session_id"] == session]
        for turn in own:
            turn["session_id"] = wanted[name][0]["session_id"]
        assert_same(json.dumps(own, indent=1), json.dumps(wanted[name], indent=1))


def test_an_event_half_written_for_seconds_is_read_when_it_is_whole(place: Place) -> None:
    content = json.dumps(prompt()).encode()
    path = put_event(place, SESSION, "UserPromptSubmit", content[:20])
    with ThreadPoolExecutor(1) as pool:
        flushed = pool.submit(place.flush)
        time.sleep(2)
        assert not flushed.done(), "the flush waits for the rest"
        with open(path, "ab") as file:
            file.write(content[20:])
        assert flushed.result(20).left == 0

    assert prompts(place) == {SESSION: ["hello"]}


def test_an_event_that_never_becomes_json_goes_to_quarantine_for_14_days(place: Place) -> None:
    at_ns = time.time_ns() - 20 * 10**9
    put_event(place, SESSION, "PreToolUse", b'{"session_id": "0f0', at_ns)
    put_event(place, SESSION, "SessionEnd", b"", at_ns)

    assert place.flush().left == 0

    lying = sorted(place.home.quarantine.glob(f"{AGENT}/{SESSION}/*"))
    assert [path.name.split(".")[0] for path in lying] == ["PreToolUse", "SessionEnd"]
    assert not place.event_files()
    assert "goes to quarantine" in place.log()
    young, old = lying
    for path, days in ((young, 13), (old, 15)):
        long_ago = time.time_ns() - days * 24 * HOUR_NS
        os.utime(path, ns=(long_ago, long_ago))
    place.flush()
    assert list(place.home.quarantine.glob("*/*/*")) == [young]


def test_a_broken_event_keeps_its_say_until_its_turn_is_final(place: Place) -> None:
    """Its name and time are true: a worker that is killed has to find it again."""
    put_event(place, SESSION, "UserPromptSubmit", prompt(), time.time_ns() - 21 * 10**9)
    broken = put_event(place, SESSION, "SessionEnd", b"{", time.time_ns() - 20 * 10**9)

    worker.sweep(place.home, place.environ())

    assert broken.exists()
    assert place.flush().left == 0
    assert not broken.exists()
    assert [turn["status"] for turn in place.turns()] == ["interrupted"]


def test_an_event_that_names_another_session_is_filed_there(place: Place) -> None:
    """A live worker has it worked on at once, not when it leaves."""
    fire(place, SESSION, prompt())
    wait_for(lambda: prompts(place) == {SESSION: ["hello"]}, "the first session's prompt")
    other = "11111111-0b0a-4908-8706-050403020100"

    fire(place, SESSION, prompt(other, "elsewhere"))

    wanted = {SESSION: ["hello"], other: ["elsewhere"]}
    wait_for(lambda: prompts(place) == wanted, "both prompts, each in its session")


def test_events_without_a_session_id_are_filed_by_their_payload(place: Place) -> None:
    """Capture looks into the first 4 kB only; the worker reads all."""
    late_id = {"filler": "x" * 8000, **prompt()}

    fire(place, None, late_id)

    wait_for(lambda: prompts(place) == {SESSION: ["hello"]}, "the prompt in its session")
    assert not place.event_files("_common")
    assert [path.name for path in (place.home.spool / AGENT).glob("*")].count(SESSION) == 1


def test_an_event_that_names_no_session_at_all_goes_to_quarantine(place: Place) -> None:
    put_event(place, "_common", "Stop", {"nothing": "here"})

    assert place.flush().left == 0

    assert len(list(place.home.quarantine.glob(f"{AGENT}/_common/*"))) == 1
    assert place.turns() == []


def test_the_common_folder_never_becomes_a_session(place: Place) -> None:
    fire(place, None, {"nothing": "here"})

    wait_for(lambda: list(place.home.quarantine.glob("*/_common/*")), "it is put aside")
    assert not place.home.store.exists() or place.turns() == []


@pytest.mark.parametrize("level", ["spool", "agent", "session"])
def test_a_folder_that_is_a_link_is_left_alone(place: Place, tmp_path: Path, level: str) -> None:
    elsewhere = Place(tmp_path / "other")
    event = put_event(elsewhere, SESSION, "UserPromptSubmit", prompt())
    parts = {"spool": place.home.spool, "agent": place.home.spool / AGENT}
    link = parts.get(level, place.home.session_spool(AGENT, SESSION))
    link.parent.mkdir(parents=True, exist_ok=True)
    depth = {"spool": 2, "agent": 1, "session": 0}[level]
    link.symlink_to([event.parent, event.parent.parent, event.parent.parent.parent][depth])

    assert place.flush().left == 0

    assert event.exists()
    assert list(event.parent.iterdir()) == [event]
    assert place.turns() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_a_folder_of_another_user_is_left_alone(place: Place) -> None:
    event = put_event(place, SESSION, "UserPromptSubmit", prompt())
    os.chown(event.parent, 65534, 65534)

    assert place.flush().left == 0
    assert place.turns() == []


def test_an_unknown_agents_events_wait_and_flush_says_so(place: Place) -> None:
    folder = place.home.session_spool("agent-of-tomorrow", SESSION)
    folder.mkdir(parents=True)
    (folder / "Stop.1.2").write_text("{}")

    result = place.flush()

    assert result.left == 1
    assert "no agent of that name" in result.messages[0]
    assert (folder / "Stop.1.2").exists()


def test_a_spool_beyond_its_cap_loses_its_oldest_events_and_says_so(place: Place) -> None:
    made = capture(place, "tool_cycle")
    total = sum(path.stat().st_size for path in place.event_files())
    oldest = min(place.event_files(), key=lambda path: path.stat().st_mtime_ns)

    worker.sweep(place.home, place.environ(), cap_bytes=total - 1)

    assert not oldest.exists()
    assert place.flush().left == 0
    (turn,) = place.turns()
    assert {"what": "1 events of the session", "why": "the spool outgrew its cap"} in turn["gaps"]
    assert spool.dropped(place.home.session_spool(AGENT, made.session_ids[0])) == 0


def test_a_live_sessions_events_do_not_fall_to_the_cap(place: Place) -> None:
    fire(place, SESSION, prompt())
    wait_for(lambda: prompts(place) == {SESSION: ["hello"]}, "the turn is open")
    lying = place.event_files()
    assert lying

    worker.sweep(place.home, place.environ(), cap_bytes=0)

    assert place.event_files() == lying


def test_an_event_kept_after_it_was_stored_is_not_taken_in_twice(
    place: Place, undisturbed: Undisturbed
) -> None:
    """As when the worker is killed between storing a turn and removing its events."""
    name = "compact_manual"
    capture(place, name)
    kept = {path: path.read_bytes() for path in place.event_files()}
    times = {path: path.stat().st_mtime_ns for path in kept}
    assert place.flush().left == 0
    assert not place.event_files()
    for path, content in kept.items():
        path.write_bytes(content)
        os.utime(path, ns=(times[path], times[path]))

    assert place.flush().left == 0

    assert not place.event_files()
    assert_same(place.contents(), undisturbed(name))


def fire(place: Place, session: Optional[str], payload: dict[str, str]) -> None:
    """Fire a prompt's hook, with or without the session's variable."""
    env = {"CLAUDE_PID": str(os.getpid())}
    if session is not None:
        env["CLAUDE_CODE_SESSION_ID"] = session
    place.fire("UserPromptSubmit", json.dumps(payload).encode(), **env)


def test_events_that_nobody_took_are_stored_by_the_first_command(
    place: Place, undisturbed: Undisturbed
) -> None:
    made = capture(place, "simple")

    done = place.harness("sessions", "list", "--json")

    assert [each["session_id"] for each in json.loads(done.stdout)] == made.session_ids
    assert place.flush().left == 0
    assert_same(place.contents(), undisturbed("simple"))
