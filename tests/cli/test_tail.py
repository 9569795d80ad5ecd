"""`harness tail` as a user runs it: in a process of its own, while others write."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness_tracing.store import Store
from tests.cli.conftest import CommandLine
from tests.observe import examples
from tests.store.samples import AGENT, change, turn

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="ends by a signal"),
    pytest.mark.timeout(60),
]


@contextmanager
def tail(run: CommandLine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command, running and waiting."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "harness_tracing.cli", "tail", *arguments],
        env=run.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    assert "Ctrl-C ends it" in process.stderr.readline()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_store_that_comes_later_is_followed_and_ctrl_c_ends_it_well(run: CommandLine) -> None:
    with tail(run) as process:
        with Store.open(run.home.store) as store:
            examples.write(store)
            assert "turn 1 began  order-pricing  Add the FREESHIP" in line(process)
            told = [line(process) for _ in range(21)]
            assert any("Bash" in each and "error" in each for each in told)
            assert any("turn 2 failed  Overloaded (529)" in each for each in told)
            store.delete_session(AGENT, examples.SESSION.session_id)
            store.write(change(turn("s-9", prompt="after the deletion")))
        rest = [line(process) for _ in range(2)]
        assert any("after the deletion" in each for each in rest)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")


def test_json_lines_of_one_project_only_and_a_broken_pipe_is_silent(traced: CommandLine) -> None:
    with tail(traced, "--json", "--project", "shop") as process:
        with Store.open(traced.home.store) as store:
            store.write(change(turn("s-1")))
            store.write(change(turn("s-2"), project="shop"))
            first = json.loads(line(process))
            assert (first["what"], first["session_id"]) == ("turn_began", "s-2")
            assert json.loads(line(process))["what"] == "turn_ended"
            assert process.stdout is not None and process.stderr is not None
            process.stdout.close()
            store.write(change(turn("s-3"), project="shop"))
        assert process.stderr.read() == ""
        process.wait(20)
