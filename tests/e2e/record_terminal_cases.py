"""The rarer scenes of the interactive client that record.py records."""

from __future__ import annotations

import time
from typing import Callable

from claude_client import wait_until
from record_cases import ALLOWED, Take
from terminal import Terminal


def leave(take: Take, terminal: Terminal) -> None:
    """/exit, and wait until the client is gone."""
    time.sleep(1)
    terminal.type("/exit", "Enter")
    wait_until(lambda: take.events("SessionEnd"))
    time.sleep(1)


def tui_two_dialogs(take: Take) -> None:
    """Interactive: two commands ask at once; one is allowed after 3 s, the other refused."""
    terminal = Terminal(take.home, "--permission-mode", "default")
    try:
        terminal.expect("for shortcuts")
        terminal.type("Two files. [[two_dialogs]]", "Enter")
        terminal.expect("Do you want to")
        time.sleep(3)
        terminal.type("Enter")
        terminal.expect("second_file")
        wait_until(lambda: len(take.events("PermissionRequest")) == 2)
        time.sleep(2)
        terminal.type("Escape")
        terminal.expect("Interrupted")
        time.sleep(1)
        terminal.type("Say hello. [[simple]]", "Enter")
        terminal.expect("Nothing to change")
        leave(take, terminal)
    finally:
        terminal.close()
    take.turn("Two files. [[two_dialogs]]", "interrupted")
    take.turn("Say hello. [[simple]]")
    take.tool_status["second_file"] = "denied"


def tui_allowed_late(take: Take) -> None:
    """Interactive: a command is allowed after 3 s."""
    terminal = Terminal(take.home, "--permission-mode", "default")
    try:
        terminal.expect("for shortcuts")
        terminal.type("Make a file. [[touch]]", "Enter")
        terminal.expect("Do you want to")
        time.sleep(3)
        terminal.type("Enter")
        terminal.expect("Made.")
        leave(take, terminal)
    finally:
        terminal.close()
    take.turn("Make a file. [[touch]]")


def tui_escape_before_reply(take: Take) -> None:
    """Interactive: Esc before the model says a word; the prompt comes back and is sent anew."""
    terminal = Terminal(take.home, *ALLOWED)
    try:
        terminal.expect("for shortcuts")
        terminal.type("Be late. [[late_reply]]", "Enter")
        wait_until(lambda: take.model.log)
        time.sleep(1.5)
        terminal.type("Escape")
        time.sleep(2)
        terminal.type("C-u", "Say hello. [[simple]]", "Enter")
        terminal.expect("Nothing to change")
        leave(take, terminal)
    finally:
        terminal.close()
    take.turn("Be late. [[late_reply]]", "interrupted")
    take.turn("Say hello. [[simple]]")


def tui_rewind(take: Take) -> None:
    """Interactive: two turns; double Esc goes back to the first; another prompt follows."""
    terminal = Terminal(take.home, *ALLOWED)
    try:
        terminal.expect("for shortcuts")
        terminal.type("One. [[third]]", "Enter")
        terminal.expect("Third answer.")
        time.sleep(1)
        terminal.type("Two. [[second]]", "Enter")
        terminal.expect("Second answer.")
        time.sleep(1)
        terminal.type("Escape", "Escape")
        time.sleep(1.5)
        terminal.type("Up", "Enter")
        time.sleep(1.5)
        terminal.type("Enter")
        time.sleep(1.5)
        terminal.type("C-u", "Anew. [[simple]]", "Enter")
        terminal.expect("Nothing to change")
        leave(take, terminal)
    finally:
        terminal.close()
    take.turn("One. [[third]]")
    take.turn("Two. [[second]]")
    take.turn("Anew. [[simple]]")


def tui_bash_and_memory(take: Take) -> None:
    """Interactive: `!` runs a command, `#` keeps a memory, /cost; then a prompt."""
    terminal = Terminal(take.home, *ALLOWED)
    try:
        terminal.expect("for shortcuts")
        terminal.type("!", "echo typed by hand", "Enter")
        terminal.expect("typed by hand")
        time.sleep(2)
        terminal.type("/cost", "Enter")
        time.sleep(2)
        terminal.type("Escape")
        terminal.type("Say hello. [[simple]]", "Enter")
        terminal.expect("Nothing to change")
        time.sleep(1)
        terminal.type("!", "exit 3", "Enter")
        time.sleep(2)
        terminal.type("Third. [[third]]", "Enter")
        terminal.expect("Third answer.")
        leave(take, terminal)
    finally:
        terminal.close()
    take.turn("! echo typed by hand")
    take.turn("Say hello. [[simple]]")
    take.turn("! exit 3")
    take.turn("Third. [[third]]")


def tui_plan(take: Take) -> None:
    """Interactive: plan mode; the plan is accepted after 3 s."""
    terminal = Terminal(take.home, "--permission-mode", "plan")
    try:
        terminal.expect("plan mode", "for shortcuts")
        terminal.type("Plan it. [[plans]]", "Enter")
        terminal.expect("Exit plan mode?")
        time.sleep(3)
        terminal.type("Enter")
        terminal.expect("The plan stands.")
        leave(take, terminal)
    finally:
        terminal.close()
    take.turn("Plan it. [[plans]]")


def tui_sent_to_background(take: Take) -> None:
    """Interactive: Ctrl+B moves a running command to the background; its end starts a turn."""
    terminal = Terminal(take.home, *ALLOWED)
    try:
        terminal.expect("for shortcuts")
        terminal.type("Run on. [[five_seconds]]", "Enter")
        wait_until(lambda: take.events("PreToolUse"))
        time.sleep(3)
        terminal.type("C-b")
        time.sleep(0.5)
        terminal.type("C-b")
        terminal.expect("It runs on.")
        terminal.expect("It is over.")
        leave(take, terminal)
    finally:
        terminal.close()
    take.turn("Run on. [[five_seconds]]")
    take.turn(take.events("UserPromptSubmit")[-1]["prompt"], kind="task_notification")


def tui_queued_then_escape(take: Take) -> None:
    """Interactive: a message is queued while a tool runs, then Esc."""
    terminal = Terminal(take.home, *ALLOWED)
    try:
        terminal.expect("for shortcuts")
        terminal.type("Wait. [[slow_tool]]", "Enter")
        wait_until(lambda: [e for e in take.events("PreToolUse") if e["tool_name"] == "Bash"])
        time.sleep(1)
        terminal.type("Say hello. [[simple]]", "Enter")
        time.sleep(1)
        terminal.type("Escape")
        time.sleep(2)
        terminal.type("Enter")
        terminal.expect("Nothing to change")
        leave(take, terminal)
    finally:
        terminal.close()
    take.turn("Wait. [[slow_tool]]", "interrupted")
    take.turn("Say hello. [[simple]]")
    take.tool_status["time.sleep"] = "interrupted"


TERMINAL_CASES: dict[str, Callable[[Take], None]] = {
    case.__name__: case
    for case in (
        tui_two_dialogs,
        tui_allowed_late,
        tui_escape_before_reply,
        tui_rewind,
        tui_bash_and_memory,
        tui_plan,
        tui_sent_to_background,
        tui_queued_then_escape,
    )
}
