"""Containers and CI jobs end with the agent: what it did has to have arrived by then."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from claude_client import BYPASS, Home
from harness_tracing import agents
from harness_tracing.capture import CAPTURE_SH, hook_command
from tests.backends import OtlpHttpStub
from tracer import Tracer

PROMPT = "[[tool_cycle]] Add SAVE25."
TREE = ["Bash", "Edit", "Read", "Turn 1"]


@pytest.fixture
def stub() -> Iterator[OtlpHttpStub]:
    """The backend."""
    with OtlpHttpStub() as stub:
        yield stub


@pytest.fixture
def sending(bare_home: Home, stub: OtlpHttpStub) -> Home:
    """A home whose user's settings have every hook of this checkout, and the backend."""
    hooks = {}
    for event in agents.get("claude-code").events:
        line = hook_command("claude-code", event.name, sys.executable, str(CAPTURE_SH))
        hook = {"type": "command", "command": line}
        limit = {} if event.timeout_s is None else {"timeout": event.timeout_s}
        hooks[event.name] = [{"hooks": [{**hook, **limit}]}]
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": stub.base_url}
    bare_home.write_settings({"hooks": hooks, "env": env})
    return bare_home


def names(stub: OtlpHttpStub) -> list[str]:
    return sorted(span.name for span in stub.spans())


def test_with_a_wait_everything_has_arrived_when_the_agent_ends(
    sending: Home, stub: OtlpHttpStub
) -> None:
    done = sending.prompt(PROMPT, ARIZE_EXPORT_WAIT_S="30")
    arrived = names(stub)
    Tracer(sending).kill_workers()  # as with its container
    assert (done.returncode, arrived) == (0, TREE), done.stderr


@pytest.mark.parametrize("last", ["", "kill -KILL 0"], ids=["", "group killed"])
def test_exec_has_everything_sent_when_it_ends(
    sending: Home, stub: OtlpHttpStub, last: str
) -> None:
    claude = shlex.join([str(sending.claude), "-p", PROMPT, *BYPASS])
    words = [sys.executable, "-m", "harness_tracing.cli", "exec", "--", "sh", "-c"]
    done = subprocess.run(
        [*words, f"{claude}\n{last}"],
        cwd=sending.project,
        env=sending.env(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        start_new_session=True,
        check=False,
    )
    arrived = names(stub)
    Tracer(sending).kill_workers()
    assert done.returncode == (128 + signal.SIGKILL if last else 0), done.stderr
    assert arrived == TREE
    assert done.stdout.startswith("SAVE25 takes 25 % off"), "nothing of ours is printed"
    assert done.stderr == ""


def test_exec_runs_an_agent_that_is_killed_and_sends_what_it_did(
    sending: Home, stub: OtlpHttpStub
) -> None:
    """The agent dies in its first turn, without a last hook."""
    claude = shlex.join([str(sending.claude), "-p", "[[slow_tool]] go", *BYPASS])
    kill = f"{claude} & agent=$!; while ! ls {sending.path}/.arize/harness/spool/*/*/Pre* "
    kill += ">/dev/null 2>&1; do sleep 0.1; done; kill -KILL $agent; wait $agent"
    words = [sys.executable, "-m", "harness_tracing.cli", "exec", "--", "sh", "-c", kill]
    done = subprocess.run(
        words,
        cwd=sending.project,
        env=sending.env(),
        capture_output=True,
        text=True,
        timeout=120,
        start_new_session=True,
        check=False,
    )
    assert done.returncode == 128 + signal.SIGKILL, done
    assert "Turn 1" in names(stub)
